#include "serve/otlp_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace kedge::serve {

namespace {

constexpr size_t kAnswerBytesMax = size_t{64} << 10;
constexpr std::chrono::milliseconds kLastTimeout{2000};  // when the server ends

/// As OTEL_EXPORTER_OTLP_ENDPOINT means it: the signal's path is added.
std::string traces_address(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint.ends_with("/v1/traces") ? endpoint : endpoint + "/v1/traces";
}

net::HttpClientOptions client_options(std::chrono::milliseconds timeout) {
  net::HttpClientOptions options;
  options.connect_timeout = options.idle_timeout = timeout;
  options.redirects_max = 0;
  return options;
}

}  // namespace

Result<std::shared_ptr<OtlpExporter>> OtlpExporter::start(OtlpOptions options, LogSink log, MetricsRegistry& metrics) {
  Result<net::Url> url = net::parse_url(traces_address(options.endpoint));
  if (!url.ok()) {
    return Error{ErrorKind::invalid_input, fmt::format("--otlp-endpoint: {}", url.error().message)};
  }
  return std::shared_ptr<OtlpExporter>(
      new OtlpExporter(std::move(options), std::move(url).value(), std::move(log), metrics));
}

OtlpExporter::OtlpExporter(OtlpOptions options, net::Url url, LogSink log, MetricsRegistry& metrics)
    : options_(std::move(options)),
      url_(std::move(url)),
      log_(std::move(log)),
      exported_(metrics.counter("kedge_otlp_spans_exported_total", "Requests whose trace a collector took.")),
      dropped_(metrics.counter("kedge_otlp_spans_dropped_total", "Requests whose trace found the queue full.")),
      failed_(metrics.counter("kedge_otlp_spans_failed_total", "Requests whose trace could not be sent.")),
      client_(std::in_place, client_options(options_.timeout)) {
  thread_ = std::thread([this] { run(); });
}

OtlpExporter::~OtlpExporter() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  cancel_.request_stop();  // a collector that stands still does not hold up the end
  thread_.join();
  if (waiting_.empty()) return;
  client_.emplace(client_options(kLastTimeout));
  cancel_ = std::stop_source();
  send(waiting_);
}

void OtlpExporter::add(RequestSpan span) {
  const std::scoped_lock lock(mutex_);
  if (stopping_ || waiting_.size() >= options_.queue_max) {
    dropped_.add();
    return;
  }
  waiting_.push_back(std::move(span));
  if (waiting_.size() >= options_.batch_max) changed_.notify_all();
}

void OtlpExporter::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, options_.period, [this] { return stopping_ || waiting_.size() >= options_.batch_max; });
    if (stopping_) return;
    if (waiting_.empty()) continue;
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), options_.batch_max));
    std::vector<RequestSpan> batch(std::make_move_iterator(waiting_.begin()),
                                   std::make_move_iterator(waiting_.begin() + count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    lock.unlock();
    send(batch);
    lock.lock();
  }
}

/// Spans that a collector does not take are gone: the next ones tell of its return.
void OtlpExporter::send(const std::vector<RequestSpan>& spans) {
  const Status status = post(to_text(spans_json(spans, options_.service)));
  (status.ok() ? exported_ : failed_).add(spans.size());
  if (status.ok() != told_) return;
  told_ = !status.ok();
  if (status.ok()) {
    write_log(log_, {LogLevel::info, "the collector of traces answers again", {}});
  } else {
    write_log(log_, {LogLevel::warning, fmt::format("traces are not sent: {}", status.error().message), {}});
  }
}

Status OtlpExporter::post(const std::string& body) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers = options_.headers;
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = body;
  KEDGE_ASSIGN(const net::ClientText answer, client_->fetch(request, kAnswerBytesMax, cancel_.get_token()));
  if (answer.response.status / 100 == 2) return Done{};
  return Error{ErrorKind::unavailable, fmt::format("{} answered {}", net::url_text(url_), answer.response.status)};
}

}  // namespace kedge::serve
