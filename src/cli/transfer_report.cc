#include "cli/transfer_report.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace kedge::cli {
namespace {

constexpr std::chrono::seconds kWindow{8};
constexpr std::chrono::seconds kHistoryMin{1};

}  // namespace

std::string bytes_text(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.2f} {}", bytes, kUnits[unit]);
}

std::string duration_text(std::chrono::seconds time) {
  const int64_t seconds = time.count();
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds % 3600 / 60);
}

void TransferRate::add(Clock::time_point time, uint64_t bytes_received) {
  samples_.push_back({time, bytes_received});
  while (samples_.size() > 2 && time - samples_.front().time > kWindow) samples_.pop_front();
}

std::optional<double> TransferRate::bytes_per_second() const {
  if (samples_.empty() || samples_.back().time - samples_.front().time < kHistoryMin) return std::nullopt;
  const std::chrono::duration<double> time = samples_.back().time - samples_.front().time;
  return static_cast<double>(samples_.back().bytes - samples_.front().bytes) / time.count();
}

std::string progress_text(const net::HubProgress& progress, std::optional<double> bytes_per_second) {
  const auto total = static_cast<double>(progress.bytes_total);
  const auto done = static_cast<double>(progress.bytes_done);
  std::string text = fmt::format("{}/{} files, {} of {} ({:.0f}%)", progress.files_done, progress.files_total,
                                 bytes_text(done), bytes_text(total), total > 0 ? std::floor(100 * done / total) : 100);
  if (progress.bytes_done < progress.bytes_total && bytes_per_second.has_value()) {
    text += fmt::format(", {}/s", bytes_text(*bytes_per_second));
    constexpr double kSecondsMax = 1e7;
    const double left = *bytes_per_second > 0 ? (total - done) / *bytes_per_second : kSecondsMax;
    if (left < kSecondsMax) {
      text += fmt::format(", {} left", duration_text(std::chrono::seconds(std::llround(left))));
    }
  } else if (progress.files_done < progress.files_total && progress.bytes_done == progress.bytes_total) {
    text += ", checking";
  }
  return text;
}

}  // namespace kedge::cli
