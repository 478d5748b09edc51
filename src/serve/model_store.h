#pragma once
// Models of a folder, loaded when they are asked for and unloaded when others need their memory.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/metrics.h"
#include "serve/api_error.h"
#include "serve/model_folder.h"
#include "serve/model_registry.h"

namespace kedge::serve {

/// How the models of a folder are opened.
struct ModelOpening {
  std::filesystem::path path;
  bool plan_only = false;
  uint64_t kv_cache_bytes = 0;  // as planned before; 0: not planned yet
};

struct ModelFolderOptions {
  std::filesystem::path folder;  // empty: none
  uint64_t bytes_max = 0;        // of all loaded models by their plans, pinned ones included; 0: what the machine has
  std::function<Result<std::unique_ptr<Engine>>(const ModelOpening&)> open;  // any thread
};

/// 409: a pinned model is not unloaded.
ApiError stays_loaded(const ServedModel& model);

class ModelStore;

/// While it is held the model stays loaded.
class ModelUse {
 public:
  ModelUse(ModelUse&& other) noexcept : store_(other.store_), model_(std::exchange(other.model_, nullptr)) {}
  ModelUse& operator=(ModelUse&&) = delete;
  ~ModelUse();
  [[nodiscard]] ServedModel* model() const { return model_; }

 private:
  friend class ModelStore;
  ModelUse(ModelStore& store, ServedModel& model) : store_(&store), model_(&model) {}

  ModelStore* store_;
  ServedModel* model_;
};

/// Requests that want the same model wait for one load; different models are loaded one after another, in the order in
/// which they were asked for. A model that is used is never unloaded. While a model waits for room, those that are to
/// go take no new requests: these wait behind it. Thread-safe.
class ModelStore {
 public:
  struct Hooks {
    std::function<void(ServedModel&)> on_loaded;    // before the first request has it; on the loading thread
    std::function<void(ServedModel&)> on_unloaded;  // when no request has it any more; on the same
    std::function<void(const std::string&)> tell;   // what becomes of models
  };
  enum class State : uint8_t { unloaded, loading, loaded, failed };
  struct Waiter {
    std::function<void(ApiResult<ModelUse>)> ready;  // called once, on any thread; must not block
    std::function<bool()> gone;                      // nobody waits any more; may be empty
  };

  /// Models that are pinned are all in `models`. `queue_max`: requests that may wait for one model.
  ModelStore(ModelFolderOptions options, size_t queue_max, ModelRegistry& models, MetricsRegistry& metrics,
             Hooks hooks);
  /// REQUIRES: no use is left.
  ~ModelStore();
  ModelStore(const ModelStore&) = delete;
  ModelStore& operator=(const ModelStore&) = delete;

  /// Looks at the folder: what is new or has changed is planned. Fails with not_found; then nothing changes.
  Status refresh();

  /// A use, now or when the model is loaded; or why not: 429 when too many wait, 400 when it can't be loaded or never
  /// fits, 503 when the machine has not the memory now.
  void use(ServedModel& model, Waiter waiter);
  std::optional<ModelUse> use_if_loaded(ServedModel& model);
  /// Fails with 409 when requests use it, or it is pinned.
  ApiStatus unload(ServedModel& model);
  /// Whoever waits is told that the server ends.
  void stop_waiting();

  [[nodiscard]] State state(const ServedModel& model) const;
  /// Why it could not be loaded; empty: nobody tried, or it could.
  [[nodiscard]] std::string refusal(const ServedModel& model) const;

 private:
  friend class ModelUse;
  struct Entry {
    ServedModel* model = nullptr;
    std::filesystem::path path;
    ModelSignature signature;
    bool loaded = false;
    bool loading = false;  // or about to
    bool unloading = false;
    bool leaving = false;  // as soon as nobody uses it: another model needs the room
    size_t uses = 0;
    uint64_t bytes = 0;
    uint64_t last_used = 0;  // in the order of use
    std::deque<Waiter> waiters;
    std::optional<ApiError> refusal;
    Counter* loads = nullptr;
    Counter* failures = nullptr;
    Counter* unloads = nullptr;
  };
  using Lock = std::unique_lock<std::mutex>;

  void add_metrics(MetricsRegistry& metrics);
  void note(const FoundModel& found);
  void release(ServedModel& model);
  Entry* entry_of(const ServedModel& model) const;
  [[nodiscard]] unsigned retry_after() const;

  // On the loading thread.
  void run();
  void serve_front(Lock& lock);
  void settle(Lock& lock, Entry& entry, const std::optional<ApiError>& failure);
  ApiStatus load(Lock& lock, Entry& entry);
  Status open_engine(ServedModel& model, const ModelOpening& opening);
  ApiResult<MemoryPlan> make_room(Lock& lock, Entry& entry);
  bool free_room(Lock& lock, uint64_t missing);
  Result<MemoryPlan> plan(const Entry& entry);
  void unload_now(Lock& lock, Entry& entry);
  [[nodiscard]] std::vector<Entry*> candidates(bool idle_only);
  [[nodiscard]] ApiError too_large(const Entry& entry, const MemoryPlan& plan) const;
  static bool is_awaited(Entry& entry, std::vector<Waiter>& departed);

  const ModelFolderOptions options_;
  const size_t queue_max_;
  ModelRegistry& models_;
  MetricsRegistry& metrics_;
  const Hooks hooks_;
  uint64_t pinned_bytes_ = 0;
  Histogram& load_seconds_;

  std::mutex scanning_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<const ServedModel*, std::unique_ptr<Entry>> entries_;
  std::deque<Entry*> queue_;  // to be loaded, or to be given once more
  uint64_t loaded_bytes_ = 0;
  uint64_t clock_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::serve
