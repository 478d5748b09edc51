// kedge quantize: a model with fewer bits a weight, and a report on what that cost.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_argument.h"
#include "cli/progress_line.h"
#include "cli/standard_io.h"
#include "quantize/quantizer.h"

namespace kedge::cli {
namespace {

struct QuantizeOptions {
  std::string model, out;
  quantize::Options settings;
  bool json = false;
  bool quiet = false;
};

constexpr std::chrono::seconds kLineInterval{10};

/// "quantizing layers          [#######.......................] 8/32"
std::string progress_text(const quantize::Progress& progress) {
  constexpr size_t kBarWidth = 30;
  const double share =
      progress.total > 0 ? static_cast<double>(progress.done) / static_cast<double>(progress.total) : 1.0;
  const auto filled = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth);
  return fmt::format("{:<26} [{}{}] {}/{}", progress.stage, std::string(filled, '#'),
                     std::string(kBarWidth - filled, '.'), progress.done, progress.total);
}

Status run_quantize(QuantizeOptions options) {
  KEDGE_ASSIGN(options.settings.model, resolve_model(options.model));
  options.settings.out = options.out;
  ProgressLine line(kLineInterval);
  quantize::Events events;
  if (!options.quiet) {
    events.on_progress = [&](const quantize::Progress& progress) { line.show(progress_text(progress)); };
    events.on_notice = [&](const std::string& notice) {
      line.close();
      say(notice);
    };
  }
  const InterruptStop interrupt;
  Result<Json> report = quantize::quantize(options.settings, events, interrupt.token());
  line.close();
  if (!report.ok() && report.error().kind == ErrorKind::cancelled) {
    return Error{ErrorKind::cancelled, fmt::format("{}: stopped; the same command goes on from there", options.out)};
  }
  if (!report.ok()) return std::move(report).error();
  return options.json ? write_json(report.value()) : write_output(quantize::report_table(report.value()));
}

void add_text_options(CLI::App& command, quantize::Options& settings) {
  command.add_option("--calib", settings.calibration_file,
                     "text to fit to; without it the model writes some itself, which takes as long as one pass");
  command.add_option(
      "--text", settings.held_file,
      "text to measure the result with; without it a part of --calib that was held back, or the model's own");
  command.add_option("--sequences", settings.sequences, "sequences of text to fit to")->capture_default_str();
  command.add_option("--length", settings.length, "tokens of a sequence, at most the model's context")
      ->capture_default_str();
  command.add_option("--held-sequences", settings.held_sequences, "sequences of text to measure with")
      ->capture_default_str();
  command.add_option("--seed", settings.seed, "of the text that the model writes")->capture_default_str();
}

}  // namespace

void register_quantize(Commands& commands) {
  auto options = std::make_shared<QuantizeOptions>();
  CLI::App* command = commands.add("quantize", "write a model with fewer bits a weight, and report what that cost",
                                   [options] { return run_quantize(*options); });
  quantize::Options& settings = options->settings;
  command
      ->add_option("MODEL", options->model,
                   "checkpoint folder, ORG/NAME that `kedge pull` stored, demo, or a .gguf file")
      ->required();
  command
      ->add_option(
          "--to", settings.target,
          "int4 or int8 (with -g32, -g64 or -g128 for the group; 128), w8a8, mixed: a folder; q8_0, q4_0, q4_k "
          "or q6_k: a .gguf file")
      ->required();
  command->add_option("--method", settings.method,
                      "rtn, awq, gptq or smooth (w8a8); without it gptq for 4 bits, rtn for 8, smooth for w8a8");
  command->add_flag("--symmetric", settings.symmetric,
                    "4 bits without zero points, for readers that do not know them; farther from the source");
  command->add_flag("--keep-embeddings", settings.keep_embeddings,
                    "GGUF: token embeddings and output matrix stay as stored, as they do in folders");
  command->add_option("--bits", settings.bits, "mixed: bits of a weight on average, scales counted")
      ->capture_default_str();
  command->add_option("--out", options->out, "the folder or .gguf file to write")->required();
  add_text_options(*command, settings);
  command->add_option("--threads", settings.threads, "worker threads; 0: one per physical core")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", options->quiet, "no progress and notices");
  command->add_flag("--json", options->json, "the report as one JSON document instead of a table");
}

}  // namespace kedge::cli
