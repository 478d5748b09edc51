#include "serve/model_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace kedge::serve {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kDepartedPeriod = std::chrono::seconds(1);  // how often it is seen that clients have left

ApiError ends_error() {
  ApiError error = api_error(503, "the server is shutting down and loads no more models");
  error.code = "shutting_down";
  return error;
}

/// What a client is told of a model that cannot be opened.
ApiError refused(const std::string& name, const Error& cause) {
  ApiError error = api_error(cause, "model");
  const bool is_memory = cause.kind == ErrorKind::out_of_memory || cause.kind == ErrorKind::unavailable;
  if (cause.kind == ErrorKind::not_found) error = wrong_field("model", "");  // the model is there, a file of it is not
  error.code = is_memory ? "model_out_of_memory" : "model_not_loadable";
  error.message = fmt::format("the model '{}' cannot be loaded: {}", name, cause.message);
  return error;
}

}  // namespace

ApiError stays_loaded(const ServedModel& model) {
  ApiError error = api_error(409, fmt::format("the model '{}' was given at the start and stays", model.name()));
  error.param = "model";
  error.code = "model_pinned";
  return error;
}

ModelUse::~ModelUse() {
  if (model_ != nullptr) store_->release(*model_);
}

ModelStore::ModelStore(ModelFolderOptions options, size_t queue_max, ModelRegistry& models, MetricsRegistry& metrics,
                       Hooks hooks)
    : options_(std::move(options)),
      queue_max_(queue_max),
      models_(models),
      metrics_(metrics),
      hooks_(std::move(hooks)),
      load_seconds_(metrics.histogram("kedge_model_load_seconds", "From the plan of a model to its first step.",
                                      latency_bounds())) {
  for (ServedModel* model : models_.all()) pinned_bytes_ += model->plan().total_bytes();
  loaded_bytes_ = pinned_bytes_;
  add_metrics(metrics);
  thread_ = std::thread([this] { run(); });
}

ModelStore::~ModelStore() {
  stop_waiting();
  thread_.join();
}

void ModelStore::add_metrics(MetricsRegistry& metrics) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto read) {
    metrics.gauge(name, help, {}, [this, read] {
      const std::scoped_lock lock(mutex_);
      return static_cast<double>(read());
    });
  };
  gauge("kedge_models_loaded", "Models of the folder that are loaded.", [this] {
    return std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return entry.second->loaded; });
  });
  gauge("kedge_models_leaving", "Of these, models whose new requests wait: another model needs their room.", [this] {
    return std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) { return entry.second->leaving; });
  });
  gauge("kedge_models_bytes", "Memory that all loaded models were planned to take.", [this] { return loaded_bytes_; });
  gauge("kedge_models_bytes_max", "What they may take together; 0: no limit.", [this] { return options_.bytes_max; });
  gauge("kedge_model_requests_waiting", "Requests that wait for a model to be loaded.", [this] {
    size_t count = 0;
    for (const auto& [model, entry] : entries_) count += entry->waiters.size();
    return count;
  });
}

// ---- The folder

Status ModelStore::refresh() {
  const std::scoped_lock one_at_a_time(scanning_);
  KEDGE_ASSIGN(const std::vector<FoundModel> found, list_models(options_.folder));
  for (const FoundModel& model : found) note(model);
  std::set<std::string> names;
  for (const FoundModel& model : found) names.insert(model.name);
  Lock lock(mutex_);
  for (const auto& [model, entry] : entries_) {
    const bool is_there = names.contains(entry->model->name());
    if (!is_there && !entry->model->gone()) hooks_.tell(fmt::format("model '{}' is gone", entry->model->name()));
    entry->model->set_gone(!is_there);
  }
  for (Entry* entry : candidates(true)) {
    if (entry->model->gone() && entry->loaded && entry->uses == 0) unload_now(lock, *entry);
  }
  return Done{};
}

void ModelStore::note(const FoundModel& found) {
  ModelSignature signature = signature_of(found.path);
  Entry* entry = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [model, known] : entries_) {
      if (known->model->name() == found.name) entry = known.get();
    }
    if (entry != nullptr && entry->signature == signature && entry->path == found.path) return;
    if (entry == nullptr) {
      Result<ServedModel*> model = models_.add_unloaded(found.name, queue_max_, metrics_);
      if (!model.ok()) return;  // a pinned model or an alias has the name
      auto added = std::make_unique<Entry>();
      added->model = model.value();
      entry = added.get();
      entries_.emplace(model.value(), std::move(added));
    }
    entry->path = found.path;
    entry->signature = std::move(signature);
    entry->refusal.reset();
    if (entry->loaded || entry->loading) return;  // it is planned again when it is loaded next
  }
  const Result<MemoryPlan> planned = plan(*entry);
  const std::scoped_lock lock(mutex_);
  if (planned.ok()) {
    hooks_.tell(fmt::format("model '{}' is there", found.name));
  } else if (planned.error().kind != ErrorKind::out_of_memory) {
    entry->refusal = refused(found.name, planned.error());
    hooks_.tell(entry->refusal->message);
  }
}

Result<MemoryPlan> ModelStore::plan(const Entry& entry) {
  std::filesystem::path path;
  {
    const std::scoped_lock lock(mutex_);
    path = entry.path;
  }
  KEDGE_ASSIGN(const std::unique_ptr<Engine> engine, options_.open({path, true, 0}));
  entry.model->describe(engine->info(), engine->plan());
  return engine->plan();
}

// ---- Requests

ModelStore::Entry* ModelStore::entry_of(const ServedModel& model) const {
  const auto found = entries_.find(&model);
  return found == entries_.end() ? nullptr : found->second.get();
}

/// As long as loads have taken so far, by their mean.
unsigned ModelStore::retry_after() const {
  const Histogram::Snapshot loads = load_seconds_.snapshot();
  const auto count = static_cast<double>(loads.cumulative_counts.back());
  return static_cast<unsigned>(std::clamp(count > 0 ? loads.sum / count : 5, 1.0, 300.0));
}

void ModelStore::use(ServedModel& model, Waiter waiter) {
  std::optional<ApiError> failure;
  std::optional<ModelUse> use;
  {
    const std::scoped_lock lock(mutex_);
    Entry& entry = *entry_of(model);
    if (stopping_) {
      failure = ends_error();
    } else if (entry.loaded && !entry.leaving) {
      ++entry.uses;
      entry.last_used = ++clock_;
      use.emplace(ModelUse(*this, model));
    } else if (entry.refusal && entry.signature == signature_of(entry.path)) {
      failure = entry.refusal;
    } else if (entry.waiters.size() >= queue_max_) {
      failure =
          api_error(429, fmt::format("{} requests already wait for the model '{}' to be loaded, the most that this "
                                     "server allows; try again later",
                                     entry.waiters.size(), model.name()));
      failure->code = "queue_full";
      failure->retry_after_seconds = retry_after();
    } else {
      entry.waiters.push_back(std::move(waiter));
      if (std::find(queue_.begin(), queue_.end(), &entry) == queue_.end()) queue_.push_back(&entry);
      entry.loading = !entry.loaded;
      changed_.notify_all();
      return;
    }
  }
  if (failure) return waiter.ready(std::move(*failure));
  waiter.ready(std::move(*use));
}

std::optional<ModelUse> ModelStore::use_if_loaded(ServedModel& model) {
  const std::scoped_lock lock(mutex_);
  Entry* const entry = entry_of(model);
  if (entry == nullptr || !entry->loaded) return std::nullopt;
  ++entry->uses;
  entry->last_used = ++clock_;
  return ModelUse(*this, model);
}

void ModelStore::release(ServedModel& model) {
  const std::scoped_lock lock(mutex_);
  if (--entry_of(model)->uses == 0) changed_.notify_all();
}

ApiStatus ModelStore::unload(ServedModel& model) {
  Lock lock(mutex_);
  Entry* const entry = entry_of(model);
  if (entry == nullptr) return stays_loaded(model);
  if (entry->uses > 0 || !entry->waiters.empty() || entry->loading) {
    ApiError error = api_error(
        409, fmt::format("the model '{}' {}; try again when it has ended", model.name(),
                         entry->loading ? std::string("is being loaded")
                                        : fmt::format("has {} requests", entry->uses + entry->waiters.size())));
    error.param = "model";
    error.code = "model_busy";
    return error;
  }
  if (entry->loaded) unload_now(lock, *entry);
  return Done{};
}

void ModelStore::stop_waiting() {
  std::vector<Waiter> waiters;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    for (const auto& [model, entry] : entries_) {
      for (Waiter& waiter : entry->waiters) waiters.push_back(std::move(waiter));
      entry->waiters.clear();
    }
    changed_.notify_all();
  }
  for (const Waiter& waiter : waiters) waiter.ready(ends_error());
}

ModelStore::State ModelStore::state(const ServedModel& model) const {
  const std::scoped_lock lock(mutex_);
  const Entry* const entry = entry_of(model);
  if (entry == nullptr || entry->loaded) return State::loaded;
  if (entry->loading) return State::loading;
  return entry->refusal ? State::failed : State::unloaded;
}

std::string ModelStore::refusal(const ServedModel& model) const {
  const std::scoped_lock lock(mutex_);
  const Entry* const entry = entry_of(model);
  return entry != nullptr && entry->refusal ? entry->refusal->message : std::string();
}

// ---- The loading thread

void ModelStore::run() {
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    serve_front(lock);
  }
}

/// Whether anybody still waits for it. Those that have left go to `departed`, to be let go of without the lock.
bool ModelStore::is_awaited(Entry& entry, std::vector<Waiter>& departed) {
  std::deque<Waiter> left;
  for (Waiter& waiter : entry.waiters) {
    if (waiter.gone && waiter.gone()) {
      departed.push_back(std::move(waiter));
    } else {
      left.push_back(std::move(waiter));
    }
  }
  entry.waiters = std::move(left);
  return !entry.waiters.empty();
}

void ModelStore::serve_front(Lock& lock) {
  Entry& entry = *queue_.front();
  std::optional<ApiError> failure;
  if (!entry.loaded) {
    ApiStatus status = load(lock, entry);
    if (!status.ok()) failure = std::move(status).error();
  }
  queue_.pop_front();
  entry.loading = false;
  for (const auto& [model, other] : entries_) other->leaving = false;  // the next one says anew who must go
  settle(lock, entry, failure);
}

/// Gives the model, or the reason why there is none, to all who wait.
void ModelStore::settle(Lock& lock, Entry& entry, const std::optional<ApiError>& failure) {
  std::deque<Waiter> waiters = std::exchange(entry.waiters, {});
  std::deque<ModelUse> uses;
  for (size_t i = 0; !failure && i < waiters.size(); ++i) {
    ++entry.uses;
    entry.last_used = ++clock_;
    uses.push_back(ModelUse(*this, *entry.model));
  }
  lock.unlock();
  for (const Waiter& waiter : waiters) {
    if (failure) {
      waiter.ready(*failure);
    } else {
      waiter.ready(std::move(uses.front()));
      uses.pop_front();
    }
  }
  waiters.clear();
  lock.lock();
}

ApiError ModelStore::too_large(const Entry& entry, const MemoryPlan& plan) const {
  ApiError error = wrong_field(
      "model", fmt::format("the model '{}' needs {} bytes ({} of weights, {} of KV cache), more than the {} bytes that "
                           "--models-max-bytes allows{}",
                           entry.model->name(), plan.total_bytes(), plan.weights_bytes + plan.packed_bytes,
                           plan.kv_cache_bytes, options_.bytes_max,
                           pinned_bytes_ > 0 ? fmt::format(" less {} of the models that stay loaded", pinned_bytes_)
                                             : std::string()));
  error.code = "model_too_large";
  return error;
}

/// Loaded models that may be unloaded, those used longest ago first.
std::vector<ModelStore::Entry*> ModelStore::candidates(bool idle_only) {
  std::vector<Entry*> list;
  for (const auto& [model, entry] : entries_) {
    if (entry->loaded && (!idle_only || entry->uses == 0)) list.push_back(entry.get());
  }
  std::sort(list.begin(), list.end(), [](const Entry* a, const Entry* b) { return a->last_used < b->last_used; });
  return list;
}

/// Unloads idle models until `missing` bytes are free. False: it had to wait for others to become idle, or did
/// nothing because none is loaded.
bool ModelStore::free_room(Lock& lock, uint64_t missing) {
  const auto bytes_of = [](const std::vector<Entry*>& list) {
    uint64_t sum = 0;
    for (const Entry* entry : list) sum += entry->bytes;
    return sum;
  };
  const std::vector<Entry*> idle = candidates(true);
  if (!idle.empty() && bytes_of(idle) >= missing) {
    uint64_t freed = 0;
    for (Entry* entry : idle) {
      if (freed >= missing) break;
      if (!entry->loaded || entry->uses > 0) continue;  // somebody came while another one was unloaded
      freed += entry->bytes;
      unload_now(lock, *entry);
    }
    return true;  // the caller sees whether it was enough
  }
  uint64_t promised = 0;
  for (Entry* entry : candidates(false)) {
    if (promised >= missing) break;
    promised += entry->bytes;
    entry->leaving = true;
  }
  changed_.wait_for(lock, kDepartedPeriod);
  return false;
}

/// The plan of the model, for which there is room now. Fails when there will be none, or nobody waits for it any more.
ApiResult<MemoryPlan> ModelStore::make_room(Lock& lock, Entry& entry) {
  std::optional<Result<MemoryPlan>> planned;
  while (true) {
    std::vector<Waiter> departed;
    const bool is_awaited_still = !stopping_ && is_awaited(entry, departed);
    lock.unlock();
    departed.clear();
    if (is_awaited_still && !planned) planned = plan(entry);
    lock.lock();
    if (!is_awaited_still) return ends_error();
    uint64_t missing = 0;
    if (planned->ok()) {
      const uint64_t needed = planned->value().total_bytes();
      if (options_.bytes_max > 0 && pinned_bytes_ + needed > options_.bytes_max)
        return too_large(entry, planned->value());
      const uint64_t budget = options_.bytes_max > 0 ? options_.bytes_max : UINT64_MAX;
      const uint64_t free = budget > loaded_bytes_ ? budget - loaded_bytes_ : 0;
      const uint64_t available = planned->value().available_bytes;
      // The machine may have less than the budget: then what the others hold is what it lacks.
      if (needed <= free && (needed <= available || candidates(false).empty())) return planned->value();
      missing = needed > free ? needed - free : 1;
    } else if (planned->error().kind != ErrorKind::out_of_memory || candidates(false).empty()) {
      return refused(entry.model->name(), planned->error());
    } else {
      missing = 1;
    }
    if (free_room(lock, missing)) planned.reset();
  }
}

Status ModelStore::open_engine(ServedModel& model, const ModelOpening& opening) {
  KEDGE_ASSIGN(std::unique_ptr<Engine> engine, options_.open(opening));
  KEDGE_TRY(warm_up(*engine, model.name()));
  model.put_engine(std::move(engine));
  if (hooks_.on_loaded) hooks_.on_loaded(model);
  return Done{};
}

ApiStatus ModelStore::load(Lock& lock, Entry& entry) {
  const std::string& name = entry.model->name();
  if (entry.loads == nullptr) {
    lock.unlock();  // whoever prints the metrics holds theirs and asks for ours
    const MetricLabels labels{{"model_name", name}};
    Counter& loads =
        metrics_.counter("kedge_model_loads_total", "Times that a model of the folder was loaded.", labels);
    Counter& failures = metrics_.counter("kedge_model_load_failures_total", "Times that one could not be.", labels);
    Counter& unloads = metrics_.counter("kedge_model_unloads_total", "Times that one had to go.", labels);
    lock.lock();
    entry.loads = &loads;
    entry.failures = &failures;
    entry.unloads = &unloads;
  }
  changed_.wait(lock, [&] { return !entry.unloading; });
  KEDGE_ASSIGN(const MemoryPlan plan, make_room(lock, entry));
  // There is room: models that were to go and are still there need not, and who waits for them waits no longer.
  for (const auto& [model, other] : entries_) other->leaving = false;
  std::vector<Entry*> spared;
  std::copy_if(queue_.begin(), queue_.end(), std::back_inserter(spared), [](const Entry* e) { return e->loaded; });
  std::erase_if(queue_, [](const Entry* e) { return e->loaded; });
  for (Entry* other : spared) settle(lock, *other, std::nullopt);
  ModelSignature signature = signature_of(entry.path);
  const std::filesystem::path path = entry.path;
  lock.unlock();
  hooks_.tell(fmt::format("loading {}", name));
  const Clock::time_point start = Clock::now();
  const Status status = open_engine(*entry.model, {path, false, plan.kv_cache_bytes});
  (status.ok() ? entry.loads : entry.failures)->add();
  if (status.ok()) load_seconds_.observe(std::chrono::duration<double>(Clock::now() - start).count());
  lock.lock();
  if (!status.ok()) {
    ApiError error = refused(name, status.error());
    hooks_.tell(error.message);
    if (error.code == "model_not_loadable") {  // tried again when its files change
      entry.refusal = error;
      entry.signature = std::move(signature);
    }
    return error;
  }
  entry.refusal.reset();
  entry.loaded = true;
  entry.bytes = entry.model->plan().total_bytes();
  loaded_bytes_ += entry.bytes;
  return Done{};
}

void ModelStore::unload_now(Lock& lock, Entry& entry) {
  entry.loaded = false;
  entry.unloading = true;
  std::unique_ptr<Engine> engine = entry.model->take_engine();
  lock.unlock();
  if (hooks_.on_unloaded) hooks_.on_unloaded(*entry.model);
  engine.reset();
  entry.unloads->add();
  hooks_.tell(fmt::format("model '{}' is unloaded", entry.model->name()));
  lock.lock();
  loaded_bytes_ -= std::exchange(entry.bytes, 0);
  entry.unloading = false;
  changed_.notify_all();
}

}  // namespace kedge::serve
