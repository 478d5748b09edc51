#include "engine/job_thread.h"

#include <utility>

#include "core/topology.h"

namespace kedge::engine {

JobThread::JobThread(int cpu)
    : thread_([this, cpu] {
        if (cpu >= 0) pin_to_cpu(cpu);
        run();
      }) {}

JobThread::~JobThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (running_) running_->cancelled = true;
    for (const auto& entry : waiting_) entry->cancelled = true;
  }
  changed_.notify_all();
  thread_.join();
}

RequestId JobThread::add(Job job) {
  auto entry = std::make_shared<Entry>();
  entry->job = std::move(job);
  const std::lock_guard lock(mutex_);
  entry->id = next_id_++;
  const RequestId id = entry->id;
  if (stopping_) entry->cancelled = true;
  waiting_.push_back(std::move(entry));
  changed_.notify_one();
  return id;
}

void JobThread::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  if (running_ && running_->id == id) running_->cancelled = true;
  for (const auto& entry : waiting_) {
    if (entry->id == id) entry->cancelled = true;
  }
}

size_t JobThread::pending_count() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + (running_ ? 1 : 0);
}

void JobThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    const std::shared_ptr<Entry> entry = running_;
    lock.unlock();
    {
      const StepClock::Step running(step_clock_);
      entry->job(entry->cancelled);
    }
    lock.lock();
    running_.reset();
  }
}

}  // namespace kedge::engine
