#pragma once
// One thread that runs jobs in the order they came: everything that touches a model's buffers.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/step_clock.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// Thread-safe. Destroyed: running and waiting jobs see `cancelled` and are run to their end.
class JobThread {
 public:
  using Job = std::function<void(const std::atomic<bool>& cancelled)>;

  /// `cpu`: where the thread stays; negative: anywhere.
  explicit JobThread(int cpu = -1);
  ~JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  RequestId add(Job job);
  void cancel(RequestId id);
  /// Jobs waiting and running.
  [[nodiscard]] size_t pending_count() const;

  [[nodiscard]] const StepClock& step_clock() const { return step_clock_; }

  /// Runs `function` as a job and returns when it has. REQUIRES: not called from a job.
  template <typename F>
  auto run_and_wait(F&& function) {
    using Value = decltype(function());
    std::optional<Value> value;
    std::atomic<bool> done = false;
    add([&](const std::atomic<bool>&) {
      value.emplace(function());
      done.store(true, std::memory_order_release);
      done.notify_one();
    });
    done.wait(false, std::memory_order_acquire);
    return std::move(*value);
  }

 private:
  struct Entry {
    RequestId id = 0;
    Job job;
    std::atomic<bool> cancelled = false;
  };

  void run();

  StepClock step_clock_;  // of jobs
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Entry>> waiting_;
  std::shared_ptr<Entry> running_;
  RequestId next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::engine
