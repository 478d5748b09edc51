// kedge curate apply: what a profile of filters says about each document.

#include "cli/curate_commands.h"
#include "curate/filters/profiles.h"

namespace kedge::cli {
namespace {

struct ApplyOptions {
  CurateOptions common;
  std::string profile;
};

}  // namespace

void register_curate_apply(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App* command = commands.add_to(curate, "apply", "scores and decisions of a profile of filters", [options] {
    const auto op = curate::make_profile(options->profile);
    if (!op.ok()) return Status(op.error());
    return run_operator(options->common, *op.value());
  });
  command->add_option("--profile", options->profile, "nemo, nemo-code, datatrove or dolma")
      ->required()
      ->check(CLI::IsMember({"nemo", "nemo-code", "datatrove", "dolma"}));
  options->common.add_to(*command);
}

}  // namespace kedge::cli
