#include "net/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "core/printable.h"

namespace kedge::net {
namespace {

constexpr size_t kHostBytesMax = 253;
constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._";
constexpr std::string_view kAddressCharacters = "0123456789abcdef:.";

bool all_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; });
  return lower;
}

Error bad_url(std::string_view text, std::string_view why) {
  return {ErrorKind::invalid_input, fmt::format("address {}: {}", printable(text), why)};
}

/// Path and query as they go into a request line.
Result<std::string> request_target(std::string_view text, std::string_view whole) {
  text = text.substr(0, text.find('#'));
  std::string target = text.starts_with('/') ? "" : "/";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return bad_url(whole, "holds a control character");
    if (byte == ' ' || byte > 0x7F) {
      target += fmt::format("%{:02X}", byte);
    } else {
      target += c;
    }
  }
  return target;
}

Status parse_authority(std::string_view authority, std::string_view whole, Url& url) {
  if (authority.find('@') != std::string_view::npos) return bad_url(whole, "holds a user name, expected none");
  std::string_view host = authority;
  std::string_view port;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return bad_url(whole, "has '[' without ']'");
  const size_t colon = authority.find(':', bracket);
  if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    unsigned number = 0;
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (failure != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
      return bad_url(whole, "has a broken port, expected a number from 1 to 65535");
    }
    url.port = static_cast<uint16_t>(number);
  }
  url.host = lower_case(host);
  const bool is_address = bracket > 0;
  if (is_address) {
    if (!url.host.ends_with(']')) return bad_url(whole, "has a broken host");
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  if (url.host.empty() || url.host.size() > kHostBytesMax ||
      !all_of(url.host, is_address ? kAddressCharacters : kHostCharacters)) {
    return bad_url(whole,
                   "has a broken host, expected a name of letters, digits, '-' and '.' (a name in another "
                   "script in its xn-- form)");
  }
  return Done{};
}

/// RFC 3986 5.2.4. `path` begins with '/'.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool ends_open = false;  // the last segment was a dot segment: the result ends with '/'
  size_t begin = 1;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    const bool last = end == path.size();
    if (segment == "." || segment == "..") {
      if (segment == ".." && !kept.empty()) kept.pop_back();
      ends_open = last;
    } else {
      kept.push_back(segment);
    }
    begin = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (ends_open || out.empty()) out += '/';
  return out;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad_url(text, fmt::format("longer than {} bytes", kUrlBytesMax));
  const size_t colon = text.find("://");
  const std::string scheme = lower_case(text.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "http" && scheme != "https") return bad_url(text, "expected one that begins with https:// or http://");
  Url url;
  url.secure = scheme == "https";
  url.port = url.secure ? 443 : 80;
  const std::string_view rest = text.substr(colon + 3);
  const size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  KEDGE_TRY(parse_authority(rest.substr(0, authority_end), text, url));
  KEDGE_ASSIGN(url.target, request_target(rest.substr(authority_end), text));
  return url;
}

Result<Url> resolve_reference(const Url& base, std::string_view reference) {
  if (reference.size() > kUrlBytesMax) return bad_url(reference, fmt::format("longer than {} bytes", kUrlBytesMax));
  const size_t scheme_end = reference.find(':');
  if (scheme_end < reference.find_first_of("/?#")) return parse_url(reference);
  if (reference.starts_with("//")) return parse_url((base.secure ? "https:" : "http:") + std::string(reference));
  Url url = base;
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) return url;
  const std::string_view base_path = std::string_view(base.target).substr(0, base.target.find('?'));
  const size_t query = std::min(reference.find('?'), reference.size());
  const std::string_view path = reference.substr(0, query);
  std::string merged;
  if (path.empty()) {
    merged = base_path;
  } else if (path.starts_with('/')) {
    merged = without_dot_segments(path);
  } else {
    merged = without_dot_segments(std::string(base_path.substr(0, base_path.rfind('/') + 1)).append(path));
  }
  KEDGE_ASSIGN(url.target, request_target(merged.append(reference.substr(query)), reference));
  if (url.target.size() > kUrlBytesMax) return bad_url(reference, fmt::format("longer than {} bytes", kUrlBytesMax));
  return url;
}

std::string host_and_port(const Url& url) {
  const bool is_address = url.host.find(':') != std::string::npos;
  std::string text = is_address ? "[" + url.host + "]" : url.host;
  if (url.port != (url.secure ? 443 : 80)) text += ":" + std::to_string(url.port);
  return text;
}

std::string url_text(const Url& url) {
  return (url.secure ? "https://" : "http://") + host_and_port(url) + url.target;
}

bool same_origin(const Url& a, const Url& b) {
  return a.secure == b.secure && a.host == b.host && a.port == b.port;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos || keep.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace kedge::net
