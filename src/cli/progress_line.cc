#include "cli/progress_line.h"

#include <unistd.h>

#include <cstdio>

#include "cli/standard_io.h"

namespace kedge::cli {

ProgressLine::ProgressLine(std::chrono::milliseconds interval)
    : interval_(interval), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::string_view text) {
  const Clock::time_point now = Clock::now();
  if (!terminal_) {
    if (now - last_ < interval_) return;
    last_ = now;
    return say(text);
  }
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(text.size()), text.data());
  std::fflush(stderr);
  open_ = true;
}

void ProgressLine::close() {
  if (open_) std::fputs("\r\x1b[K", stderr);
  open_ = false;
}

}  // namespace kedge::cli
