#pragma once
// The models that a server offers, by name, with their admission and their metrics.

#include <atomic>
#include <cstdint>
#include <memory>
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

/// One model with its engine. Thread-safe.
class ServedModel {
 public:
  ServedModel(std::string name, std::unique_ptr<Engine> engine, size_t queue_max, MetricsRegistry& metrics);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] int64_t created() const { return created_; }
  /// Changes with the build, the model and how it is computed: same fingerprint and seed, same answer.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
  [[nodiscard]] ModelMetrics& metrics() { return metrics_; }
  /// Where calls of the engine that block (embed, rerank) run one after another.
  [[nodiscard]] TaskLane& lane() { return lane_; }
  /// Tokens that a prompt and its answer may have together.
  [[nodiscard]] int64_t context_tokens() const;

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

  /// Proves that the model computes: one decode step, one embedding or one score.
  Status warm_up();

 private:
  void add_metrics(MetricsRegistry& metrics);
  [[nodiscard]] size_t places_max() const;
  Status warm_up_decoder();

  const std::string name_;
  const std::unique_ptr<Engine> engine_;
  const size_t queue_max_;
  const int64_t created_;
  const std::string fingerprint_;
  ModelMetrics metrics_;
  std::atomic<size_t> places_taken_{0};
  TaskLane lane_;  // last: its thread uses the engine
};

/// Filled before the server starts, then only read.
class ModelRegistry {
 public:
  /// Fails with invalid_input when the name is taken or empty.
  Status add(std::string name, std::unique_ptr<Engine> engine, size_t queue_max, MetricsRegistry& metrics);

  /// The model of that name; an empty name means the only one. Fails with 404 model_not_found.
  [[nodiscard]] ApiResult<ServedModel*> find(std::string_view name) const;

  [[nodiscard]] const std::vector<std::unique_ptr<ServedModel>>& all() const { return models_; }

 private:
  std::vector<std::unique_ptr<ServedModel>> models_;
};

}  // namespace kedge::serve
