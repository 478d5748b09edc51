#pragma once
// Sees an engine whose step does not end: a thread that stands still, a lock that nobody gives back.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"

namespace kedge::serve {

/// Looks from construction to destruction, on a thread of its own. Any thread may ask.
class Watchdog {
 public:
  struct Watched {
    std::string name;
    std::function<double()> step_seconds;  // of the step that runs now; 0: none does
  };

  /// `limit`: how long a step may take. `metrics` must live longer.
  Watchdog(std::vector<Watched> watched, std::chrono::milliseconds limit, LogSink log, MetricsRegistry& metrics);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// One more. Once for each name.
  void add(Watched watched);

  /// Some engine stands still now.
  [[nodiscard]] bool stalled() const { return stalled_ > 0; }

 private:
  struct Dog {
    Watched watched;
    Counter* stalls = nullptr;
    bool stalled = false;
  };

  void run();
  void look(Dog& dog);

  const std::chrono::milliseconds limit_;
  const LogSink log_;
  MetricsRegistry& metrics_;
  std::vector<Dog> dogs_;  // REQUIRES: mutex_
  std::atomic<size_t> stalled_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::serve
