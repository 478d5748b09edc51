// Goal: rates, bounds and their shares follow from times and costs; table, JSON and chart say the same.
// Method: made-up measurements with round numbers.

#include "cli/bench_report.h"

#include <gtest/gtest.h>

namespace kedge::cli {
namespace {

constexpr cpu::MachineLimits kLimits{.read_bytes_per_second = 100,
                                     .f32_operations_per_second = 10,
                                     .bf16_operations_per_second = 1000,
                                     .int8_operations_per_second = 2000};
const Workload kDecode{.kind = WorkKind::decode, .tokens = 10, .sequences = 4, .depth = 7};

BenchReport report_of(std::string name) {
  BenchReport report{.model = {.name = std::move(name), .dtype_bytes = {{"Q4_0", 1000000}}, .thread_count = 2},
                     .limits = kLimits};
  report.rows = {bench_row({.tokens = 20}, {.seconds = {2.0}, .cost = {.bf16_operations = 1000}}, kLimits),
                 bench_row(kDecode, {.seconds = {4.0, 2.0, 1.0}, .cost = {.read_bytes = 50}}, kLimits)};
  return report;
}

TEST(BenchReport, rates_are_of_all_sequences_and_their_median_is_robust) {
  const BenchRow row = bench_row(kDecode, {.seconds = {4.0, 1.0, 2.0}, .cost = {.read_bytes = 50}}, kLimits);
  EXPECT_EQ(row.median, 20);
  EXPECT_EQ(row.min, 10);
  EXPECT_EQ(row.max, 40);
  EXPECT_EQ(bench_row(kDecode, {.seconds = {4.0, 1.0}, .cost = {}}, kLimits).median, 25);
}

TEST(BenchReport, the_longer_of_memory_and_arithmetic_bounds) {
  const auto bound = [](const WorkloadCost& cost) {
    return bench_row(kDecode, {.seconds = {1.0}, .cost = cost}, kLimits);
  };
  EXPECT_EQ(bound({.read_bytes = 50, .bf16_operations = 100}).bound, 80);
  EXPECT_EQ(bound({.read_bytes = 50, .bf16_operations = 100}).bound_by, "memory");
  EXPECT_EQ(bound({.read_bytes = 50, .bf16_operations = 250, .int8_operations = 1500}).bound, 40);
  EXPECT_EQ(bound({.read_bytes = 50, .bf16_operations = 250, .int8_operations = 1500}).bound_by, "int8");
  EXPECT_EQ(bound({.f32_operations = 10, .bf16_operations = 10}).bound_by, "f32");
  EXPECT_EQ(bound({.read_bytes = 50}).percent_of_bound(), 50);
  EXPECT_EQ(bound({}).percent_of_bound(), 0);
}

TEST(BenchReport, json_keeps_its_contract) {
  const Json json = bench_json(report_of("m"));
  EXPECT_EQ(to_text(json["limits"]), R"({"read_gb_per_s":1e-07,"bf16_gflop_per_s":1e-06,"int8_gop_per_s":2e-06})");
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(to_text(json["rows"][1]),
            R"({"kind":"decode","tokens":10,"batch":4,"depth":7,"tokens_per_second":{"median":20.0,"min":10.0,)"
            R"("max":40.0},"bound_tokens_per_second":80.0,"percent_of_bound":25.0})");
}

TEST(BenchReport, the_table_has_a_line_for_every_row) {
  const std::string table = bench_table(report_of("model"));
  EXPECT_NE(table.find("prefill      20      1       0       10.00"), std::string::npos) << table;
  EXPECT_NE(table.find("25.0%  memory"), std::string::npos) << table;
}

TEST(BenchReport, the_chart_has_bars_and_bounds_and_quotes_names) {
  const std::string chart = bench_chart(report_of("<a> & \"b\"\x01"));
  size_t bars = 0, bounds = 0;
  for (size_t at = chart.find("class=\"bar\""); at != std::string::npos; at = chart.find("class=\"bar\"", at + 1))
    ++bars;
  for (size_t at = chart.find("class=\"bound\""); at != std::string::npos; at = chart.find("class=\"bound\"", at + 1)) {
    ++bounds;
  }
  EXPECT_EQ(bars, 2U);
  EXPECT_EQ(bounds, 2U);
  EXPECT_NE(chart.find("&lt;a&gt; &amp; &quot;b&quot;"), std::string::npos) << chart;
  EXPECT_EQ(chart.find('\x01'), std::string::npos);
}

}  // namespace
}  // namespace kedge::cli
