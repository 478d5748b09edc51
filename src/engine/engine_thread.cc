#include "engine/engine_thread.h"

#include <chrono>

#include "core/topology.h"

namespace kedge::engine {

EngineThread::EngineThread(const Runtime& runtime, const GenerationContext& context, const Options& options)
    : limits_(options.limits),
      batch_(runtime, context, options.limits, options.guessing),
      thread_([this, cpu = options.cpu] {
        if (cpu >= 0) pin_to_cpu(cpu);
        run();
      }) {}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [id, weak] : submissions_) {
      if (const auto submission = weak.lock()) submission->cancelled = true;
    }
    any_cancelled_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

RequestId EngineThread::submit(std::shared_ptr<Submission> submission) {
  ++pending_;
  // The request's end, whoever holds it last.
  submission->on_done = [this, on_done = std::move(submission->on_done)](const RequestTimings& timings) {
    --pending_;
    if (on_done) on_done(timings);
  };
  const std::lock_guard lock(mutex_);
  submission->id = next_id_++;
  const RequestId id = submission->id;
  if (stopping_) submission->cancelled = true;
  submissions_[id] = submission;
  inbox_.emplace_back(std::move(submission));
  changed_.notify_one();
  return id;
}

void EngineThread::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto found = submissions_.find(id);
  if (found == submissions_.end()) return;
  if (const auto submission = found->second.lock()) submission->cancelled = true;
  any_cancelled_ = true;
}

size_t EngineThread::pending_count() const {
  return pending_;
}

void EngineThread::run_task(TaskKind kind, TaskStep step) {
  const auto task = std::make_shared<Task>();
  task->kind = kind;
  task->step = std::move(step);
  ++pending_;
  {
    const std::lock_guard lock(mutex_);
    inbox_.emplace_back(task);
  }
  changed_.notify_one();
  task->done.wait(false, std::memory_order_acquire);
}

/// In the order of arrival; what came behind a task that runs alone stays outside.
void EngineThread::take_in() {
  for (; !inbox_.empty() && !alone_; inbox_.pop_front()) {
    Item& item = inbox_.front();
    if (auto* const submission = std::get_if<std::shared_ptr<Submission>>(&item)) {
      if ((*submission)->cancelled) any_cancelled_ = true;
      batch_.add(std::move(*submission));
    } else {
      std::shared_ptr<Task>& task = std::get<std::shared_ptr<Task>>(item);
      if (task->kind == TaskKind::alone) {
        alone_ = std::move(task);
      } else {
        tasks_.push_back(std::move(task));
      }
    }
  }
  std::erase_if(submissions_, [](const auto& entry) { return entry.second.expired(); });
}

void EngineThread::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const bool idle = batch_.empty() && tasks_.empty() && !alone_;
      if (idle) changed_.wait(lock, [this] { return stopping_ || !inbox_.empty(); });
      if (idle && inbox_.empty()) return;
      if (!inbox_.empty()) take_in();
    }
    if (any_cancelled_.exchange(false)) batch_.end_cancelled();
    if (!batch_.empty()) {
      const StepClock::Step running(step_clock_);
      const auto start = std::chrono::steady_clock::now();
      batch_.step(!tasks_.empty());
      step_stats_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    step_tasks();
  }
}

void EngineThread::step_tasks() {
  if (!tasks_.empty()) {
    Task& task = *tasks_.front();
    const StepClock::Step running(step_clock_);
    if (task.step(batch_.decoding() ? limits_.mixed_prefill : limits_.step_tokens)) {
      finish(task);
      tasks_.pop_front();
    }
  } else if (alone_ && batch_.empty()) {
    for (bool done = false; !done;) {
      const StepClock::Step running(step_clock_);
      done = alone_->step(limits_.step_tokens);
    }
    finish(*alone_);
    alone_.reset();
  }
}

void EngineThread::finish(Task& task) {
  --pending_;
  task.done.store(true, std::memory_order_release);
  task.done.notify_one();
}

}  // namespace kedge::engine
