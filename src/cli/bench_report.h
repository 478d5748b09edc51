#pragma once
// What `kedge bench` measured, beside what the machine allows: as JSON, as a table and as a chart.

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "cpu/limits.h"
#include "kedge/engine.h"

namespace kedge::cli {

/// One measurement. Rates are tokens per second of all sequences together.
struct BenchRow {
  Workload workload;
  double median = 0, min = 0, max = 0;
  double bound = 0;           // what the machine allows
  std::string_view bound_by;  // "memory", or the type whose products take longest

  [[nodiscard]] double percent_of_bound() const { return bound > 0 ? 100 * median / bound : 0; }
};

struct BenchReport {
  ModelInfo model;
  cpu::MachineLimits limits;
  std::vector<BenchRow> rows;
};

/// Memory and arithmetic may overlap: the longer of the two is the least time that the work takes.
BenchRow bench_row(const Workload& workload, const Measurement& measured, const cpu::MachineLimits& limits);

/// "prefill" or "decode".
std::string_view name_of(WorkKind kind);

Json bench_json(const BenchReport& report);
std::string bench_table(const BenchReport& report);
/// An SVG document: a bar for every row, its spread and its bound, for light and dark pages.
std::string bench_chart(const BenchReport& report);

}  // namespace kedge::cli
