#include "serve/request_trace.h"

#include <algorithm>
#include <cctype>

#include "serve/answer.h"

namespace kedge::serve {

namespace {

constexpr size_t kRequestIdBytesMax = 128;
constexpr size_t kPathBytesMax = 200;

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':' || c == '/' || c == '=';
         });
}

std::string request_id(const net::ServerHeaders& request) {
  const std::string* given = net::find_header(request, "x-request-id");
  return given != nullptr && is_request_id(*given) ? *given : random_id("req-");
}

/// Without the query, which may hold anything.
std::string path_of(const std::string& target) {
  return target.substr(0, std::min(target.find('?'), kPathBytesMax));
}

/// Probes come every few seconds and say nothing as long as they are answered.
bool is_probe(const std::string& path) {
  return path.starts_with("/v1/health/") || path == "/metrics" || path == "/v1/metrics";
}

}  // namespace

RequestTrace::RequestTrace(const net::ServerHeaders& request, LogSink log, SpanSink spans)
    : log_(std::move(log)), spans_(std::move(spans)), id_(request_id(request)), sent_key_(key_in(request)) {
  if (spans_) begin_span(request, span_);
}

RequestTrace::~RequestTrace() {
  if (status_ == 0) return;
  if (log_) write_line();
  if (spans_ && span_.sampled && !is_probe(path_)) write_span();
}

void RequestTrace::write_span() {
  span_.end = SpanClock::now();
  span_.request_id = id_;
  span_.method = method_;
  span_.path = path_;
  span_.status = status_;
  span_.model = model_;
  if (computed_) span_.timings = timings_;
  spans_(std::move(span_));
}

void RequestTrace::write_line() const {
  LogRecord record;
  record.message = "request";
  record.level = status_ >= 500                      ? LogLevel::warning
                 : is_probe(path_) && status_ == 200 ? LogLevel::debug
                                                     : LogLevel::info;
  record.fields = {{"id", id_}, {"method", method_}, {"path", path_}, {"status", status_}};
  if (account_) record.fields.emplace_back("key", account_->key().name);
  if (!model_.empty()) record.fields.emplace_back("model", model_);
  if (computed_) {
    record.fields.emplace_back("prompt_tokens", timings_.prompt_tokens);
    record.fields.emplace_back("completion_tokens", timings_.new_tokens);
    record.fields.emplace_back("cached_tokens", timings_.cached_tokens);
    record.fields.emplace_back("queue_ms", timings_.queue_ms);
  }
  record.fields.emplace_back("total_ms", seconds_ * 1000);
  log_(record);
}

net::ServerHeaders RequestTrace::headers() const {
  net::ServerHeaders headers{{"X-Request-Id", id_}};
  const std::scoped_lock lock(mutex_);
  if (!account_) return headers;
  for (net::ServerHeader& header : account_->headers(KeyAccount::Clock::now())) headers.push_back(std::move(header));
  return headers;
}

void RequestTrace::set_account(std::shared_ptr<KeyAccount> account) {
  const std::scoped_lock lock(mutex_);
  account_ = std::move(account);
}

std::string RequestTrace::client() const {
  const std::scoped_lock lock(mutex_);
  return account_ ? account_->key().name : sent_key_;
}

bool RequestTrace::may_use(std::string_view name, std::string_view target) const {
  const std::scoped_lock lock(mutex_);
  return !account_ || account_->may_use(name) || (!target.empty() && account_->may_use(target));
}

ApiStatus RequestTrace::allow(const std::string& name, const std::string& target) {
  const std::scoped_lock lock(mutex_);
  if (!account_) return Done{};
  right_ = !account_->may_use(name) && account_->may_use(target) ? target : name;
  return account_->check_model(right_);
}

void RequestTrace::hold(ModelUse use) {
  const std::scoped_lock lock(mutex_);
  uses_.push_back(std::move(use));
}

bool RequestTrace::holds(const ServedModel& model) const {
  const std::scoped_lock lock(mutex_);
  return std::any_of(uses_.begin(), uses_.end(), [&](const ModelUse& use) { return use.model() == &model; });
}

void RequestTrace::let_go_of_model() {
  std::vector<ModelUse> uses;  // go outside of the lock
  const std::scoped_lock lock(mutex_);
  uses.swap(uses_);
}

ApiStatus RequestTrace::admit(const std::string& model, int32_t priority, uint64_t prompt_tokens) {
  const std::scoped_lock lock(mutex_);
  model_ = model;
  if (!account_) return Done{};
  return account_->take_prompt(right_.empty() ? model : right_, priority, prompt_tokens, KeyAccount::Clock::now());
}

void RequestTrace::finish(const RequestTimings& timings) {
  const std::scoped_lock lock(mutex_);
  timings_ = timings;
  computed_ = true;
  span_.computed = SpanClock::now();
  if (account_) account_->charge_answer(timings.new_tokens, KeyAccount::Clock::now());
}

void RequestTrace::set_operation(std::string operation) {
  const std::scoped_lock lock(mutex_);
  span_.operation = std::move(operation);
}

void RequestTrace::set_streams(bool streams) {
  const std::scoped_lock lock(mutex_);
  span_.streams = streams;
}

void RequestTrace::end(const net::ExchangeRecord& record) {
  const std::scoped_lock lock(mutex_);
  method_ = record.method;
  path_ = path_of(record.target);
  span_.route = record.route;
  status_ = record.status;
  seconds_ = record.seconds;
}

Caller client_of(const net::ServerRequest& request) {
  if (auto trace = std::dynamic_pointer_cast<RequestTrace>(request.context)) return trace;
  return std::make_shared<RequestTrace>(request.headers, LogSink());  // a request that no server carries
}

}  // namespace kedge::serve
