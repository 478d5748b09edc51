#pragma once
// How long something that failed is left alone before it is tried again.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

namespace kedge::engine {

/// Each failure in a row doubles the pause, up to 64 times the first. `is_over` may be called on any thread, the
/// others on one.
class RetryPause {
 public:
  explicit RetryPause(std::chrono::milliseconds first) : first_(first) {}

  [[nodiscard]] bool is_over() const { return Clock::now().time_since_epoch().count() >= until_; }
  /// Begins a pause: how long.
  std::chrono::milliseconds fail() {
    const std::chrono::milliseconds pause = first_ * (1 << std::min(failures_++, 6));
    until_ = (Clock::now() + pause).time_since_epoch().count();
    return pause;
  }
  /// Whether it had failed before.
  bool succeed() { return std::exchange(failures_, 0) > 0; }

 private:
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds first_;
  std::atomic<Clock::rep> until_ = 0;
  int failures_ = 0;  // in a row
};

}  // namespace kedge::engine
