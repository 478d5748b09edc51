#pragma once
// The thread that owns a model's buffers: steps of the requests in work, and tasks between them.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>

#include "engine/batch.h"
#include "engine/step_clock.h"
#include "engine/step_stats.h"

namespace kedge::engine {

/// When a task may run.
enum class TaskKind : uint8_t {
  between_steps,  // a part of it after each step of the requests
  alone           // when all that came before is done; what comes later waits
};

/// Thread-safe. Destroyed: requests are cancelled, tasks are run to their end.
class EngineThread {
 public:
  /// Runs a part of a task; true when it is done. `tokens_max`: of the forward pass that it may take.
  using TaskStep = std::function<bool(int64_t tokens_max)>;

  struct Options {
    SchedulerLimits limits;
    Guessing guessing;
    int cpu = -1;  // where the thread stays; negative: anywhere
  };

  EngineThread(const Runtime& runtime, const GenerationContext& context, const Options& options);
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  RequestId submit(std::shared_ptr<Submission> submission);
  void cancel(RequestId id);
  /// Requests and tasks, waiting and running.
  [[nodiscard]] size_t pending_count() const;
  [[nodiscard]] const BatchCounters& counters() const { return batch_.counters(); }
  [[nodiscard]] const StepStats& step_stats() const { return step_stats_; }
  [[nodiscard]] const StepClock& step_clock() const { return step_clock_; }

  /// Returns when `step` has returned true. REQUIRES: not called on the engine thread.
  void run_task(TaskKind kind, TaskStep step);

  /// Makes some sequence wait so that its pages become free; false when there is none. For tasks.
  bool make_room() { return batch_.make_room(); }

 private:
  struct Task {
    TaskKind kind = TaskKind::between_steps;
    TaskStep step;
    std::atomic<bool> done = false;
  };
  using Item = std::variant<std::shared_ptr<Submission>, std::shared_ptr<Task>>;

  void run();
  void take_in();  // REQUIRES: mutex_ held
  void step_tasks();
  void finish(Task& task);

  const SchedulerLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> inbox_;
  std::unordered_map<RequestId, std::weak_ptr<Submission>> submissions_;
  RequestId next_id_ = 1;
  bool stopping_ = false;
  std::atomic<bool> any_cancelled_ = false;
  std::atomic<size_t> pending_ = 0;

  // The engine thread's.
  Batch batch_;
  std::deque<std::shared_ptr<Task>> tasks_;
  std::shared_ptr<Task> alone_;  // waits until everything else is done
  StepStats step_stats_;
  StepClock step_clock_;
  std::thread thread_;
};

}  // namespace kedge::engine
