#pragma once
// What is counted while a pipeline runs: the same whatever the number of threads, and added up shard by shard.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "curate/pipeline/step.h"
#include "kedge/result.h"

namespace kedge::curate {

/// How many values fell into each of equal parts of a range, below it and above it.
class Bins {
 public:
  static constexpr size_t kCount = 40;
  Bins() = default;
  Bins(double low, double high) : low_(low), high_(high) {}

  void add(double value);
  void add(const Bins& other);
  [[nodiscard]] Json to_json() const;
  static Result<Bins> from_json(const Json& json);

 private:
  double low_ = 0, high_ = 1;
  uint64_t below_ = 0, above_ = 0;
  std::vector<uint64_t> counts_ = std::vector<uint64_t>(kCount);
};

/// A document that a step dropped, for people to look at.
struct Sample {
  std::string id_json, reason, text, details;
};

struct StepStatistics {
  static constexpr size_t kSamplesMax = 5;

  uint64_t in = 0, kept = 0, changed = 0;
  std::map<std::string, uint64_t> reasons;  // of drops
  std::map<std::string, uint64_t> labels;
  std::map<std::string, Bins> values;
  std::vector<Sample> dropped;  // the first ones

  void add(const Outcome& outcome, const std::vector<ValueRange>& ranges);
  void add_sample(Sample sample);
  void add(const StepStatistics& other);
  [[nodiscard]] Json to_json() const;
  static Result<StepStatistics> from_json(const Json& json);
};

/// Of one shard in one stage, or of all.
struct StageStatistics {
  uint64_t in = 0, rejected = 0, kept = 0;
  std::optional<uint64_t> documents_kept;     // of the first stage's, where some fell into several
  uint64_t bytes_in = 0, bytes_kept = 0;      // of texts
  Bins lengths_in{0, 7}, lengths_kept{0, 7};  // decimal logarithm of a text's bytes
  std::vector<StepStatistics> steps;
  std::vector<Sample> kept_samples;

  void add(const StageStatistics& other);
  [[nodiscard]] Json to_json() const;
  static Result<StageStatistics> from_json(const Json& json);
};

/// The first bytes of a text, whole characters.
std::string beginning_of(std::string_view text, size_t bytes_max);

}  // namespace kedge::curate
