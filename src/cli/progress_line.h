#pragma once
// What goes on now, on standard error: one line that is rewritten on a terminal, now and then a line elsewhere.

#include <chrono>
#include <string_view>

namespace kedge::cli {

/// Leaves no unfinished line behind.
class ProgressLine {
 public:
  /// `interval`: between two lines where there is no terminal. The first line comes after the first interval.
  explicit ProgressLine(std::chrono::milliseconds interval);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { close(); }

  void show(std::string_view text);
  /// Clears the line that was being rewritten, before something else is said.
  void close();

 private:
  using Clock = std::chrono::steady_clock;

  std::chrono::milliseconds interval_;
  bool terminal_;
  bool open_ = false;
  Clock::time_point last_ = Clock::now();
};

}  // namespace kedge::cli
