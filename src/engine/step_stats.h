#pragma once
// How long steps took, for metrics.

#include <array>
#include <cstdint>
#include <mutex>

#include "kedge/engine.h"

namespace kedge::engine {

/// Written on the engine thread, read anywhere.
class StepStats {
 public:
  static constexpr std::array<double, 13> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10};

  void observe(double seconds) {
    size_t bucket = 0;
    while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
    const std::lock_guard lock(mutex_);
    ++counts_[bucket];
    sum_ += seconds;
  }

  [[nodiscard]] EngineStats::Times snapshot() const {
    const std::lock_guard lock(mutex_);
    EngineStats::Times times{{kBounds.begin(), kBounds.end()}, {}, sum_};
    uint64_t total = 0;
    for (const uint64_t count : counts_) times.cumulative_counts.push_back(total += count);
    return times;
  }

 private:
  mutable std::mutex mutex_;
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

}  // namespace kedge::engine
