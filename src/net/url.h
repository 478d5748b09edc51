#pragma once
// http and https addresses, as a client needs them (RFC 3986).

#include <cstdint>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::net {

inline constexpr size_t kUrlBytesMax = size_t{16} << 10;

struct Url {
  bool secure = true;  // https
  std::string host;    // lower case; an IPv6 address without its brackets
  uint16_t port = 443;
  std::string target;  // path and query as they go into a request line: printable ASCII, begins with '/'
};

/// Fails with invalid_input: another scheme, a user name, a broken host or port, a control character, too long.
/// Spaces and bytes over 0x7F in the path become %XX; a fragment is dropped.
Result<Url> parse_url(std::string_view text);

/// What a Location header of a response from `base` points to: absolute, or relative in any of RFC 3986's forms.
Result<Url> resolve_reference(const Url& base, std::string_view reference);

/// "https://host[:port]/path?query".
std::string url_text(const Url& url);
/// "host[:port]", as the Host header has it.
std::string host_and_port(const Url& url);

/// Scheme, host and port are the same: what a credential is bound to.
bool same_origin(const Url& a, const Url& b);

/// `text` for use inside one path segment or query value: everything but letters, digits and -._~ as %XX.
/// `keep` lists further characters that stay.
std::string percent_encode(std::string_view text, std::string_view keep = "");

}  // namespace kedge::net
