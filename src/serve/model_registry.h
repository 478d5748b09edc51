#pragma once
// The models that a server offers, by name, with their admission and their metrics.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics.h"
#include "kedge/engine.h"
#include "serve/api_error.h"
#include "serve/task_lane.h"

namespace kedge::serve {

/// What is counted for one model.
struct ModelMetrics {
  Counter& prompt_tokens;
  Counter& generation_tokens;
  Counter& successes;
  Counter& failures;
  Histogram& queue_seconds;
  Histogram& first_token_seconds;
  Histogram& output_token_seconds;
  Histogram& request_seconds;
  Histogram& request_prompt_tokens;
  Histogram& request_generation_tokens;
  Counter& finished_by_stop;    // answers that ended by themselves
  Counter& finished_by_length;  // and those that were cut
};

/// One model, with its engine while it is loaded. Lives as long as its server. Thread-safe.
class ServedModel {
 public:
  /// Loaded for good.
  ServedModel(std::string name, std::unique_ptr<Engine> engine, size_t queue_max, MetricsRegistry& metrics);
  /// Loaded from time to time, by a ModelStore.
  ServedModel(std::string name, size_t queue_max, MetricsRegistry& metrics);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool pinned() const { return pinned_; }
  /// REQUIRES: pinned, or a ModelUse of it is held.
  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] int64_t created() const { return created_; }
  /// Changes with the build, the model and how it is computed: same fingerprint and seed, same answer.
  [[nodiscard]] std::string fingerprint() const;
  /// REQUIRES: it has been loaded.
  [[nodiscard]] ModelMetrics& metrics() { return *metrics_; }
  /// Where calls of the engine that block (embed, rerank) run one after another.
  [[nodiscard]] TaskLane& lane() { return lane_; }
  /// Tokens that a prompt and its answer may have together.
  [[nodiscard]] int64_t context_tokens() const;
  /// As it is loaded, or as it would be; empty when that is not known.
  [[nodiscard]] ModelInfo info() const;
  [[nodiscard]] MemoryPlan plan() const;
  /// Of the engine that is there; counts go on over all that were.
  [[nodiscard]] EngineStats stats() const;

  /// What it would be, loaded.
  void describe(ModelInfo info, MemoryPlan plan);
  /// REQUIRES (both): from one thread, and nobody uses it.
  void put_engine(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> take_engine();

  /// Its files are no longer there: no new request finds it.
  void set_gone(bool gone) { gone_ = gone; }
  [[nodiscard]] bool gone() const { return gone_; }

  /// A request's place. Held until the request is over.
  class Place {
   public:
    explicit Place(ServedModel& model) : model_(&model) {}
    Place(Place&& other) noexcept : model_(std::exchange(other.model_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    ServedModel* model_;
  };
  /// Fails with 429 when `queue_max` requests already wait behind those that run.
  ApiResult<Place> admit();

  struct Load {
    size_t running = 0;
    size_t waiting = 0;
  };
  [[nodiscard]] Load load() const;

 private:
  void add_metrics();
  [[nodiscard]] size_t places_max() const;

  const std::string name_;
  const bool pinned_;
  const size_t queue_max_;
  const int64_t created_;
  MetricsRegistry& metrics_registry_;
  std::atomic<bool> gone_{false};
  std::optional<ModelMetrics> metrics_;  // since it was loaded first
  mutable std::mutex mutex_;
  std::unique_ptr<Engine> engine_;  // null: not loaded
  ModelInfo info_;
  MemoryPlan plan_;
  EngineStats retired_;  // counts of engines that are gone
  std::string fingerprint_;
  std::atomic<size_t> places_taken_{0};
  TaskLane lane_;  // last: its thread uses the engine
};

/// Proves that an engine computes: one decode step, one embedding or one score. `name`: for the error.
Status warm_up(Engine& engine, const std::string& name);

/// A second name of a model or an adapter.
struct ModelAlias {
  std::string name;
  std::string target;
};

/// Thread-safe.
class ModelRegistry {
 public:
  /// A loaded model. Fails with invalid_input when the name is empty or taken.
  Status add(std::string name, std::unique_ptr<Engine> engine, size_t queue_max, MetricsRegistry& metrics);
  /// One that a ModelStore will load. Fails as the other does.
  Result<ServedModel*> add_unloaded(std::string name, size_t queue_max, MetricsRegistry& metrics);
  /// Fails with invalid_input when the name is empty or taken.
  Status add_alias(ModelAlias alias);

  /// By its own name. An empty name is the only model's.
  [[nodiscard]] ApiResult<ServedModel*> find(std::string_view name) const;
  /// What the alias stands for; any other name is its own.
  [[nodiscard]] std::string target_of(std::string_view name) const;

  [[nodiscard]] std::vector<ServedModel*> all() const;  // that are not gone, in the order of their coming
  [[nodiscard]] std::vector<ModelAlias> aliases() const;

 private:
  Status check_name(const std::string& name) const;  // REQUIRES: mutex_ held

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<ServedModel>> models_;
  std::vector<ModelAlias> aliases_;
};

}  // namespace kedge::serve
