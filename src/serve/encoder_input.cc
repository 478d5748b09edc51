#include "serve/encoder_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "serve/fields.h"

namespace kedge::serve {

namespace {

using Clock = std::chrono::steady_clock;

// Between two batches the lane looks whether the client is still there.
constexpr size_t kBatchSequences = 16;

template <typename Value>
struct Running {
  ActiveRequests::Guard active;
  ServedModel::Place place;
  EncoderJob<Value> job;
  std::shared_ptr<net::Responder> responder;
  Clock::time_point arrival;
};

template <typename Value>
void encode_all(Running<Value>& running) {
  const EncoderJob<Value>& job = running.job;
  ModelMetrics& metrics = job.model->metrics();
  const std::chrono::duration<double> queued = Clock::now() - running.arrival;
  metrics.queue_seconds.observe(queued.count());
  std::vector<Value> values;
  uint64_t token_count = 0;
  for (size_t begin = 0; begin < job.sequences.size(); begin += kBatchSequences) {
    if (running.responder->gone()) {
      metrics.failures.add();
      return;
    }
    const size_t count = std::min(kBatchSequences, job.sequences.size() - begin);
    const std::span<const std::vector<TokenId>> batch(&job.sequences[begin], count);
    Result<std::vector<Value>> computed = job.compute(job.model->engine(), batch);
    if (!computed.ok()) {
      metrics.failures.add();
      running.responder->send(error_response(api_error(computed.error())));
      return;
    }
    for (Value& value : computed.value()) values.push_back(std::move(value));
    for (const std::vector<TokenId>& sequence : batch) token_count += sequence.size();
  }
  metrics.prompt_tokens.add(token_count);
  metrics.request_seconds.observe(std::chrono::duration<double>(Clock::now() - running.arrival).count());
  metrics.successes.add();
  if (job.caller) {
    RequestTimings timings;
    timings.queue_ms = queued.count() * 1000;
    timings.prefill_ms = std::chrono::duration<double, std::milli>(Clock::now() - running.arrival - queued).count();
    timings.prompt_tokens = token_count;
    job.caller->finish(timings);
  }
  running.responder->send(json_response(job.finish(values, token_count)));
}

template <typename Value>
ApiStatus admit_caller(const EncoderJob<Value>& job) {
  if (!job.caller) return Done{};
  uint64_t token_count = 0;
  for (const std::vector<TokenId>& sequence : job.sequences) token_count += sequence.size();
  return job.caller->admit(job.model_name, 0, token_count);
}

template <typename Value>
void start(ServeContext& context, EncoderJob<Value> job, std::shared_ptr<net::Responder> responder) {
  ServedModel& model = *job.model;
  ApiResult<ServedModel::Place> place = model.admit();
  if (!place.ok()) {
    responder->send(error_response(place.error()));
    return;
  }
  if (const ApiStatus allowed = admit_caller(job); !allowed.ok()) {
    responder->send(error_response(allowed.error()));
    return;
  }
  auto running = std::make_shared<Running<Value>>(Running<Value>{context.active.enter(), std::move(place).value(),
                                                                 std::move(job), std::move(responder), Clock::now()});
  model.lane().post([running] {
    encode_all(*running);
    if (running->job.caller) running->job.caller->let_go_of_model();
  });
}

}  // namespace

const std::vector<std::string>& truncate_names() {
  static const std::vector<std::string> kNames = {"NONE", "START", "END"};
  return kNames;
}

Truncate truncate_named(std::string_view name) {
  if (name == "START") return Truncate::start;
  return name == "END" ? Truncate::end : Truncate::none;
}

std::vector<TokenId> drop_start(const std::vector<TokenId>& whole, size_t longest, const Tokenizer& tokenizer) {
  if (whole.size() <= longest) return whole;
  size_t specials = 0;
  while (specials < longest && tokenizer.is_special(whole[specials])) ++specials;
  std::vector<TokenId> kept(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(specials));
  kept.insert(kept.end(), whole.end() - static_cast<std::ptrdiff_t>(longest - specials), whole.end());
  return kept;
}

ApiResult<std::vector<TokenId>> embedding_tokens(ServedModel& model, const std::string& text, Truncate truncate,
                                                 const std::string& param) {
  Result<std::vector<TokenId>> cut = model.engine().encode_for_embedding(text);
  if (!cut.ok()) return api_error(cut.error(), param);
  if (cut.value().empty()) return wrong_field(param, fmt::format("'{}' has no tokens", param));
  const Tokenizer* tokenizer = model.engine().tokenizer();
  if (truncate == Truncate::end || tokenizer == nullptr) return std::move(cut).value();
  Result<std::vector<TokenId>> whole = tokenizer->encode(text, {.add_special = true, .parse_special = true});
  if (!whole.ok()) return api_error(whole.error(), param);
  const size_t longest = cut.value().size();
  if (whole.value().size() <= longest) return std::move(cut).value();
  if (truncate == Truncate::start) return drop_start(whole.value(), longest, *tokenizer);
  return wrong_field(param, fmt::format("'{}' has {} tokens; the model '{}' takes {}. Shorten it, or send "
                                        "\"truncate\": \"END\"",
                                        param, whole.value().size(), model.name(), longest));
}

void start_encoding(ServeContext& context, EncoderJob<std::vector<float>> job,
                    std::shared_ptr<net::Responder> responder) {
  start(context, std::move(job), std::move(responder));
}

void start_encoding(ServeContext& context, EncoderJob<float> job, std::shared_ptr<net::Responder> responder) {
  start(context, std::move(job), std::move(responder));
}

ApiResult<EncoderJob<float>> scoring_job(const ModelChoice& choice, const std::string& query,
                                         const std::vector<std::string>& passages, std::string_view param) {
  Engine& engine = choice.model->engine();
  if (engine.info().kind != ModelKind::reranker) {
    return wrong_field("model", fmt::format("'{}' is not a ranking model", choice.name));
  }
  EncoderJob<float> job;
  job.model = choice.model;
  job.model_name = choice.name;
  for (size_t i = 0; i < passages.size(); ++i) {
    Result<std::vector<TokenId>> tokens = engine.encode_for_rerank(query, passages[i]);
    if (!tokens.ok()) return api_error(tokens.error(), item_path(param, i));
    job.sequences.push_back(std::move(tokens).value());
  }
  job.compute = [](Engine& e, std::span<const std::vector<TokenId>> batch) { return e.rerank(batch); };
  return job;
}

std::vector<size_t> ranked(const std::vector<float>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

}  // namespace kedge::serve
