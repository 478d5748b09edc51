#pragma once
// The HTTP/1.1 server: keep-alive, limits on everything, whole and streamed responses, clients that go away, and a
// shutdown that lets running responses finish. Knows nothing of models.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "net/http_server_message.h"
#include "net/http_server_router.h"
#include "net/tls_session.h"

namespace kedge::net {

/// The head of a streamed response. `heartbeat_text` is written whenever nothing else was for `heartbeat`.
struct StreamHead {
  int status = 200;
  ServerHeaders headers;
  std::string heartbeat_text;
  std::chrono::milliseconds heartbeat{0};  // 0: never
};

/// How a handler answers one request: either `send` once, or `start_stream`, any number of `write` and `finish`.
/// Any thread; nothing blocks. Dropped unanswered, it answers 500 (a stream is cut). Calls out of order are ignored.
class Responder {
 public:
  virtual ~Responder() = default;

  virtual void send(ServerResponse response) = 0;

  virtual void start_stream(StreamHead head) = 0;
  /// False when the client is gone: stop producing. A client that reads so slowly that more than stream_bytes_max wait
  /// for it is cut off, and counts as gone.
  virtual bool write(std::string_view bytes) = 0;
  virtual void finish() = 0;

  /// `callback` runs once, on an I/O thread, as soon as the client has gone away (closed or half-closed its connection,
  /// stopped reading, or the server is shutting down hard) before the answer was complete. At once, on this thread,
  /// when that has already happened. It must not block. Each call replaces the callback before.
  virtual void on_gone(std::function<void()> callback) = 0;
  [[nodiscard]] virtual bool gone() const = 0;
};

/// Which pages of other origins may ask (CORS).
struct CrossOrigin {
  std::vector<std::string> origins;  // "https://app.example", "*": any; empty: none
  std::string methods;               // "GET, POST"; empty: those of the route
  std::string request_headers;       // that a page may send; empty: those that it asks for
  std::string response_headers;      // that a page may read
  unsigned max_age_seconds = 86'400;
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one
  unsigned io_threads = 2;
  unsigned worker_threads = 4;  // run the handlers
  size_t header_bytes_max = size_t{32} << 10;
  size_t body_bytes_max = size_t{32} << 20;
  size_t stream_bytes_max = size_t{8} << 20;            // written by a handler and not yet taken by the client
  size_t connections_max = 16'384;                      // further ones get 503
  std::chrono::milliseconds idle_timeout{75'000};       // between requests
  std::chrono::milliseconds header_timeout{10'000};     // from a request's first byte to the end of its header
  std::chrono::milliseconds body_idle_timeout{30'000};  // between two bytes of a body
  std::chrono::milliseconds request_timeout{300'000};   // from a request's first byte to its last
  std::chrono::milliseconds write_timeout{60'000};      // without the client taking a byte
  ServerHeaders headers;                                // of every response
  TlsFiles tls;
  CrossOrigin cross_origin;
};

/// A request that never reaches a handler: broken, too large, too late, without a route, or one too many.
struct HttpFailure {
  int status = 400;
  std::string message;
  std::string method;  // empty when it could not be read
  std::string path;    // the same
};

/// One answered (or abandoned) request, for metrics and logs.
struct ExchangeRecord {
  std::string method;
  std::string route;  // the pattern; empty when none matched
  std::string target;
  int status = 0;      // 499: the client went away first
  double seconds = 0;  // from the request's last byte to the answer's last
  std::shared_ptr<ExchangeContext> context;
};

struct HttpServerHooks {
  /// Makes the context of a request from its headers (none: they could not be read). On an I/O thread; must not block.
  std::function<std::shared_ptr<ExchangeContext>(const ServerHeaders&)> on_begin;
  std::function<ServerResponse(const HttpFailure&)> on_failure;  // absent: plain text
  std::function<void(const ExchangeRecord&)> on_exchange;        // on an I/O thread; must not block
};

/// Listens from construction to `stop`. Thread-safe, except that `stop` and the destructor must not be called from a
/// handler or a callback.
class HttpServer {
 public:
  /// Fails with invalid_input (the host can't be resolved or is not this machine's) or unavailable (the port is taken).
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, Router router, HttpServerHooks hooks);

  virtual ~HttpServer() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  [[nodiscard]] virtual size_t connection_count() const = 0;

  /// Runs `task` on a worker thread, soon. Dropped after `stop`.
  virtual void post(std::function<void()> task) = 0;

  /// Reads the files of TLS again, for connections from now on. Fails as TlsContext::open does; then nothing changes.
  virtual Status reload_tls() = 0;

  /// Stops accepting, closes idle connections, lets running responses finish for at most `grace`, then cuts what is
  /// left and waits for the handlers to return. Idempotent.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace kedge::net
