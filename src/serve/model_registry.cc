#include "serve/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "serve/version.h"

namespace kedge::serve {

namespace {

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// FNV-1a: short, and the same in every process.
std::string fingerprint_of(const std::string& name, const ModelInfo& info) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c :
       fmt::format("{} {} {} {} {} {}", kVersion, name, info.format, info.compute, info.kv_cache, info.isa)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return fmt::format("fp_{:010x}", hash & 0xFFFFFFFFFFU);
}

constexpr double kTokenBounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

ModelMetrics metrics_of(const std::string& name, MetricsRegistry& metrics) {
  const MetricLabels labels{{"model_name", name}};
  const std::span<const double> bounds = latency_bounds();
  const auto finished = [&](const char* reason) -> Counter& {
    return metrics.counter("request_finish_total", "Answers that ended, by what ended them.",
                           {{"model_name", name}, {"finish_reason", reason}});
  };
  return {metrics.counter("prompt_tokens_total", "Prompt tokens of finished requests.", labels),
          metrics.counter("generation_tokens_total", "Tokens generated.", labels),
          metrics.counter("request_success_total", "Requests that were answered.", labels),
          metrics.counter("request_failure_total", "Requests that failed or whose client left.", labels),
          metrics.histogram("request_queue_time_seconds", "Time before a request runs.", bounds, labels),
          metrics.histogram("time_to_first_token_seconds", "From the request's arrival to its first token.", bounds,
                            labels),
          metrics.histogram("time_per_output_token_seconds", "Time per token after the first.", bounds, labels),
          metrics.histogram("e2e_request_latency_seconds", "From a request's arrival to its end.", bounds, labels),
          metrics.histogram("request_prompt_tokens", "Prompt tokens of a request.", kTokenBounds, labels),
          metrics.histogram("request_generation_tokens", "Tokens generated for a request.", kTokenBounds, labels),
          finished("stop"),
          finished("length")};
}

/// NIM's names are printed, and vLLM's for the same.
void add_other_names(MetricsRegistry& metrics) {
  for (const char* name :
       {"num_requests_running", "num_requests_waiting", "gpu_cache_usage_perc", "prompt_tokens_total",
        "generation_tokens_total", "request_success_total", "time_to_first_token_seconds",
        "time_per_output_token_seconds", "e2e_request_latency_seconds", "request_prompt_tokens",
        "request_generation_tokens", "request_queue_time_seconds", "prefix_cache_queries_total",
        "prefix_cache_hits_total", "num_preemptions_total", "spec_decode_num_draft_tokens_total",
        "spec_decode_num_accepted_tokens_total"}) {
    metrics.also_as(name, fmt::format("vllm:{}", name));
  }
  metrics.also_as("gpu_cache_usage_perc", "vllm:kv_cache_usage_perc");
  metrics.also_as("time_per_output_token_seconds", "vllm:inter_token_latency_seconds");
}

/// Of what the prefix cache keeps longer than memory would.
void add_keeping_metrics(MetricsRegistry& metrics, const MetricLabels& labels, const ServedModel& model) {
  const auto count = [&](std::string_view name, std::string_view help, uint64_t EngineStats::*member) {
    metrics.counter(name, help, labels, [&model, member] { return model.stats().*member; });
  };
  const auto gauge = [&](std::string_view name, std::string_view help, uint64_t EngineStats::*member) {
    metrics.gauge(name, help, labels, [&model, member] { return static_cast<double>(model.stats().*member); });
  };
  gauge("kedge_prefix_pinned_pages", "Pages of the prefix cache that stay because requests asked (cache_control).",
        &EngineStats::prefix_pinned_pages);
  count("kedge_prefix_disk_hits_total", "Tokens of prompts whose keys and values came from the disk.",
        &EngineStats::prefix_disk_hits);
  gauge("kedge_prefix_disk_pages", "Pages of the prefix cache on disk.", &EngineStats::prefix_disk_pages);
  gauge("kedge_prefix_disk_bytes", "What they take.", &EngineStats::prefix_disk_bytes);
  count("kedge_prefix_disk_written_total", "Pages written to the disk.", &EngineStats::prefix_disk_written);
  count("kedge_prefix_disk_drops_total", "Pages that came faster than the disk takes them, and are gone.",
        &EngineStats::prefix_disk_drops);
  count("kedge_prefix_disk_errors_total", "Writes and reads that failed; the log says why.",
        &EngineStats::prefix_disk_errors);
}

}  // namespace

ServedModel::ServedModel(std::string name, std::unique_ptr<Engine> engine, size_t queue_max, MetricsRegistry& metrics)
    : name_(std::move(name)),
      pinned_(true),
      queue_max_(queue_max),
      created_(unix_seconds()),
      metrics_registry_(metrics) {
  put_engine(std::move(engine));
}

ServedModel::ServedModel(std::string name, size_t queue_max, MetricsRegistry& metrics)
    : name_(std::move(name)),
      pinned_(false),
      queue_max_(queue_max),
      created_(unix_seconds()),
      metrics_registry_(metrics) {}

void ServedModel::describe(ModelInfo info, MemoryPlan plan) {
  const std::scoped_lock lock(mutex_);
  if (engine_) return;
  info_ = std::move(info);
  plan_ = plan;
}

void ServedModel::put_engine(std::unique_ptr<Engine> engine) {
  {
    const std::scoped_lock lock(mutex_);
    info_ = engine->info();
    plan_ = engine->plan();
    fingerprint_ = fingerprint_of(name_, info_);
    engine_ = std::move(engine);
  }
  if (metrics_) return;
  metrics_.emplace(metrics_of(name_, metrics_registry_));
  add_metrics();
}

namespace {

/// Adds what one engine has counted to what others have.
void add_counts(EngineStats& sum, const EngineStats& stats) {
  sum.preemptions += stats.preemptions;
  sum.prefix_queries += stats.prefix_queries;
  sum.prefix_hits += stats.prefix_hits;
  sum.prefix_disk_hits += stats.prefix_disk_hits;
  sum.prefix_disk_written += stats.prefix_disk_written;
  sum.prefix_disk_drops += stats.prefix_disk_drops;
  sum.prefix_disk_errors += stats.prefix_disk_errors;
  sum.draft_tokens += stats.draft_tokens;
  sum.accepted_tokens += stats.accepted_tokens;
  EngineStats::Times& times = sum.step_seconds;
  if (times.cumulative_counts.size() != stats.step_seconds.cumulative_counts.size()) {
    if (times.cumulative_counts.empty()) times = stats.step_seconds;
    return;
  }
  times.sum += stats.step_seconds.sum;
  for (size_t i = 0; i < times.cumulative_counts.size(); ++i) {
    times.cumulative_counts[i] += stats.step_seconds.cumulative_counts[i];
  }
}

}  // namespace

std::unique_ptr<Engine> ServedModel::take_engine() {
  const std::scoped_lock lock(mutex_);
  add_counts(retired_, engine_->stats());
  return std::move(engine_);
}

EngineStats ServedModel::stats() const {
  const std::scoped_lock lock(mutex_);
  EngineStats stats = engine_ ? engine_->stats() : EngineStats();
  add_counts(stats, retired_);
  return stats;
}

ModelInfo ServedModel::info() const {
  const std::scoped_lock lock(mutex_);
  return info_;
}

MemoryPlan ServedModel::plan() const {
  const std::scoped_lock lock(mutex_);
  return plan_;
}

std::string ServedModel::fingerprint() const {
  const std::scoped_lock lock(mutex_);
  return fingerprint_;
}

/// The series stay when the engine goes: sizes read 0 then, and counts go on with the next one.
void ServedModel::add_metrics() {
  MetricsRegistry& metrics = metrics_registry_;
  const MetricLabels labels{{"model_name", name_}};
  const auto size = [&](std::string_view gauge, std::string_view help, auto read) {
    metrics.gauge(gauge, help, labels, [this, read] {
      const std::scoped_lock lock(mutex_);
      return engine_ ? static_cast<double>(read(plan_)) : 0;
    });
  };
  size("kedge_weights_bytes", "Weights, as mapped from the file.", [](const MemoryPlan& p) { return p.weights_bytes; });
  size("kedge_kv_cache_bytes", "Memory of the KV cache.", [](const MemoryPlan& p) { return p.kv_cache_bytes; });
  size("kedge_kv_cache_tokens", "Tokens that the KV cache holds.", [](const MemoryPlan& p) { return p.kv_tokens; });
  size("kedge_memory_planned_bytes", "All memory that the model was planned to take.",
       [](const MemoryPlan& p) { return p.total_bytes(); });
  metrics.gauge("num_request_max", "Requests that are taken before clients are asked to wait.", labels,
                [this] { return static_cast<double>(places_max()); });
  metrics.gauge("num_requests_running", "Requests that the engine computes.", labels,
                [this] { return static_cast<double>(load().running); });
  metrics.gauge("num_requests_waiting", "Requests in the engine's queue.", labels,
                [this] { return static_cast<double>(load().waiting); });
  if (info().kind != ModelKind::decoder) return;
  metrics.gauge("gpu_cache_usage_perc", "Share of the KV cache that requests hold; 1: all of it.", labels,
                [this] { return stats().kv_usage; });
  const auto count = [&](std::string_view name, std::string_view help, uint64_t EngineStats::*member) {
    metrics.counter(name, help, labels, [this, member] { return stats().*member; });
  };
  count("num_preemptions_total", "Sequences that gave up their pages and were computed again.",
        &EngineStats::preemptions);
  count("prefix_cache_queries_total", "Tokens of prompts that were looked up.", &EngineStats::prefix_queries);
  count("prefix_cache_hits_total", "Of these, tokens whose keys and values were there.", &EngineStats::prefix_hits);
  add_keeping_metrics(metrics, labels, *this);
  count("spec_decode_num_draft_tokens_total", "Tokens guessed ahead.", &EngineStats::draft_tokens);
  count("spec_decode_num_accepted_tokens_total", "Of these, tokens that came.", &EngineStats::accepted_tokens);
  metrics.histogram("kedge_step_seconds", "Time of a step: one forward pass of each phase at most.", labels, [this] {
    EngineStats::Times times = stats().step_seconds;
    return MetricsRegistry::HistogramReading{std::move(times.bounds), {std::move(times.cumulative_counts), times.sum}};
  });
  add_other_names(metrics);
}

/// Those that run and those that wait.
size_t ServedModel::places_max() const {
  const std::scoped_lock lock(mutex_);
  return queue_max_ + static_cast<size_t>(info_.sequences_max);
}

int64_t ServedModel::context_tokens() const {
  const std::scoped_lock lock(mutex_);
  const auto kv_tokens = static_cast<int64_t>(plan_.kv_tokens);
  return kv_tokens > 0 ? std::min(info_.context_tokens, kv_tokens) : info_.context_tokens;
}

ServedModel::Place::~Place() {
  if (model_ != nullptr) model_->places_taken_.fetch_sub(1);
}

ApiResult<ServedModel::Place> ServedModel::admit() {
  const size_t taken = places_taken_.fetch_add(1);
  if (taken < places_max()) return Place(*this);
  places_taken_.fetch_sub(1);
  ApiError error = api_error(429, fmt::format("{} requests for the model '{}' already wait, the most that this server "
                                              "allows; try again later",
                                              queue_max_, name_));
  error.code = "queue_full";
  const Histogram::Snapshot finished = metrics_->request_seconds.snapshot();
  const auto count = static_cast<double>(finished.cumulative_counts.back());
  const double seconds = count > 0 ? finished.sum / count : 1;
  error.retry_after_seconds = static_cast<unsigned>(std::clamp(seconds, 1.0, 60.0));
  return error;
}

ServedModel::Load ServedModel::load() const {
  const EngineStats now = stats();
  return {now.running, now.waiting + lane_.waiting_count()};
}

namespace {

Status warm_up_decoder(Engine& engine, const std::string& name) {
  Request request;
  request.prompt_tokens = {0};
  request.new_tokens_max = 1;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  // Shared with the callbacks: the engine may still be inside the last one when this function returns.
  struct Outcome {
    std::promise<Status> done;
    std::string failure;
  };
  const auto outcome = std::make_shared<Outcome>();
  const auto on_token = [outcome](const TokenEvent& event) {
    if (event.finish == FinishReason::error) outcome->failure = event.error;
  };
  const auto on_done = [outcome, name](const RequestTimings& timings) {
    std::string& failure = outcome->failure;
    if (failure.empty() && timings.new_tokens == 0) failure = "it made no token";
    if (failure.empty()) {
      outcome->done.set_value(Done{});
    } else {
      outcome->done.set_value(Error{ErrorKind::internal, fmt::format("model '{}' does not work: {}", name, failure)});
    }
  };
  KEDGE_TRY(engine.submit(std::move(request), on_token, on_done));
  return outcome->done.get_future().get();
}

}  // namespace

Status warm_up(Engine& engine, const std::string& name) {
  const std::vector<std::vector<TokenId>> sequences{{0}};
  switch (engine.info().kind) {
    case ModelKind::decoder:
      return warm_up_decoder(engine, name);
    case ModelKind::embedder: {
      KEDGE_TRY(engine.embed(sequences, {}));
      return Done{};
    }
    case ModelKind::reranker: {
      KEDGE_TRY(engine.rerank(sequences));
      return Done{};
    }
  }
  return Error{ErrorKind::internal, "unknown kind of model"};
}

Status ModelRegistry::check_name(const std::string& name) const {
  if (name.empty()) return Error{ErrorKind::invalid_input, "a served model must have a name"};
  const auto is_taken = [&](const auto& entry) { return entry->name() == name; };
  if (std::any_of(models_.begin(), models_.end(), is_taken)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("two models are to be served as '{}'; give them different names with "
                             "--served-model-name",
                             name)};
  }
  if (std::any_of(aliases_.begin(), aliases_.end(), [&](const ModelAlias& alias) { return alias.name == name; })) {
    return Error{ErrorKind::invalid_input, fmt::format("'{}' is an alias already (--alias)", name)};
  }
  return Done{};
}

Status ModelRegistry::add(std::string name, std::unique_ptr<Engine> engine, size_t queue_max,
                          MetricsRegistry& metrics) {
  {
    const std::scoped_lock lock(mutex_);
    KEDGE_TRY(check_name(name));
  }
  // Without the lock: it names metrics, and those that are printed may look for models.
  auto model = std::make_unique<ServedModel>(std::move(name), std::move(engine), queue_max, metrics);
  const std::scoped_lock lock(mutex_);
  models_.push_back(std::move(model));
  return Done{};
}

Result<ServedModel*> ModelRegistry::add_unloaded(std::string name, size_t queue_max, MetricsRegistry& metrics) {
  const std::scoped_lock lock(mutex_);
  KEDGE_TRY(check_name(name));
  models_.push_back(std::make_unique<ServedModel>(std::move(name), queue_max, metrics));
  return models_.back().get();
}

Status ModelRegistry::add_alias(ModelAlias alias) {
  const std::scoped_lock lock(mutex_);
  if (alias.target.empty())
    return Error{ErrorKind::invalid_input, fmt::format("the alias '{}' stands for nothing", alias.name)};
  KEDGE_TRY(check_name(alias.name));
  aliases_.push_back(std::move(alias));
  return Done{};
}

std::string ModelRegistry::target_of(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  for (const ModelAlias& alias : aliases_) {
    if (alias.name == name) return alias.target;
  }
  return std::string(name);
}

std::vector<ServedModel*> ModelRegistry::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<ServedModel*> present;
  for (const auto& model : models_) {
    if (!model->gone()) present.push_back(model.get());
  }
  return present;
}

std::vector<ModelAlias> ModelRegistry::aliases() const {
  const std::scoped_lock lock(mutex_);
  return aliases_;
}

ApiResult<ServedModel*> ModelRegistry::find(std::string_view name) const {
  const std::vector<ServedModel*> models = all();
  if (name.empty() && models.size() == 1) return models.front();
  std::string names;
  for (ServedModel* model : models) {
    if (model->name() == name) return model;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", model->name());
  }
  if (name.empty()) {
    return wrong_field("model", fmt::format("'model' is missing; this server has several: {}", names));
  }
  ApiError error = api_error(404, fmt::format("there is no model '{}'; this server has {}", name, names));
  error.param = "model";
  error.code = "model_not_found";
  return error;
}

}  // namespace kedge::serve
