#pragma once
// One connection of the HTTP server. Private to src/net/http_server*.

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "net/http_server_core.h"
#include "net/http_server_exchange.h"
#include "net/tls_session.h"

namespace kedge::net::server {

/// Reads requests, hands them to their handlers one after another, and writes the answers. All of it runs on one
/// strand; only the functions marked "any thread" may be called from elsewhere. A connection always has a read pending,
/// also while an answer is made: that is how a client's leaving is noticed.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `accepted`: made on a strand of its own.
  Connection(std::shared_ptr<Core> core, boost::asio::ip::tcp::socket accepted);

  void start();                                   // any thread
  void refuse();                                  // any thread: answers 503 and closes; instead of `start`
  void close_when_done();                         // any thread: at once when idle, else after the running answer
  void cut_soon();                                // any thread
  void abandon(bool mid_stream);                  // any thread: nobody will answer the running request
  void wake(std::shared_ptr<Exchange> exchange);  // any thread: the exchange has something to take
  [[nodiscard]] size_t unsent_bytes() const { return unsent_bytes_.load(std::memory_order_relaxed); }  // any thread
  [[nodiscard]] size_t stream_bytes_max() const { return core_->options.stream_bytes_max; }            // any thread

 private:
  using Clock = std::chrono::steady_clock;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Phase : uint8_t {
    idle,       // between requests
    header,     // a request has begun
    body,       // its header is complete
    answering,  // a handler has it
    streaming,  // the head of a streamed answer is out
    lingering,  // the last answer is out; what the client still sends is thrown away, else it would see a reset
    closed
  };

  // Reading.
  void wait_readable();
  void on_readable();
  bool take_bytes(std::string_view bytes);
  void consume_input();
  void on_parse_error(const boost::beast::error_code& error);
  void check_expectation();
  [[nodiscard]] bool input_full() const;

  // Answering.
  void dispatch();
  void begin_context();
  void run_handler(ServerRequest request, const ServerHandler& handler);
  void answer_without_handler(const Router::Match& match);
  void fail(int status, std::string message, bool close);
  void take_output(Exchange& exchange);
  void begin_whole(ServerResponse response);
  void begin_stream(StreamHead head);
  void append_chunk(std::string_view bytes);
  void end_answer();
  [[nodiscard]] std::string head_text(int status, const ServerHeaders& headers, std::string_view framing) const;
  [[nodiscard]] std::string allowed_origin() const;
  [[nodiscard]] ServerHeaders cross_origin_headers() const;
  [[nodiscard]] ServerHeaders preflight_headers(const std::vector<std::string>& methods) const;

  // Writing, timing, closing.
  void write_some();
  void refill();
  void on_written();
  void set_timer();
  void on_timer();
  void record(int status);
  void next_request();
  void linger();
  void cut();

  const std::shared_ptr<Core> core_;  // first: outlives the socket and the timer
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const std::unique_ptr<TlsSession> tls_;  // null: bytes go as they are
  uint64_t timer_generation_ = 0;

  Phase phase_ = Phase::idle;
  boost::beast::flat_buffer input_;
  std::optional<Parser> parser_;
  bool reading_ = false;
  bool expectation_checked_ = false;
  Clock::time_point phase_start_;    // of a header, a whole request or lingering
  Clock::time_point request_start_;  // its first byte

  ServerRequest current_;  // method, route and target of the request that is being answered
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  bool closing_ = false;  // the server is stopping
  std::weak_ptr<Exchange> exchange_;
  int answer_status_ = 0;
  bool answer_complete_ = false;
  Clock::time_point answer_start_;
  std::string heartbeat_text_;
  std::chrono::milliseconds heartbeat_{0};

  std::string output_;   // waits for its turn
  std::string writing_;  // on its way, encrypted where TLS is
  size_t written_ = 0;   // of writing_
  bool write_pending_ = false;
  std::atomic<size_t> unsent_bytes_{0};
};

}  // namespace kedge::net::server
