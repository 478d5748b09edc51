#pragma once
// Ctrl-C: stops the answer at hand; the second one within an answer ends the program.

#include <atomic>

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

}  // namespace kedge::cli
