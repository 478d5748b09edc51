#pragma once
// The HTTP/1.1 client: TLS checked against the system's authorities, redirects, ranges, time limits, cancellation.
// Bodies are handed over piece by piece; nothing is collected unless asked for.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "net/url.h"

namespace kedge::net {

struct ClientHeader {
  std::string name;
  std::string value;
};

enum class Redirects : uint8_t {
  follow,       // wherever they lead
  same_origin,  // while scheme, host and port stay; the first that leaves them is the answer
};

struct ClientRequest {
  std::string method = "GET";  // HEAD, POST
  Url url;
  std::vector<ClientHeader> headers;  // Host, User-Agent, Connection and Accept-Encoding are the client's own
  std::string body = {};              // sent with its length when it is not empty
  Redirects redirects = Redirects::follow;
};

struct ClientResponse {
  int status = 0;
  Url url;  // of the last request, after redirects
  std::vector<ClientHeader> headers;
  std::optional<uint64_t> content_length;

  /// The first header of that name, in any case; null when there is none.
  [[nodiscard]] const std::string* header(std::string_view name) const;
};

struct HttpClientOptions {
  std::string user_agent = "kedge";
  std::chrono::milliseconds connect_timeout{20'000};  // for each of resolve, connect, TLS handshake
  std::chrono::milliseconds idle_timeout{60'000};     // without a byte in either direction
  size_t header_bytes_max = size_t{64} << 10;
  int redirects_max = 10;
};

/// Takes the body of an answer. A failure stops the transfer and is returned as it is.
struct ClientSink {
  std::function<Status(const ClientResponse&)> on_head;  // before any of the body; absent: fine
  std::function<Status(std::string_view)> on_body;       // a piece, in order
};

struct ClientText {
  ClientResponse response;
  std::string body;
};

/// Keeps one connection open between requests to the same origin. One thread at a time.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  /// One request, redirects included. Any status is an answer, not a failure. An Authorization header goes to the
  /// request's own origin only, and a redirect from https to http is refused.
  /// Fails with unavailable (no connection, cut, silence), invalid_input (a certificate that nobody vouches for, a
  /// broken header), corrupt_data (not HTTP, past a limit) or cancelled.
  Result<ClientResponse> send(const ClientRequest& request, const ClientSink& sink, const std::stop_token& stop);

  /// The same with the body collected. Fails with corrupt_data when it is longer than `bytes_max`.
  Result<ClientText> fetch(const ClientRequest& request, size_t bytes_max, const std::stop_token& stop);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kedge::net
