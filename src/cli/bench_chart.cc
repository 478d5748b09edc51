// The chart of a bench report. Prefill and decode have a scale each, as they lie far apart.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "cli/bench_report.h"
#include "core/printable.h"

namespace kedge::cli {
namespace {

constexpr int kWidth = 800;
constexpr int kBarsLeft = 200;
constexpr int kBarsWidth = 320;
constexpr int kRowHeight = 26;
constexpr int kBarHeight = 14;
constexpr int kHeaderHeight = 64;
constexpr int kTitleHeight = 30;

constexpr std::string_view kStyle =
    "text{font:13px system-ui,sans-serif;fill:#424a53}.title{font-weight:600}.bar{fill:#4c8bc9}"
    ".spread{stroke:#424a53}.bound{stroke:#cf6a1c;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#c9d1d9}.spread{stroke:#c9d1d9}}";

/// Text as XML holds it.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : one_line(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string text_at(double x, int y, std::string_view text, std::string_view attributes = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{}\"{}>{}</text>\n", x, y, attributes, escaped(text));
}

std::string line_between(std::string_view kind, double x, double to_x, int y, int to_y) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\"/>\n", kind, x, y, to_x, to_y);
}

/// One row from `y` on. `scale`: the rate at the right end of the bars.
std::string bar(const BenchRow& row, double scale, int y) {
  const auto x_of = [scale](double rate) { return kBarsLeft + kBarsWidth * rate / scale; };
  const int top = y + (kRowHeight - kBarHeight) / 2, middle = y + kRowHeight / 2, baseline = middle + 5;
  std::string svg =
      text_at(kBarsLeft - 10, baseline, fmt::format("batch {}, depth {}", row.workload.sequences, row.workload.depth),
              " text-anchor=\"end\"");
  svg += fmt::format("<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"/>\n", kBarsLeft, top,
                     x_of(row.median) - kBarsLeft, kBarHeight);
  svg += line_between("spread", x_of(row.min), x_of(row.max), middle, middle);
  svg += line_between("bound", x_of(row.bound), x_of(row.bound), y + 2, y + kRowHeight - 2);
  return svg +
         text_at(kBarsLeft + kBarsWidth + 12, baseline,
                 fmt::format("{:.1f} tokens/s, {:.0f}% of {} bound", row.median, row.percent_of_bound(), row.bound_by));
}

/// The rows of one kind from `y` on, which moves down.
std::string section(const BenchReport& report, WorkKind kind, int& y) {
  double scale = 0;
  uint32_t tokens = 0;  // the same in all rows of a kind
  for (const BenchRow& row : report.rows) {
    if (row.workload.kind != kind) continue;
    scale = std::max({scale, row.bound, row.max});
    tokens = row.workload.tokens;
  }
  if (scale <= 0) return "";
  std::string svg = text_at(20, y + 20, fmt::format("{}, {} tokens", name_of(kind), tokens), " class=\"title\"");
  y += kTitleHeight;
  for (const BenchRow& row : report.rows) {
    if (row.workload.kind != kind) continue;
    svg += bar(row, scale, y);
    y += kRowHeight;
  }
  return svg;
}

}  // namespace

std::string bench_chart(const BenchReport& report) {
  const ModelInfo& model = report.model;
  int y = kHeaderHeight;
  std::string body;
  for (const WorkKind kind : {WorkKind::prefill, WorkKind::decode}) body += section(report, kind, y);
  const int height = y + 16;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\">\n"
      "<title>{}</title>\n<style>{}</style>\n",
      kWidth, height, kWidth, height, escaped("Tokens per second of " + model.name), kStyle);
  svg +=
      text_at(20, 26, fmt::format("{}, {} on {}, {} threads", model.name, model.compute, model.isa, model.thread_count),
              " class=\"title\"");
  svg += text_at(20, 48,
                 fmt::format("reads {:.1f} GB/s, bf16 {:.0f} GFLOP/s, int8 {:.0f} GOP/s; upright marks: what "
                             "these allow",
                             report.limits.read_bytes_per_second / 1e9, report.limits.bf16_operations_per_second / 1e9,
                             report.limits.int8_operations_per_second / 1e9));
  return svg + body + "</svg>\n";
}

}  // namespace kedge::cli
