#pragma once
// How a long transfer is told to the user: one line that is rewritten on a terminal, now and then a line elsewhere.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "net/hub.h"

namespace kedge::cli {

/// "1.50 GB", in powers of ten, as the hub shows sizes.
std::string bytes_text(double bytes);
/// "45 s", "2 min 05 s", "3 h 20 min".
std::string duration_text(std::chrono::seconds time);

/// Bytes per second over the last few seconds.
class TransferRate {
 public:
  using Clock = std::chrono::steady_clock;

  void add(Clock::time_point time, uint64_t bytes_received);
  /// Nothing before there is a second of history.
  [[nodiscard]] std::optional<double> bytes_per_second() const;

 private:
  struct Sample {
    Clock::time_point time;
    uint64_t bytes;
  };
  std::deque<Sample> samples_;
};

/// "12/20 files, 3.40 of 14.50 GB (23%), 112.00 MB/s, 1 min 39 s left".
std::string progress_text(const net::HubProgress& progress, std::optional<double> bytes_per_second);

}  // namespace kedge::cli
