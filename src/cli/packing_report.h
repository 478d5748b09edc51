#pragma once
// How laying out weights is told to the user.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/progress_line.h"
#include "cli/transfer_report.h"

namespace kedge::cli {

/// Called with bytes done and in all. Quick work says nothing. Copies tell of the same work.
class PackingReport {
 public:
  void operator()(uint64_t done, uint64_t total);

 private:
  struct Work {
    TransferRate::Clock::time_point begin = TransferRate::Clock::now();
    uint64_t done = 0;
    TransferRate rate;
    ProgressLine line{std::chrono::seconds(5)};
  };
  std::shared_ptr<Work> work_;
};

/// "laying out weights: 1.20 GB of 4.60 GB (26%), 800.00 MB/s, 4 s left".
std::string packing_text(uint64_t done, uint64_t total, std::optional<double> bytes_per_second);

}  // namespace kedge::cli
