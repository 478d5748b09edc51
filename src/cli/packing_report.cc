#include "cli/packing_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/standard_io.h"

namespace kedge::cli {

void PackingReport::operator()(uint64_t done, uint64_t total) {
  constexpr std::chrono::milliseconds kQuick{500}, kRewritten{100}, kLines{5000};
  const Clock::time_point now = Clock::now();
  if (done < last_done_) *this = PackingReport();  // another model
  last_done_ = done;
  rate_.add(now, done);
  if (now - begin_ < kQuick) return;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (done == total) {
    if (terminal) std::fputs("\r\x1b[K", stderr);
    return;
  }
  if (now - last_line_ < (terminal ? kRewritten : kLines)) return;
  last_line_ = now;
  const std::string text = packing_text(done, total, rate_.bytes_per_second());
  if (terminal) {
    std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
    std::fflush(stderr);
  } else {
    say(text);
  }
}

std::string packing_text(uint64_t done, uint64_t total, std::optional<double> bytes_per_second) {
  std::string text = fmt::format("laying out weights: {} of {} ({}%)", bytes_text(static_cast<double>(done)),
                                 bytes_text(static_cast<double>(total)), total == 0 ? 100 : done * 100 / total);
  if (bytes_per_second && *bytes_per_second > 0) {
    const std::chrono::seconds left(static_cast<int64_t>(static_cast<double>(total - done) / *bytes_per_second));
    text += fmt::format(", {}/s, {} left", bytes_text(*bytes_per_second), duration_text(left));
  }
  return text;
}

}  // namespace kedge::cli
