// kedge curate run, kedge curate ops: pipelines.

#include <fmt/format.h>

#include <charconv>

#include "cli/curate_commands.h"
#include "cli/interrupt.h"
#include "cli/progress_line.h"
#include "cli/standard_io.h"
#include "core/printable.h"
#include "curate/pipeline/estimate.h"
#include "curate/pipeline/run.h"

namespace kedge::cli {
namespace {

constexpr std::chrono::seconds kLineInterval{10};

struct RunCommand {
  std::string pipeline;
  std::vector<std::string> inputs;
  std::string output;
  std::string shard = "0/1";
  unsigned threads = 0;
  bool include_text = false, dry_run = false, keep_work = false, json = false, quiet = false;
};

/// "2/8": part 2 of 8, counted from 0.
Status read_shard(const std::string& text, curate::RunOptions& options) {
  const size_t slash = text.find('/');
  const auto number = [](std::string_view digits, uint32_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const bool read = slash != std::string::npos && number(std::string_view(text).substr(0, slash), options.part) &&
                    number(std::string_view(text).substr(slash + 1), options.parts);
  if (read && options.part < options.parts) return Done{};
  return Error{ErrorKind::invalid_input, fmt::format("found '{}', expected i/n with 0 <= i < n, as 0/8", text)};
}

std::string progress_text(const curate::RunProgress& at, double seconds) {
  const double left = at.share > 0 ? seconds / at.share * (1 - at.share) : 0;
  return fmt::format("stage {} of {}, shard {} of {}: {} documents, {:.0f}%, {:.0f} s left", at.stage + 1, at.stages,
                     at.shard + 1, at.shards, at.documents, at.share * 100, left);
}

Status tell(const RunCommand& command, const curate::RunOptions& options, const Json& report) {
  if (command.json) return write_json(report);
  if (!report["complete"].get<bool>()) {
    return write_output(fmt::format(
        "stage {} of {}: {} shards are left to other processes; run again when they are "
        "done\n",
        report["stage"].get<size_t>() + 1, report["stages"].get<size_t>(), report["open_shards"].get<size_t>()));
  }
  std::string text;
  for (const Json& step : report["steps"]) {
    text +=
        fmt::format("{:<28} {:>10} in {:>10} kept {:>10} dropped\n", step["step"].get<std::string>(),
                    step["in"].get<uint64_t>(), step["kept"].get<uint64_t>(), step["dropped_count"].get<uint64_t>());
  }
  const Json& counts = report["counts"];
  text += fmt::format("{} in = {} kept + {} dropped + {} rejected; report: {}\n", counts["in"].get<uint64_t>(),
                      counts["kept"].get<uint64_t>(), counts["dropped"].get<uint64_t>(),
                      counts["rejected"].get<uint64_t>(), (options.output / "report.html").string());
  return write_output(text);
}

Status tell_estimate(const RunCommand& command, const curate::Estimate& estimate) {
  if (command.json) return write_json(estimate.to_json());
  return write_output(estimate.to_text());
}

Status run(const RunCommand& command) {
  KEDGE_ASSIGN(const curate::Pipeline pipeline, curate::read_pipeline(command.pipeline));
  curate::RunOptions options;
  KEDGE_TRY(read_shard(command.shard, options));
  const bool given = !command.inputs.empty();
  options.output = command.output.empty() && !pipeline.output.empty() ? pipeline.folder / pipeline.output
                                                                      : std::filesystem::path(command.output);
  options.choice.include_text = command.include_text || pipeline.include_text;
  options.choice.output = options.output;
  KEDGE_ASSIGN(options.inputs, expand_and_tell(given ? command.inputs : pipeline.inputs,
                                               given ? std::filesystem::path() : pipeline.folder, options.choice));
  if (options.inputs.empty()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("no input: `input` in {} or --input names files, folders or patterns", command.pipeline)};
  }
  options.keep_work = command.keep_work;
  WorkerPool pool(command.threads);
  const InterruptStop interrupt;
  if (command.dry_run) {
    KEDGE_ASSIGN(const auto estimate, curate::estimate_run(pipeline, options.inputs, pool, interrupt.token()));
    return tell_estimate(command, estimate);
  }
  if (options.output.empty()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("no output: `output` in {} or --output names a folder", command.pipeline)};
  }
  ProgressLine line(kLineInterval);
  const auto begin = std::chrono::steady_clock::now();
  curate::RunEvents events;
  events.on_reject = [&](const data::Reject& reject) {
    line.close();
    say("kedge: rejected " + one_line(reject.where + ": " + reject.reason));
  };
  if (!command.quiet) {
    events.on_progress = [&](const curate::RunProgress& at) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      line.show(progress_text(at, seconds.count()));
    };
  }
  const Result<Json> report = curate::run_pipeline(pipeline, options, pool, events, interrupt.token());
  line.close();
  if (!report.ok()) return report.error();
  return tell(command, options, report.value());
}

Status list_operators(bool json) {
  std::string text;
  for (const curate::OperatorInfo& info : curate::operators()) {
    text += fmt::format("{}\n  {}\n  reference: {}\n", info.name, info.summary, info.reference);
    for (const auto& option : info.options) {
      text += fmt::format("  {} ({}): {}\n", option.name, option.fallback.empty() ? "none" : option.fallback,
                          option.meaning);
    }
  }
  return json ? write_json(curate::describe_operators()) : write_output(text);
}

}  // namespace

void register_curate_run(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<RunCommand>();
  CLI::App* command = commands.add_to(curate, "run", "documents through a pipeline of operators, shard by shard",
                                      [options] { return run(*options); });
  command
      ->add_option("PIPELINE", options->pipeline, "YAML: kedge's own, NeMo Curator's filters, or a data-juicer recipe")
      ->required();
  command->add_option("--input", options->inputs, "files, folders or patterns, in place of the pipeline's")
      ->allow_extra_args(false);
  command->add_flag("--include-text", options->include_text, kIncludeTextHelp);
  command->add_option("--output", options->output, "folder, in place of the pipeline's");
  command->add_option("--shard", options->shard, "i/n: of the input files those whose number % n is i")
      ->capture_default_str()
      ->check([](const std::string& text) {
        curate::RunOptions unused;
        const Status read = read_shard(text, unused);
        return read.ok() ? std::string() : read.error().message;
      });
  command->add_option("--threads", options->threads, "threads; 0: one a physical core")->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "check everything and say what the run will need");
  command->add_flag("--keep-work", options->keep_work, "leave documents and keys between stages in the folder");
  command->add_flag("--json", options->json, "the report as one JSON document");
  command->add_flag("--quiet", options->quiet, "no progress");

  auto json = std::make_shared<bool>(false);
  CLI::App* ops = commands.add_to(curate, "ops", "the operators of pipelines, with their settings",
                                  [json] { return list_operators(*json); });
  ops->add_flag("--json", *json, "as one JSON document");
}

}  // namespace kedge::cli
