#pragma once
// What a finished run says of itself.

#include <string>
#include <vector>

#include "core/json.h"
#include "curate/pipeline/statistics.h"

namespace kedge::curate {

struct Report {
  size_t inputs = 0;
  uint64_t passed_over = 0;  // files of text beside files of records
  std::string passed_over_example;
  std::vector<std::string> labels;              // of all steps, in order
  std::vector<std::vector<ValueRange>> ranges;  // likewise
  std::vector<StageStatistics> stages;          // their steps, laid end to end, are those steps
  std::vector<Json> dedups;                     // what link_shards returned, in order

  /// {"complete":true,"inputs","counts":{"in","kept","dropped","rejected"},"bytes":{..},"steps":[..],...}: nothing that
  /// depends on the time or the machine. "passed_over" {"files","example"} where there are any.
  [[nodiscard]] Json to_json() const;
};

/// The report as a page of its own that loads nothing.
std::string report_page(const Json& report);

}  // namespace kedge::curate
