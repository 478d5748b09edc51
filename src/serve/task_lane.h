#pragma once
// A thread that runs tasks one after another: for calls that block.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace kedge::serve {

/// Thread-safe. The destructor waits for the running task and drops the others.
class TaskLane {
 public:
  TaskLane() = default;
  ~TaskLane();
  TaskLane(const TaskLane&) = delete;
  TaskLane& operator=(const TaskLane&) = delete;

  void post(std::function<void()> task);
  /// Tasks that wait; the running one is not among them.
  [[nodiscard]] size_t waiting_count() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;  // started with the first task
};

}  // namespace kedge::serve
