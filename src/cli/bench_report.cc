#include "cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace kedge::cli {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct Part {
  std::string_view name;
  double seconds;
};

/// Seconds that each resource needs for the work at least.
std::array<Part, 4> parts_of(const WorkloadCost& cost, const cpu::MachineLimits& limits) {
  return {{{"memory", cost.read_bytes / limits.read_bytes_per_second},
           {"f32", cost.f32_operations / limits.f32_operations_per_second},
           {"bf16", cost.bf16_operations / limits.bf16_operations_per_second},
           {"int8", cost.int8_operations / limits.int8_operations_per_second}}};
}

std::string weights_text(const ModelInfo& model) {
  std::string text;
  for (const auto& [dtype, bytes] : model.dtype_bytes) {
    text += fmt::format("{}{} {:.1f} MB", text.empty() ? "" : ", ", dtype, static_cast<double>(bytes) / 1e6);
  }
  return text;
}

std::string adapters_text(const Workload& workload) {
  return workload.adapters.empty() ? "" : fmt::format("; with {} adapters", workload.adapters.size());
}

}  // namespace

BenchRow bench_row(const Workload& workload, const Measurement& measured, const cpu::MachineLimits& limits) {
  const double tokens = static_cast<double>(workload.tokens) * static_cast<double>(workload.sequences);
  std::vector<double> rates;
  for (const double seconds : measured.seconds) rates.push_back(tokens / std::max(seconds, 1e-9));
  BenchRow row{.workload = workload, .median = median(rates)};
  if (!rates.empty()) {
    row.min = std::ranges::min(rates);
    row.max = std::ranges::max(rates);
  }
  const auto [memory, f32, bf16, int8] = parts_of(measured.cost, limits);
  const double compute = f32.seconds + bf16.seconds + int8.seconds;
  const double seconds = std::max(memory.seconds, compute);
  if (seconds > 0) row.bound = tokens / seconds;
  const Part longest = std::max({f32, bf16, int8}, [](const Part& a, const Part& b) { return a.seconds < b.seconds; });
  row.bound_by = memory.seconds >= compute ? memory.name : longest.name;
  return row;
}

std::string_view name_of(WorkKind kind) {
  return kind == WorkKind::prefill ? "prefill" : "decode";
}

Json bench_json(const BenchReport& report) {
  Json rows = Json::array();
  for (const BenchRow& row : report.rows) {
    Json& json = rows.emplace_back();
    json = {{"kind", name_of(row.workload.kind)},
            {"tokens", row.workload.tokens},
            {"batch", row.workload.sequences},
            {"depth", row.workload.depth},
            {"tokens_per_second", {{"median", row.median}, {"min", row.min}, {"max", row.max}}},
            {"bound_tokens_per_second", row.bound},
            {"percent_of_bound", row.percent_of_bound()}};
    if (!row.workload.adapters.empty()) json["adapters"] = row.workload.adapters.size();
  }
  return {{"model", report.model.name},
          {"threads", report.model.thread_count},
          {"limits",
           {{"read_gb_per_s", report.limits.read_bytes_per_second / 1e9},
            {"bf16_gflop_per_s", report.limits.bf16_operations_per_second / 1e9},
            {"int8_gop_per_s", report.limits.int8_operations_per_second / 1e9}}},
          {"rows", rows}};
}

std::string bench_table(const BenchReport& report) {
  const ModelInfo& model = report.model;
  const cpu::MachineLimits& limits = report.limits;
  std::string text = fmt::format("{}: {:.1f} million parameters ({}), {} on {}, KV cache in {}, {} threads\n",
                                 model.name, static_cast<double>(model.parameter_count) / 1e6, weights_text(model),
                                 model.compute, model.isa, model.kv_cache, model.thread_count);
  text += fmt::format("this machine: reads {:.1f} GB/s; f32 {:.0f}, bf16 {:.0f} GFLOP/s; int8 {:.0f} GOP/s\n\n",
                      limits.read_bytes_per_second / 1e9, limits.f32_operations_per_second / 1e9,
                      limits.bf16_operations_per_second / 1e9, limits.int8_operations_per_second / 1e9);
  text += fmt::format("{:<8}{:>7}{:>7}{:>8}{:>12}{:>12}{:>12}{:>12}{:>10}  {}\n", "work", "tokens", "batch", "depth",
                      "tokens/s", "min", "max", "bound", "of bound", "bound by");
  for (const BenchRow& row : report.rows) {
    text += fmt::format("{:<8}{:>7}{:>7}{:>8}{:>12.2f}{:>12.2f}{:>12.2f}{:>12.2f}{:>9.1f}%  {}{}\n",
                        name_of(row.workload.kind), row.workload.tokens, row.workload.sequences, row.workload.depth,
                        row.median, row.min, row.max, row.bound, row.percent_of_bound(), row.bound_by,
                        adapters_text(row.workload));
  }
  return text;
}

}  // namespace kedge::cli
