#include "serve/watchdog.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::serve {

Watchdog::Watchdog(std::vector<Watched> watched, std::chrono::milliseconds limit, LogSink log, MetricsRegistry& metrics)
    : limit_(limit), log_(std::move(log)), metrics_(metrics) {
  for (Watched& one : watched) add(std::move(one));
  thread_ = std::thread([this] { run(); });
}

void Watchdog::add(Watched watched) {
  const MetricLabels labels{{"model_name", watched.name}};
  Counter& stalls = metrics_.counter("kedge_engine_stalls_total", "Steps that did not end in time.", labels);
  metrics_.gauge("kedge_engine_step_seconds", "How long the step that runs now has been running.", labels,
                 watched.step_seconds);
  const std::scoped_lock lock(mutex_);
  dogs_.push_back({std::move(watched), &stalls});
}

Watchdog::~Watchdog() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::run() {
  const auto period =
      std::clamp<std::chrono::milliseconds>(limit_ / 4, std::chrono::milliseconds(1), std::chrono::milliseconds(1000));
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, period, [this] { return stopping_; })) {
    for (Dog& dog : dogs_) look(dog);
  }
}

void Watchdog::look(Dog& dog) {
  const double seconds = dog.watched.step_seconds();
  const bool stalled = seconds * 1000 > static_cast<double>(limit_.count());
  if (stalled == dog.stalled) return;
  dog.stalled = stalled;
  if (stalled) {
    ++stalled_;
    dog.stalls->add();
    write_log(log_, {LogLevel::error,
                     fmt::format("the engine of '{}' does not go on: its step has been running for {:.1f} s, expected "
                                 "at most {:.1f} s (--watchdog-seconds)",
                                 dog.watched.name, seconds, static_cast<double>(limit_.count()) / 1000),
                     {{"model", dog.watched.name}}});
  } else {
    --stalled_;
    write_log(log_, {LogLevel::warning,
                     fmt::format("the engine of '{}' goes on", dog.watched.name),
                     {{"model", dog.watched.name}}});
  }
}

}  // namespace kedge::serve
