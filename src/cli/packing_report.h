#pragma once
// How laying out weights is told to the user: a line that is rewritten on a terminal, a line now and then elsewhere.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/transfer_report.h"

namespace kedge::cli {

/// Called with bytes done and in all. Quick work says nothing.
class PackingReport {
 public:
  void operator()(uint64_t done, uint64_t total);

 private:
  using Clock = TransferRate::Clock;

  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_line_ = begin_;
  TransferRate rate_;
  uint64_t last_done_ = 0;
};

/// "laying out weights: 1.20 GB of 4.60 GB (26%), 800.00 MB/s, 4 s left".
std::string packing_text(uint64_t done, uint64_t total, std::optional<double> bytes_per_second);

}  // namespace kedge::cli
