#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>

namespace kedge::cli {
namespace {

constexpr int kInterruptedExit = 5;
constexpr std::chrono::milliseconds kWatchInterval{20};

std::atomic<int> interrupt_count = 0;
struct sigaction previous_action {};
struct sigaction action_outside {};  // what SIGINT did before InterruptsIgnored

void on_interrupt(int) {
  if (interrupt_count.fetch_add(1) > 0) _exit(kInterruptedExit);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupt_count = 0;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous_action);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &previous_action, nullptr);
}

bool InterruptGuard::interrupted() const {
  return interrupt_count > 0;
}

InterruptStop::InterruptStop()
    : watcher_([this](const std::stop_token& end) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any ended;  // a handler of signals may notify nobody: it is looked after
        while (!end.stop_requested() && !guard_.interrupted()) {
          ended.wait_for(lock, end, kWatchInterval, [] { return false; });
        }
        if (guard_.interrupted()) stop_.request_stop();
      }) {}

InterruptsIgnored::InterruptsIgnored() {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &action_outside);
}

InterruptsIgnored::~InterruptsIgnored() {
  sigaction(SIGINT, &action_outside, nullptr);
}

}  // namespace kedge::cli
