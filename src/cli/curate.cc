// kedge curate: what is done to documents before a model sees them.

#include <fmt/format.h>

#include "cli/curate_commands.h"
#include "cli/curate_models.h"
#include "cli/interrupt.h"
#include "cli/progress_line.h"
#include "cli/standard_io.h"
#include "core/printable.h"
#include "curate/pipeline/run.h"

namespace kedge::cli {
namespace {

std::string progress_text(uint64_t documents, double share, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(documents) / seconds : 0;
  const double left = share > 0 ? seconds / share * (1 - share) : 0;
  return fmt::format("{} documents, {:.0f}%, {:.0f} a second, {:.0f} s left", documents, share * 100, rate, left);
}

}  // namespace

void CurateOptions::add_to(CLI::App& command) {
  command
      .add_option(
          "--input", inputs,
          "JSONL, Parquet, WARC, Wikipedia's XML, arXiv's tars (also .gz, .zst, .bz2), text, Markdown, PDF, told apart "
          "by content; folders of them; - for standard input")
      ->required()
      ->allow_extra_args(false);
  command.add_option("--output", output, "JSONL file to write, whole or not at all")->required();
  command.add_option("--id-field", fields.id, "column of the ids")->capture_default_str();
  command.add_option("--text-field", fields.text, "column of the texts")->capture_default_str();
  command.add_flag("--include-text", include_text, kIncludeTextHelp);
  command.add_option("--threads", threads, "threads; 0: one a physical core")->capture_default_str();
  command.add_flag("--json", json, "the counts as one JSON document: {\"in\", \"out\", \"rejected\"}");
  command.add_flag("--quiet", quiet, "no progress");
}

Result<std::vector<data::Input>> expand_and_tell(const std::vector<std::string>& inputs,
                                                 const std::filesystem::path& folder, curate::InputChoice& choice) {
  KEDGE_ASSIGN(auto files, curate::expand_inputs(inputs, folder, choice));
  if (choice.passed_over > 0) say("kedge: " + one_line(choice.note()));
  return files;
}

Result<curate::Job> CurateOptions::job() const {
  curate::Job job;
  curate::InputChoice choice;
  choice.include_text = include_text;
  if (output == data::kStandardInput) {
    return Error{ErrorKind::invalid_input, "--output: found -, expected a file: standard output has the counts"};
  }
  for (const std::string& input : inputs) {
    std::error_code code;
    if (input != data::kStandardInput && !std::filesystem::is_directory(input, code)) {
      job.inputs.emplace_back(input);
      continue;
    }
    KEDGE_ASSIGN(const std::vector<data::Input> files, curate::expand_inputs({input}, {}, choice));
    job.inputs.insert(job.inputs.end(), files.begin(), files.end());
  }
  if (choice.passed_over > 0) say("kedge: " + one_line(choice.note()));
  job.output = output;
  job.fields = fields;
  return job;
}

void CurateConsole::attach(const CurateOptions& options, curate::Events& events) {
  events.on_reject = [this](const data::Reject& reject) {
    line_.close();
    say("kedge: rejected " + one_line(reject.where + ": " + reject.reason));
  };
  if (options.quiet) return;
  events.on_progress = [this](uint64_t documents, double share) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
    line_.show(progress_text(documents, share, seconds.count()));
  };
}

Status run_curate(const CurateOptions& options,
                  const std::function<Result<curate::Counts>(const curate::Job&, WorkerPool&, const curate::Events&,
                                                             const std::stop_token&)>& work) {
  KEDGE_ASSIGN(const curate::Counts counts, run_counted(options, work));
  const auto& [in, out, rejected] = counts;
  if (options.json) return write_json({{"in", in}, {"out", out}, {"rejected", rejected}});
  return write_output(fmt::format("{} in, {} out, {} rejected\n", in, out, rejected));
}

Status run_operator(const CurateOptions& options, const curate::Operator& op) {
  return run_curate(options, [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                                 const std::stop_token& stop) { return annotate(job, op, pool, events, stop); });
}

void register_curate(Commands& commands) {
  CLI::App* curate = commands.app.add_subcommand("curate", "prepare documents: filter, deduplicate, redact, extract");
  curate->require_subcommand(1);
  offer_models_to_curate();
  register_curate_apply(commands, *curate);
  register_curate_dedup(commands, *curate);
  register_curate_pii(commands, *curate);
  register_curate_decontaminate(commands, *curate);
  register_curate_clean(commands, *curate);
  register_curate_langid(commands, *curate);
  register_curate_code(commands, *curate);
  register_curate_extract(commands, *curate);
  register_curate_run(commands, *curate);
  register_curate_survey(commands, *curate);
  register_curate_pack(commands, *curate);
  register_curate_mix(commands, *curate);
  register_curate_synthesize(commands, *curate);
  register_curate_train(commands, *curate);
}

}  // namespace kedge::cli
