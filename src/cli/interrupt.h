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

}  // namespace kedge::cli
