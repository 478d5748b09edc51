// kedge curate blend, kedge curate shuffle.

#include <fmt/format.h>

#include "cli/curate_commands.h"
#include "cli/standard_io.h"
#include "curate/mix.h"
#include "curate/pipeline/run.h"

namespace kedge::cli {
namespace {

struct MixCommand {
  CurateOptions common;
  curate::MixOutput output;
  std::vector<double> weights;
  uint64_t documents = 0;
  curate::ShuffleOptions shuffle;
  uint64_t memory_bytes = uint64_t{512} << 20;
};

Result<std::vector<curate::BlendSource>> sources_of(const MixCommand& command) {
  if (command.weights.size() != command.common.inputs.size()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("found {} of --input and {} of --weight, expected a weight for each",
                             command.common.inputs.size(), command.weights.size())};
  }
  std::vector<curate::BlendSource> sources;
  for (size_t i = 0; i < command.weights.size(); ++i) {
    curate::InputChoice choice;
    choice.include_text = command.common.include_text;
    KEDGE_ASSIGN(auto inputs, expand_and_tell({command.common.inputs[i]}, {}, choice));
    sources.push_back({std::move(inputs), command.weights[i]});
  }
  return sources;
}

Status blend(const MixCommand& command) {
  KEDGE_ASSIGN(const auto sources, sources_of(command));
  const curate::MixOutput output{command.common.output, command.output.shard_bytes};
  curate::Job job;
  job.fields = command.common.fields;
  job.fields.others = true;
  CurateConsole console;
  curate::Events events;
  console.attach(command.common, events);
  WorkerPool pool(command.common.threads);
  const InterruptStop interrupt;
  const auto counts = curate::blend(sources, command.documents, job, output, pool, events, interrupt.token());
  console.close();
  if (!counts.ok()) return counts.error();
  Json all = Json::array();
  std::string text;
  uint64_t out = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto& [wanted, available, rejected] = counts.value()[i];
    const std::string& input = command.common.inputs[i];
    out += wanted;
    all.push_back({{"input", input}, {"out", wanted}, {"available", available}, {"rejected", rejected}});
    text += fmt::format("{}: {} documents out of {}{}, {} rejected\n", input, wanted, available,
                        wanted > available ? ", repeated" : "", rejected);
  }
  return command.common.json ? write_json({{"out", out}, {"sources", all}}) : write_output(text);
}

Status shuffle(MixCommand& command) {
  command.common.fields.others = true;
  command.shuffle.memory_bytes = command.memory_bytes;
  return run_curate(command.common, [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                                        const std::stop_token& stop) {
    return curate::shuffle(job, command.shuffle, {job.output, command.output.shard_bytes}, pool, events, stop);
  });
}

void add_output(CLI::App& command, MixCommand& options) {
  options.common.add_to(command);
  command.get_option("--output")->description("file to write, as its name says: .jsonl, .gz, .zst or .parquet");
  command
      .add_option("--output-shard-bytes", options.output.shard_bytes,
                  "several files NAME-00000.jsonl, ... of about that many bytes of lines, as 1gb; 0: one")
      ->transform(CLI::AsSizeValue(false));
}

}  // namespace

void register_curate_mix(Commands& commands, CLI::App& curate) {
  auto mixed = std::make_shared<MixCommand>();
  CLI::App* command = commands.add_to(curate, "blend", "documents of several sources in given shares",
                                      [mixed] { return blend(*mixed); });
  add_output(*command, *mixed);
  command->get_option("--input")->description("a source: a file, folder or pattern; once for each");
  command->add_option("--weight", mixed->weights, "its weight, in the same order; shares are weights over their sum")
      ->required()
      ->allow_extra_args(false)
      ->check(CLI::NonNegativeNumber);
  command->add_option("--documents", mixed->documents, "documents of all sources together")
      ->required()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 50));

  auto shuffled = std::make_shared<MixCommand>();
  command = commands.add_to(curate, "shuffle", "all documents in another order, the same one for the same seed",
                            [shuffled] { return shuffle(*shuffled); });
  add_output(*command, *shuffled);
  command->add_option("--seed", shuffled->shuffle.seed, "another one gives another order")->capture_default_str();
  command
      ->add_option("--max-memory", shuffled->memory_bytes,
                   "of documents held at once, as 2gb; more lie beside the output")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("512mb");
}

}  // namespace kedge::cli
