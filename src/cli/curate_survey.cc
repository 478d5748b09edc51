// kedge curate stats, sample, explain: documents looked at.

#include <fmt/format.h>

#include "cli/curate_commands.h"
#include "cli/interrupt.h"
#include "cli/standard_io.h"
#include "core/printable.h"
#include "curate/pipeline/explain.h"
#include "curate/survey.h"

namespace kedge::cli {
namespace {

struct SampleCommand {
  CurateOptions common;
  curate::SampleOptions settings;
};

struct ExplainCommand {
  std::string pipeline, id, output;
  std::vector<std::string> inputs;
  unsigned threads = 0;
  bool include_text = false, json = false;
};

Status stats(const CurateOptions& options) {
  KEDGE_ASSIGN(const Json json, run_counted(options, curate::survey));
  return options.json ? write_json(json) : write_output(json.dump(2) + "\n");
}

/// In = chosen + left out + rejected.
Status sample(const SampleCommand& command) {
  KEDGE_ASSIGN(const curate::Counts counts,
               run_counted(command.common, [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                                               const std::stop_token& stop) {
                 return curate::sample(job, command.settings, pool, events, stop);
               }));
  const uint64_t left_out = counts.in - counts.out - counts.rejected;
  if (command.common.json) {
    return write_json(
        {{"in", counts.in}, {"chosen", counts.out}, {"left_out", left_out}, {"rejected", counts.rejected}});
  }
  return write_output(
      fmt::format("{} in = {} chosen + {} left out + {} rejected\n", counts.in, counts.out, left_out, counts.rejected));
}

std::string told(const Json& step) {
  const bool keep = step["keep"].get<bool>();
  const std::string what = keep ? (step["changed"].get<bool>() ? "changed" : "kept") : "dropped";
  std::string text = fmt::format("{:<28} {}", step["step"].get<std::string>(), what);
  if (!keep) text += ": " + step["reason"].get<std::string>();
  if (!step["details"].is_null()) text += "\n    " + to_text(step["details"]);
  if (!step.contains("pieces")) return text + "\n";
  for (const Json& piece : step["pieces"]) {
    text += fmt::format("\n    [{}, {}) {}{}", piece["start"].get<uint64_t>(), piece["end"].get<uint64_t>(),
                        piece.contains("type") ? to_text(piece["type"]) + " " : "", to_text(piece["text"]));
  }
  return text + "\n";
}

Status explain(const ExplainCommand& command) {
  KEDGE_ASSIGN(const curate::Pipeline pipeline, curate::read_pipeline(command.pipeline));
  const bool given = !command.inputs.empty();
  curate::ExplainOptions options;
  options.id = command.id;
  curate::InputChoice choice;
  choice.include_text = command.include_text || pipeline.include_text;
  KEDGE_ASSIGN(options.inputs, expand_and_tell(given ? command.inputs : pipeline.inputs,
                                               given ? std::filesystem::path() : pipeline.folder, choice));
  if (!command.output.empty()) {
    options.output = command.output;
  } else if (!pipeline.output.empty()) {
    options.output = pipeline.folder / pipeline.output;
  }
  WorkerPool pool(command.threads);
  const InterruptStop interrupt;
  KEDGE_ASSIGN(const Json json, curate::explain(pipeline, options, pool, interrupt.token()));
  if (command.json) return write_json(json);
  std::string text = fmt::format("{} of {}\n", to_text(json["id"]), json["file"].get<std::string>());
  for (const Json& step : json["steps"]) text += told(step);
  const std::string end = json["kept"].is_null()
                              ? "kept, unless it is a duplicate or falls into pieces: each has an end of its own; "
                                "run the pipeline, or name a run's folder"
                          : json["kept"].get<bool>() ? "kept"
                                                     : "dropped";
  return write_output(text + end + "\n");
}

}  // namespace

void register_curate_survey(Commands& commands, CLI::App& curate) {
  auto counted = std::make_shared<CurateOptions>();
  CLI::App* stats_command = commands.add_to(curate, "stats", "how many documents, how long, in which languages",
                                            [counted] { return stats(*counted); });
  counted->add_to(*stats_command);
  stats_command->get_option("--output")->required(false)->group("");

  auto chosen = std::make_shared<SampleCommand>();
  CLI::App* sample_command = commands.add_to(curate, "sample", "some documents, the same ones each time",
                                             [chosen] { return sample(*chosen); });
  sample_command->add_option("--count", chosen->settings.count, "documents")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  sample_command->add_option("--seed", chosen->settings.seed, "another one chooses others")->capture_default_str();
  chosen->common.add_to(*sample_command);

  auto asked = std::make_shared<ExplainCommand>();
  CLI::App* command = commands.add_to(curate, "explain", "what a pipeline does with one document, step by step",
                                      [asked] { return explain(*asked); });
  command->add_option("PIPELINE", asked->pipeline, "YAML, as for `run`")->required();
  command->add_option("--id", asked->id, "the document's id")->required();
  command->add_option("--input", asked->inputs, "files, folders or patterns, in place of the pipeline's")
      ->allow_extra_args(false);
  command->add_flag("--include-text", asked->include_text, kIncludeTextHelp);
  command->add_option("--output", asked->output, "folder of a finished run, which knows the duplicates");
  command->add_option("--threads", asked->threads, "threads; 0: one a physical core")->capture_default_str();
  command->add_flag("--json", asked->json, "one JSON document");
}

}  // namespace kedge::cli
