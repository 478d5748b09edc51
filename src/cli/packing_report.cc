#include "cli/packing_report.h"

#include <fmt/format.h>

namespace kedge::cli {

void PackingReport::operator()(uint64_t done, uint64_t total) {
  constexpr std::chrono::milliseconds kQuick{500};
  const TransferRate::Clock::time_point now = TransferRate::Clock::now();
  if (work_ == nullptr || done < work_->done) work_ = std::make_shared<Work>();  // the first call, or another model
  work_->done = done;
  work_->rate.add(now, done);
  if (done == total) {
    work_->line.close();
  } else if (now - work_->begin >= kQuick) {
    work_->line.show(packing_text(done, total, work_->rate.bytes_per_second()));
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
