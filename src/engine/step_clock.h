#pragma once
// How long the step that runs now has been running: a step that does not end is seen from outside.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace kedge::engine {

/// Begun and ended by the thread that steps, read by any.
class StepClock {
 public:
  /// A step, from its construction to its end.
  class Step {
   public:
    explicit Step(StepClock& clock) : clock_(clock) { clock_.begun_.store(now(), std::memory_order_relaxed); }
    ~Step() { clock_.begun_.store(kNone, std::memory_order_relaxed); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    StepClock& clock_;
  };

  /// 0: no step runs.
  [[nodiscard]] double seconds() const {
    const int64_t begun = begun_.load(std::memory_order_relaxed);
    return begun == kNone ? 0 : static_cast<double>(now() - begun) / 1e9;
  }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  static int64_t now() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

  std::atomic<int64_t> begun_{kNone};
};

}  // namespace kedge::engine
