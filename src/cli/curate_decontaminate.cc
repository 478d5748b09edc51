// kedge curate decontaminate: documents that hold evaluation items.

#include "cli/curate_commands.h"
#include "curate/decontaminate/decontaminate.h"

namespace kedge::cli {
namespace {

struct DecontaminateCommand {
  CurateOptions common;
  std::string against;
  curate::DecontaminationMode mode = curate::DecontaminationMode::ngram;
};

Status decontaminate(const DecontaminateCommand& options) {
  KEDGE_ASSIGN(auto items, curate::read_items(options.against));
  return run_operator(options.common, *curate::make_decontamination(std::move(items), options.mode));
}

}  // namespace

void register_curate_decontaminate(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<DecontaminateCommand>();
  CLI::App* command = commands.add_to(curate, "decontaminate", "documents that hold evaluation items",
                                      [options] { return decontaminate(*options); });
  command->add_option("--against", options->against, "JSON list of {\"task\", \"item\", \"question\", \"answer\"}")
      ->required();
  const std::map<std::string, curate::DecontaminationMode> modes = {{"ngram", curate::DecontaminationMode::ngram},
                                                                    {"fuzzy", curate::DecontaminationMode::fuzzy}};
  command->add_option("--mode", options->mode, "ngram (runs of 8 to 13 words) or fuzzy (changed words too)")
      ->required()
      ->transform(CLI::CheckedTransformer(modes));
  options->common.add_to(*command);
}

}  // namespace kedge::cli
