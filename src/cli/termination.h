#pragma once
// Ctrl-C and SIGTERM of a program that serves: the first one asks it to end, the second one ends it.

namespace kedge::cli {

/// While it lives, SIGINT and SIGTERM are its. Before `begin` the first one ends the program at once, as there is
/// nothing to finish. One at a time.
class TerminationGuard {
 public:
  TerminationGuard();
  TerminationGuard(const TerminationGuard&) = delete;
  TerminationGuard& operator=(const TerminationGuard&) = delete;
  ~TerminationGuard();

  /// From now on the first signal is for `wait`.
  void begin();
  /// Returns when the program is asked to end.
  void wait();
};

}  // namespace kedge::cli
