#include "net/http_client_connection.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#include <utility>

namespace kedge::net::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

constexpr size_t kBufferBytes = size_t{64} << 10;
constexpr int kInterimAnswersMax = 10;
// How soon a cancellation is seen. Costs nothing while bytes flow: a finished step ends the wait at once.
constexpr Milliseconds kCancelInterval{50};

/// Runs asynchronous steps one at a time to their end.
class Stepper {
 public:
  [[nodiscard]] asio::io_context& context() { return context_; }

  /// `begin(done)` starts a step that calls done(error) once; `cancel` makes it end early.
  template <typename Begin, typename Cancel>
  ErrorCode run(const std::stop_token& stop, const Begin& begin, const Cancel& cancel) {
    std::optional<ErrorCode> result;
    begin([&](ErrorCode error) { result = error; });
    bool cancelled = false;
    context_.restart();
    while (!result.has_value()) {
      context_.run_for(kCancelInterval);
      if (stop.stop_requested() && !cancelled && !result.has_value()) {
        cancelled = true;
        cancel();
      }
    }
    return *result;
  }

 private:
  asio::io_context context_{1};
};

Error failure(const ErrorCode& error, const Url& url, std::string_view doing, const std::stop_token& stop) {
  if (stop.stop_requested()) return {ErrorKind::cancelled, "interrupted"};
  const std::string place = host_and_port(url);
  if (error == beast::error::timeout) {
    return {ErrorKind::unavailable, fmt::format("{}: no answer in time while {}", place, doing)};
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message || error == asio::error::eof ||
      error == asio::ssl::error::stream_truncated) {
    return {ErrorKind::unavailable, fmt::format("{}: the connection was closed while {}", place, doing)};
  }
  if (error.category() == make_error_code(http::error::bad_version).category()) {
    return {ErrorKind::corrupt_data, fmt::format("{}: not an HTTP answer kedge can read: {}", place, error.message())};
  }
  return {ErrorKind::unavailable, fmt::format("{}: {} failed: {}", place, doing, error.message())};
}

/// Plain: Stream is tcp_stream. TLS: ssl_stream over it.
template <typename Stream>
class StreamConnection final : public ClientConnection {
 public:
  StreamConnection(std::unique_ptr<Stepper> stepper, std::shared_ptr<asio::ssl::context> tls,
                   std::unique_ptr<Stream> stream, Url url, const HttpClientOptions& options)
      : stepper_(std::move(stepper)),
        tls_(std::move(tls)),
        stream_(std::move(stream)),
        url_(std::move(url)),
        options_(options) {}

  Result<ClientResponse> ask(const ClientRequest& request, const std::stop_token& stop) override {
    silent_ = true;
    complete_ = false;
    http::request<http::string_body> message(http::string_to_verb(request.method), request.url.target, 11);
    message.set(http::field::host, host_and_port(request.url));
    message.set(http::field::user_agent, options_.user_agent);
    message.set(http::field::accept_encoding, "identity");
    for (const ClientHeader& header : request.headers) message.set(header.name, header.value);
    if (!request.body.empty()) {
      message.body() = request.body;
      message.prepare_payload();
    }
    const ErrorCode sent = step(stop, [&](auto done) {
      http::async_write(*stream_, message, [done](ErrorCode error, size_t) { done(error); });
    });
    if (sent) return failure(sent, url_, "sending the request", stop);

    for (int interim = 0; interim < kInterimAnswersMax; ++interim) {
      parser_.emplace();
      parser_->header_limit(static_cast<uint32_t>(options_.header_bytes_max));
      parser_->body_limit(boost::none);
      if (request.method == "HEAD") parser_->skip(true);
      const ErrorCode read = step(stop, [&](auto done) {
        http::async_read_header(*stream_, buffer_, *parser_, [done](ErrorCode error, size_t) { done(error); });
      });
      if (buffer_.size() > 0 || parser_->got_some()) silent_ = false;
      if (read) return failure(read, url_, "waiting for the answer", stop);
      if (parser_->get().result_int() >= 200) return head();
    }
    return Error{ErrorKind::corrupt_data, fmt::format("{}: too many interim answers", host_and_port(url_))};
  }

  Result<std::string_view> read(const std::stop_token& stop) override {
    while (!parser_->is_done()) {
      auto& body = parser_->get().body();
      body.data = piece_;
      body.size = sizeof(piece_);
      body.more = true;
      ErrorCode error = step(stop, [&](auto done) {
        http::async_read_some(*stream_, buffer_, *parser_, [done](ErrorCode result, size_t) { done(result); });
      });
      if (error == http::error::need_buffer) error = {};
      // Many servers close without TLS's goodbye; whether the body is whole, its length or last chunk tells.
      if (error == asio::ssl::error::stream_truncated && parser_->need_eof()) {
        error = {};
        parser_->put_eof(error);
      }
      if (error) return failure(error, url_, "receiving the body", stop);
      const size_t size = sizeof(piece_) - body.size;
      if (size > 0) return std::string_view(piece_, size);
    }
    complete_ = true;
    return std::string_view();
  }

  [[nodiscard]] bool reusable() const override { return complete_ && parser_->keep_alive(); }
  [[nodiscard]] bool silent() const override { return silent_; }

 private:
  template <typename Begin>
  ErrorCode step(const std::stop_token& stop, const Begin& begin) {
    auto& socket = beast::get_lowest_layer(*stream_);
    socket.expires_after(options_.idle_timeout);
    return stepper_->run(stop, begin, [&] { socket.cancel(); });
  }

  ClientResponse head() const {
    ClientResponse response;
    response.status = static_cast<int>(parser_->get().result_int());
    response.url = url_;
    for (const auto& field : parser_->get()) {
      response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    if (const auto length = parser_->content_length()) response.content_length = *length;
    return response;
  }

  std::unique_ptr<Stepper> stepper_;
  std::shared_ptr<asio::ssl::context> tls_;  // outlives the stream
  std::unique_ptr<Stream> stream_;
  Url url_;
  HttpClientOptions options_;
  beast::flat_buffer buffer_{kBufferBytes};
  std::optional<http::response_parser<http::buffer_body>> parser_;
  char piece_[kBufferBytes];
  bool complete_ = false;
  bool silent_ = true;
};

/// A connected socket: the first address of the host that answers.
Status connect(Stepper& stepper, beast::tcp_stream& stream, const Url& url, const HttpClientOptions& options,
               const std::stop_token& stop) {
  asio::ip::tcp::resolver resolver(stepper.context());
  asio::ip::tcp::resolver::results_type addresses;
  const ErrorCode resolved = stepper.run(
      stop,
      [&](auto done) {
        resolver.async_resolve(url.host, std::to_string(url.port), [&addresses, done](ErrorCode error, auto found) {
          addresses = std::move(found);
          done(error);
        });
      },
      [&] { resolver.cancel(); });
  if (resolved) return failure(resolved, url, "looking up the host", stop);
  stream.expires_after(options.connect_timeout);
  const ErrorCode connected = stepper.run(
      stop, [&](auto done) { stream.async_connect(addresses, [done](ErrorCode error, const auto&) { done(error); }); },
      [&] { stream.cancel(); });
  if (connected) return failure(connected, url, "connecting", stop);
  ErrorCode ignored;
  stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  return Done{};
}

using TlsStream = beast::ssl_stream<beast::tcp_stream>;

/// One context for the process: reading the system's authorities takes milliseconds.
std::shared_ptr<asio::ssl::context> shared_tls_context() {
  static const std::shared_ptr<asio::ssl::context> shared = [] {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    ErrorCode ignored;  // without authorities every certificate is refused, with a message
    context->set_default_verify_paths(ignored);
    context->set_verify_mode(asio::ssl::verify_peer, ignored);
    ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    return context;
  }();
  return shared;
}

Error handshake_failure(const ErrorCode& error, TlsStream& stream, const Url& url, const std::stop_token& stop) {
  const long verdict = ::SSL_get_verify_result(stream.native_handle());
  if (!stop.stop_requested() && verdict != X509_V_OK) {
    return {
        ErrorKind::invalid_input,
        fmt::format("{}: its certificate was refused: {} (a private authority goes into the system's store, or into "
                    "the file that SSL_CERT_FILE names)",
                    host_and_port(url), ::X509_verify_cert_error_string(verdict))};
  }
  return failure(error, url, "the TLS handshake", stop);
}

Status handshake(Stepper& stepper, TlsStream& stream, const Url& url, const HttpClientOptions& options,
                 const std::stop_token& stop) {
  // Server name indication is for names only (RFC 6066).
  ErrorCode not_an_address;
  static_cast<void>(asio::ip::make_address(url.host, not_an_address));
  if (not_an_address) SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  ErrorCode ignored;
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host), ignored);
  beast::get_lowest_layer(stream).expires_after(options.connect_timeout);
  const ErrorCode error = stepper.run(
      stop,
      [&](auto done) {
        stream.async_handshake(asio::ssl::stream_base::client, [done](ErrorCode result) { done(result); });
      },
      [&] { beast::get_lowest_layer(stream).cancel(); });
  if (error) return handshake_failure(error, stream, url, stop);
  return Done{};
}

}  // namespace

Result<std::unique_ptr<ClientConnection>> ClientConnection::open(const Url& url, const HttpClientOptions& options,
                                                                 const std::stop_token& stop) {
  auto stepper = std::make_unique<Stepper>();
  if (!url.secure) {
    auto stream = std::make_unique<beast::tcp_stream>(stepper->context());
    KEDGE_TRY(connect(*stepper, *stream, url, options, stop));
    return std::unique_ptr<ClientConnection>(std::make_unique<StreamConnection<beast::tcp_stream>>(
        std::move(stepper), nullptr, std::move(stream), url, options));
  }
  auto tls = shared_tls_context();
  auto stream = std::make_unique<TlsStream>(stepper->context(), *tls);
  KEDGE_TRY(connect(*stepper, beast::get_lowest_layer(*stream), url, options, stop));
  KEDGE_TRY(handshake(*stepper, *stream, url, options, stop));
  return std::unique_ptr<ClientConnection>(std::make_unique<StreamConnection<TlsStream>>(
      std::move(stepper), std::move(tls), std::move(stream), url, options));
}

}  // namespace kedge::net::client
