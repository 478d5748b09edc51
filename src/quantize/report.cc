// The report as a table for people; quantizer.h declares it.

#include <fmt/format.h>

#include "quantize/quantizer.h"

namespace kedge::quantize {
namespace {

std::string text_of(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
}

double number_of(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_number() ? json[key].get<double>() : 0.0;
}

std::string layer_lines(const Json& layers) {
  std::string lines = "layer  error     widest error of a matrix\n";
  for (const Json& layer : layers) {
    const Json* worst = nullptr;
    for (const Json& product : layer["products"]) {
      if (worst == nullptr || number_of(product, "relative_error") > number_of(*worst, "relative_error")) {
        worst = &product;
      }
    }
    lines += fmt::format("{:>5}  {:.5f}", number_of(layer, "layer"), number_of(layer, "relative_error"));
    if (worst != nullptr) {
      lines += fmt::format("   {:.5f}  {} ({})", number_of(*worst, "relative_error"), text_of(*worst, "name"),
                           text_of(*worst, "format"));
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace

std::string report_table(const Json& report) {
  std::string table;
  if (report.contains("layers") && !report["layers"].empty()) table += layer_lines(report["layers"]) + "\n";
  const auto row = [&](const char* name, const std::string& value) {
    table += fmt::format("{:<28} {}\n", name, value);
  };
  row("format, method", fmt::format("{}, {}", text_of(report, "to"), text_of(report, "method")));
  row("bits per quantized weight", fmt::format("{:.4f}", number_of(report, "bits_per_weight")));
  row("bits per parameter in all", fmt::format("{:.4f}", number_of(report, "bits_per_parameter")));
  if (report.contains("as_stored") && !report["as_stored"].empty()) {
    row("matrices left as stored",
        fmt::format("{}, first {}", report["as_stored"].size(), report["as_stored"].front().get<std::string>()));
  }
  if (report.contains("calibration")) {
    const Json& calibration = report["calibration"];
    row("calibration", fmt::format("{} tokens, {}", number_of(calibration, "tokens"), text_of(calibration, "text")));
  }
  if (report.contains("held")) {
    const Json& held = report["held"];
    row("held text", fmt::format("{} tokens, {}", number_of(held, "tokens"), text_of(held, "text")));
    row("KL divergence, nats", fmt::format("{:.6f}", number_of(held, "kl_divergence")));
    row("same likeliest token", fmt::format("{:.2f} %", 100 * number_of(held, "same_choice")));
    row("perplexity",
        fmt::format("{:.4f} (source {:.4f})", number_of(held, "perplexity"), number_of(held, "source_perplexity")));
  }
  return table;
}

}  // namespace kedge::quantize
