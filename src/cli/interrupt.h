#pragma once
// Ctrl-C: stops the answer at hand; the second one within an answer ends the program.

#include <stop_token>
#include <thread>

namespace kedge::cli {

/// While it lives, SIGINT sets a flag instead of ending the program. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();

  [[nodiscard]] bool interrupted() const;
};

/// While it lives, SIGINT does nothing outside of an InterruptGuard: in a chat, a Ctrl-C that comes between an answer
/// and the prompt after it must not end the program.
class InterruptsIgnored {
 public:
  InterruptsIgnored();
  InterruptsIgnored(const InterruptsIgnored&) = delete;
  InterruptsIgnored& operator=(const InterruptsIgnored&) = delete;
  ~InterruptsIgnored();
};

/// Ctrl-C as a stop token, for work that takes one.
class InterruptStop {
 public:
  InterruptStop();
  InterruptStop(const InterruptStop&) = delete;
  InterruptStop& operator=(const InterruptStop&) = delete;

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  InterruptGuard guard_;
  std::stop_source stop_;
  std::jthread watcher_;  // ends before the two above
};

}  // namespace kedge::cli
