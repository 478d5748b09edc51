#pragma once
// Signals of a program that serves: the first Ctrl-C or SIGTERM asks it to end, the second one ends it; SIGHUP asks it
// to read its files again.

#include <cstdint>

namespace kedge::cli {

enum class Asked : uint8_t { end, reload };

/// While it lives, SIGINT, SIGTERM and SIGHUP are its. Before `begin` the first one that asks for the end ends the
/// program at once, as there is nothing to finish. One at a time.
class TerminationGuard {
 public:
  TerminationGuard();
  TerminationGuard(const TerminationGuard&) = delete;
  TerminationGuard& operator=(const TerminationGuard&) = delete;
  ~TerminationGuard();

  /// From now on the first signal is for `wait`.
  void begin();
  /// Returns when the program is asked for something.
  Asked wait();
};

}  // namespace kedge::cli
