// Reading requests, timing and closing; the answers are in http_server_answer.cc.
#include "net/http_server_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstring>

namespace kedge::net::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::beast::error_code;

namespace {

constexpr size_t kReadBytes = size_t{64} << 10;
// What a client may send ahead while its answer is made, before its bytes stay in the kernel.
constexpr size_t kReadAheadBytesMax = size_t{64} << 10;
constexpr std::chrono::milliseconds kLingerTime{2'000};

std::unique_ptr<TlsSession> session_of(const std::shared_ptr<const TlsContext>& context) {
  return context ? TlsSession::create(context) : nullptr;
}

}  // namespace

Connection::Connection(std::shared_ptr<Core> core, asio::ip::tcp::socket accepted)
    : core_(std::move(core)),
      socket_(std::move(accepted)),
      timer_(socket_.get_executor()),
      tls_(session_of(core_->tls())),
      phase_start_(Clock::now()) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // a token is small and should leave now
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

void Connection::start() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->wait_readable();
    self->set_timer();
  });
}

void Connection::refuse() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->tls_) {  // a handshake for a refusal would cost more than it tells
      self->cut();
      return;
    }
    self->wait_readable();
    self->fail(503,
               fmt::format("the server already has {} connections, its limit", self->core_->options.connections_max),
               true);
  });
}

void Connection::close_when_done() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->closing_ = true;
    if (self->phase_ == Phase::idle) self->cut();
  });
}

void Connection::cut_soon() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->cut(); });
}

void Connection::abandon(bool mid_stream) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), mid_stream] {
    if (mid_stream) {
      self->cut();  // the only way to say that a stream is not complete
    } else if (self->phase_ == Phase::answering) {
      self->fail(500, "the server made no answer to this request", false);
    }
  });
}

void Connection::wake(std::shared_ptr<Exchange> exchange) {
  asio::post(socket_.get_executor(),
             [self = shared_from_this(), exchange = std::move(exchange)] { self->take_output(*exchange); });
}

bool Connection::input_full() const {
  const bool ahead = phase_ == Phase::answering || phase_ == Phase::streaming;
  return ahead && input_.size() >= kReadAheadBytesMax;
}

// Waits without a buffer, so that ten thousand idle connections hold none.
void Connection::wait_readable() {
  if (reading_ || phase_ == Phase::closed || input_full()) return;
  reading_ = true;
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    if (self->phase_ == Phase::closed) return;
    if (error) {
      self->cut();
    } else {
      self->on_readable();
    }
  });
}

void Connection::on_readable() {
  std::array<char, kReadBytes> bytes;
  error_code error;
  const size_t count = socket_.read_some(asio::buffer(bytes), error);
  if (error == asio::error::would_block) {
    wait_readable();
    return;
  }
  if (error) {
    // A client that has closed its side after a complete answer was queued may still read it.
    keep_alive_ = false;
    if (!answer_complete_) cut();
    return;
  }
  if (phase_ != Phase::lingering && !take_bytes({bytes.data(), count})) {
    keep_alive_ = false;
    if (!answer_complete_) cut();
    return;
  }
  wait_readable();
}

/// False when the client's TLS ends here.
bool Connection::take_bytes(std::string_view bytes) {
  std::string plain;
  bool open = true;
  if (tls_) {
    open = tls_->receive(bytes, plain);
    bytes = plain;
    write_some();  // what the handshake has to say
  }
  if (!bytes.empty()) {
    std::memcpy(input_.prepare(bytes.size()).data(), bytes.data(), bytes.size());
    input_.commit(bytes.size());
    consume_input();
  }
  return open;
}

void Connection::consume_input() {
  while (input_.size() > 0 && (phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body)) {
    if (phase_ == Phase::idle) {
      const char first = *static_cast<const char*>(input_.data().data());
      if (first == '\r' || first == '\n') {  // RFC 9112: empty lines before a request line are skipped
        input_.consume(1);
        continue;
      }
      parser_.emplace();
      parser_->eager(true);
      parser_->header_limit(static_cast<uint32_t>(core_->options.header_bytes_max));
      parser_->body_limit(core_->options.body_bytes_max);
      phase_ = Phase::header;
      request_start_ = Clock::now();
      expectation_checked_ = false;
    }
    error_code error;
    const size_t used = parser_->put(input_.data(), error);
    input_.consume(used);
    if (error && error != http::error::need_more) {
      on_parse_error(error);
      return;
    }
    if (parser_->is_header_done()) {
      phase_ = Phase::body;
      check_expectation();
      if (phase_ != Phase::body) return;
    }
    if (parser_->is_done()) {
      dispatch();
      return;
    }
    if (used == 0) break;
  }
  if (phase_ != Phase::answering && phase_ != Phase::streaming) set_timer();
}

void Connection::on_parse_error(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    fail(431, fmt::format("the request's header is larger than {} bytes", core_->options.header_bytes_max), true);
  } else if (error == http::error::body_limit) {
    fail(413, fmt::format("the request's body is larger than {} bytes", core_->options.body_bytes_max), true);
  } else if (error == http::error::bad_version) {
    fail(505, "the request's HTTP version is not 1.0 or 1.1", true);
  } else {
    fail(400, fmt::format("the request is not well-formed HTTP: {}", error.message()), true);
  }
}

void Connection::check_expectation() {
  if (std::exchange(expectation_checked_, true)) return;
  const beast::string_view expectation = parser_->get()[http::field::expect];
  if (expectation.empty()) return;
  if (!beast::iequals(expectation, "100-continue")) {
    fail(417, "the only expectation that this server meets is 100-continue", true);
  } else if (!parser_->is_done()) {
    output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    write_some();
  }
}

void Connection::set_timer() {
  const Clock::time_point now = Clock::now();
  const HttpServerOptions& options = core_->options;
  Clock::time_point deadline = Clock::time_point::max();
  if (write_pending_) {
    deadline = now + options.write_timeout;
  } else if (phase_ == Phase::idle) {
    const bool shakes_hands = tls_ && !tls_->ready();
    deadline = phase_start_ + (shakes_hands ? options.header_timeout : options.idle_timeout);
  } else if (phase_ == Phase::header) {
    deadline = request_start_ + options.header_timeout;
  } else if (phase_ == Phase::body) {
    deadline = std::min(now + options.body_idle_timeout, request_start_ + options.request_timeout);
  } else if (phase_ == Phase::streaming && heartbeat_.count() > 0) {
    deadline = now + heartbeat_;
  } else if (phase_ == Phase::lingering) {
    deadline = phase_start_ + kLingerTime;
  }
  const uint64_t generation = ++timer_generation_;
  if (deadline == Clock::time_point::max() || phase_ == Phase::closed) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(deadline);
  timer_.async_wait([self = shared_from_this(), generation](const error_code& error) {
    if (!error && generation == self->timer_generation_) self->on_timer();
  });
}

void Connection::on_timer() {
  if (phase_ == Phase::closed) return;
  if (write_pending_) {
    cut();
  } else if (phase_ == Phase::header || phase_ == Phase::body) {
    fail(408, "the request did not arrive in time", true);
  } else if (phase_ == Phase::streaming) {
    append_chunk(heartbeat_text_);
    write_some();
  } else {
    cut();
  }
}

void Connection::next_request() {
  if (!keep_alive_ || closing_) {
    linger();
    return;
  }
  phase_ = Phase::idle;
  phase_start_ = Clock::now();
  set_timer();
  // Not called directly: a client that sends a thousand requests at once must not nest a thousand calls.
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->consume_input();
    self->wait_readable();
  });
}

void Connection::linger() {
  error_code ignored;
  if (tls_) {  // a few bytes: the kernel takes them, or the client does without
    tls_->close();
    const std::string farewell = tls_->take_output();
    socket_.write_some(asio::buffer(farewell), ignored);
  }
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  phase_ = Phase::lingering;
  phase_start_ = Clock::now();
  answer_complete_ = false;
  input_.clear();
  set_timer();
  wait_readable();
}

void Connection::cut() {
  if (phase_ == Phase::closed) return;
  const bool answering = phase_ == Phase::answering || phase_ == Phase::streaming;
  phase_ = Phase::closed;
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  if (answering) {
    record(499);
    if (const std::shared_ptr<Exchange> exchange = exchange_.lock()) exchange->notify_gone();
  }
  core_->remove(this);
}

}  // namespace kedge::net::server
