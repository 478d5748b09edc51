#pragma once
// One connection of the HTTP client: bytes, TLS, deadlines, cancellation. Private to src/net/http_client*.

#include <memory>
#include <stop_token>
#include <string_view>

#include "net/http_client.h"

namespace kedge::net::client {

/// Blocking for its caller, asynchronous inside: that is how deadlines and cancellation reach every step.
class ClientConnection {
 public:
  /// Resolves, connects, and for https checks the certificate and its host name.
  static Result<std::unique_ptr<ClientConnection>> open(const Url& url, const HttpClientOptions& options,
                                                        const std::stop_token& stop);

  virtual ~ClientConnection() = default;

  /// Sends the request and reads the head of the answer (interim answers are skipped).
  virtual Result<ClientResponse> ask(const ClientRequest& request, const std::stop_token& stop) = 0;

  /// The next piece of the body, valid until the next call; empty at its end.
  virtual Result<std::string_view> read(const std::stop_token& stop) = 0;

  /// The last answer was read to its end and the server keeps the connection.
  [[nodiscard]] virtual bool reusable() const = 0;
  /// Not a byte of the last answer had come when it failed: on a kept connection, the sign of one closed meanwhile.
  [[nodiscard]] virtual bool silent() const = 0;
};

}  // namespace kedge::net::client
