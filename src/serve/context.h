#pragma once
// What all routes of one server share.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "serve/api_keys.h"
#include "serve/model_registry.h"

namespace kedge::serve {

/// Counts requests that still use an engine, so that none is torn down under them. Thread-safe.
class ActiveRequests {
 public:
  class Guard {
   public:
    explicit Guard(ActiveRequests& active) : active_(&active) {}
    Guard(Guard&& other) noexcept : active_(std::exchange(other.active_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (active_ != nullptr) active_->leave();
    }

   private:
    ActiveRequests* active_;
  };

  Guard enter() {
    const std::scoped_lock lock(mutex_);
    ++count_;
    return Guard(*this);
  }

  /// False when some are left at the deadline.
  bool wait_for_none(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    return none_left_.wait_until(lock, deadline, [this] { return count_ == 0; });
  }

 private:
  void leave() {
    const std::scoped_lock lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable none_left_;
  size_t count_ = 0;
};

struct ServeContext {
  MetricsRegistry metrics;  // first: the models refer to it
  ModelRegistry models;
  ActiveRequests active;
  std::function<void(std::function<void()>)> post;  // runs a task on a worker thread
  KeyRing keys;
  LogSink log;
  std::function<bool()> stalled;      // whether some engine stands still; may be empty
  std::atomic<bool> ready{false};     // every model has proved that it computes
  std::atomic<bool> draining{false};  // finishing what runs, taking nothing new
};

}  // namespace kedge::serve
