// Connection's other half: dispatching requests and writing their answers.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>
#include <exception>

#include "net/http_server_connection.h"

namespace kedge::net::server {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;

namespace {

// A line break inside a value would start a header of its own.
std::string one_line(std::string_view value) {
  std::string line(value);
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return line;
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || status < 200;
}

}  // namespace

void Connection::dispatch() {
  http::request<http::string_body> message = parser_->release();
  parser_.reset();
  phase_ = Phase::answering;
  answer_start_ = Clock::now();
  timer_.cancel();
  ++timer_generation_;
  http_1_0_ = message.version() == 10;
  keep_alive_ = message.keep_alive();

  ServerRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  request.body = std::move(message.body());
  current_ = {};
  current_.method = request.method;
  current_.target = request.target;
  current_.headers = request.headers;
  begin_context();
  request.context = current_.context;
  if (message.count(http::field::host) > 1 || (!http_1_0_ && message.count(http::field::host) == 0)) {
    fail(400, "the request has no Host header, or more than one", true);
    return;
  }
  Result<RequestTarget> target = parse_request_target(request.target);
  if (!target.ok()) {
    fail(400, target.error().message, false);
    return;
  }
  request.path = std::move(target.value().path);
  request.query = std::move(target.value().query);
  Router::Match match = core_->router.match(request.method, request.path);
  current_.route = match.pattern;
  if (match.handler == nullptr) {
    answer_without_handler(match);
    return;
  }
  request.route = match.pattern;
  request.parameters = std::move(match.parameters);
  run_handler(std::move(request), *match.handler);
}

void Connection::begin_context() {
  if (core_->hooks.on_begin) current_.context = core_->hooks.on_begin(current_.headers);
}

void Connection::run_handler(ServerRequest request, const ServerHandler& handler) {
  const auto exchange = std::make_shared<Exchange>(shared_from_this());
  exchange_ = exchange;
  // The handler belongs to the router of core_, which the exchange keeps alive.
  asio::post(core_->workers, [&handler, request = std::move(request), exchange]() mutable {
    try {
      handler(std::move(request), exchange);
    } catch (const std::exception&) {  // out of memory, mostly; the exchange, dropped, answers 500
    }
  });
}

void Connection::answer_without_handler(const Router::Match& match) {
  std::vector<std::string> methods = match.methods;
  const bool star = current_.target == "*";
  if (current_.method == "OPTIONS" && (star || !methods.empty())) {
    methods.emplace_back("OPTIONS");
    begin_whole({204, preflight_headers(methods), ""});
    return;
  }
  HttpFailure failure{404, fmt::format("there is no route {}", current_.target), current_.method, current_.target};
  if (!methods.empty()) {
    methods.emplace_back("OPTIONS");
    failure.status = 405;
    failure.message =
        fmt::format("{} does not answer {}; it answers {}", current_.target, current_.method, fmt::join(methods, ", "));
  }
  ServerResponse response = core_->failure(failure);
  if (!methods.empty()) response.headers.push_back({"Allow", fmt::format("{}", fmt::join(methods, ", "))});
  begin_whole(std::move(response));
}

/// Whose pages may read this answer; empty: nobody's of another origin.
std::string Connection::allowed_origin() const {
  const std::vector<std::string>& origins = core_->options.cross_origin.origins;
  if (origins.empty()) return "";
  if (std::find(origins.begin(), origins.end(), "*") != origins.end()) return "*";
  const std::string* origin = find_header(current_.headers, "Origin");
  const bool known = origin != nullptr && std::find(origins.begin(), origins.end(), *origin) != origins.end();
  return known ? *origin : origins.front();  // which a browser then compares with its own
}

ServerHeaders Connection::cross_origin_headers() const {
  const std::string origin = allowed_origin();
  if (origin.empty()) return {};
  ServerHeaders headers{{"Access-Control-Allow-Origin", origin}};
  if (origin != "*") headers.push_back({"Vary", "Origin"});
  const std::string& readable = core_->options.cross_origin.response_headers;
  if (!readable.empty()) headers.push_back({"Access-Control-Expose-Headers", readable});
  return headers;
}

ServerHeaders Connection::preflight_headers(const std::vector<std::string>& methods) const {
  const CrossOrigin& options = core_->options.cross_origin;
  ServerHeaders headers{{"Allow", fmt::format("{}", fmt::join(methods, ", "))}};
  if (options.origins.empty()) return headers;
  headers.push_back(
      {"Access-Control-Allow-Methods", options.methods.empty() ? headers.front().value : options.methods});
  headers.push_back({"Access-Control-Max-Age", std::to_string(options.max_age_seconds)});
  // Echoed, because "*" would not include Authorization.
  const std::string* wanted = find_header(current_.headers, "Access-Control-Request-Headers");
  if (!options.request_headers.empty()) {
    headers.push_back({"Access-Control-Allow-Headers", options.request_headers});
  } else if (wanted != nullptr) {
    headers.push_back({"Access-Control-Allow-Headers", *wanted});
  }
  return headers;
}

void Connection::fail(int status, std::string message, bool close) {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body) {
    current_ = {};
    if (parser_ && parser_->is_header_done()) {
      current_.method = std::string(parser_->get().method_string());
      current_.target = std::string(parser_->get().target());
    }
    parser_.reset();
    phase_ = Phase::answering;
    answer_start_ = Clock::now();
    begin_context();
  }
  if (close) keep_alive_ = false;
  begin_whole(core_->failure({status, std::move(message), current_.method, current_.target}));
}

void Connection::take_output(Exchange& exchange) {
  Exchange::Output output = exchange.take();
  if (phase_ != Phase::answering && phase_ != Phase::streaming) return;
  if (output.whole) {
    begin_whole(*std::move(output.whole));
    return;
  }
  if (output.head) begin_stream(*std::move(output.head));
  if (!output.bytes.empty()) append_chunk(output.bytes);
  if (output.finished) end_answer();
  write_some();
}

std::string Connection::head_text(int status, const ServerHeaders& headers, std::string_view framing) const {
  const std::string_view reason = http::obsolete_reason(static_cast<http::status>(status));
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", status, reason,
                                 fmt::gmtime(std::time(nullptr)));
  const HttpServerOptions& options = core_->options;
  const ServerHeaders of_context = current_.context ? current_.context->headers() : ServerHeaders();
  const ServerHeaders cross_origin = cross_origin_headers();
  for (const ServerHeaders* list : {&options.headers, &cross_origin, &of_context, &headers}) {
    for (const ServerHeader& header : *list) head += fmt::format("{}: {}\r\n", header.name, one_line(header.value));
  }
  head += framing;
  if (!keep_alive_ || closing_) {
    head += "Connection: close\r\n";
  } else if (http_1_0_) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

void Connection::begin_whole(ServerResponse response) {
  answer_status_ = response.status;
  const std::string framing =
      has_no_body(response.status) ? std::string() : fmt::format("Content-Length: {}\r\n", response.body.size());
  output_ += head_text(response.status, response.headers, framing);
  if (current_.method != "HEAD" && !has_no_body(response.status)) output_ += response.body;
  end_answer();
  write_some();
}

void Connection::begin_stream(StreamHead head) {
  answer_status_ = head.status;
  phase_ = Phase::streaming;
  heartbeat_text_ = std::move(head.heartbeat_text);
  heartbeat_ = head.heartbeat;
  if (http_1_0_) keep_alive_ = false;  // the end of the connection is the end of the body
  output_ += head_text(head.status, head.headers, http_1_0_ ? "" : "Transfer-Encoding: chunked\r\n");
}

void Connection::append_chunk(std::string_view bytes) {
  if (current_.method == "HEAD" || bytes.empty()) return;
  if (http_1_0_) {
    output_ += bytes;
  } else {
    fmt::format_to(std::back_inserter(output_), "{:x}\r\n", bytes.size());
    output_ += bytes;
    output_ += "\r\n";
  }
}

void Connection::end_answer() {
  if (phase_ == Phase::streaming && !http_1_0_ && current_.method != "HEAD") output_ += "0\r\n\r\n";
  answer_complete_ = true;
}

void Connection::write_some() {
  unsent_bytes_.store(output_.size() + writing_.size() - written_, std::memory_order_relaxed);
  if (write_pending_ || phase_ == Phase::closed) return;
  if (written_ == writing_.size()) refill();
  if (writing_.empty()) {
    on_written();
    return;
  }
  write_pending_ = true;
  set_timer();
  const auto rest = asio::buffer(writing_.data() + written_, writing_.size() - written_);
  socket_.async_write_some(rest, [self = shared_from_this()](const error_code& error, size_t count) {
    self->write_pending_ = false;
    if (self->phase_ == Phase::closed) return;
    if (error) {
      self->cut();
      return;
    }
    self->written_ += count;
    self->write_some();
  });
}

void Connection::refill() {
  writing_.clear();
  written_ = 0;
  if (!tls_) {
    std::swap(writing_, output_);
    return;
  }
  if (!output_.empty() && tls_->ready()) {
    tls_->send(output_);
    output_.clear();
  }
  writing_ = tls_->take_output();
}

// Everything given so far is with the kernel.
void Connection::on_written() {
  if (!answer_complete_) {
    set_timer();
    return;
  }
  record(answer_status_);
  answer_complete_ = false;
  exchange_.reset();
  next_request();
}

void Connection::record(int status) {
  const std::shared_ptr<ExchangeContext> context = std::exchange(current_.context, nullptr);
  if (!core_->hooks.on_exchange) return;
  const std::chrono::duration<double> elapsed = Clock::now() - answer_start_;
  core_->hooks.on_exchange({current_.method, current_.route, current_.target, status, elapsed.count(), context});
}

}  // namespace kedge::net::server
