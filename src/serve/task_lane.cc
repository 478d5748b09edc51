#include "serve/task_lane.h"

#include <utility>

namespace kedge::serve {

TaskLane::~TaskLane() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void TaskLane::post(std::function<void()> task) {
  const std::scoped_lock lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

size_t TaskLane::waiting_count() const {
  const std::scoped_lock lock(mutex_);
  return tasks_.size();
}

void TaskLane::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds must not wait for the next one
    lock.lock();
  }
}

}  // namespace kedge::serve
