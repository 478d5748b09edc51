// kedge curate clean: texts repaired.

#include "cli/curate_commands.h"
#include "curate/clean/clean.h"

namespace kedge::cli {
namespace {

struct CleanCommand {
  CurateOptions common;
  std::string ops;
};

Status clean(const CleanCommand& options) {
  KEDGE_ASSIGN(const auto op, curate::make_cleaner(options.ops));
  return run_operator(options.common, *op);
}

}  // namespace

void register_curate_clean(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<CleanCommand>();
  CLI::App* command = commands.add_to(curate, "clean", "repaired texts", [options] { return clean(*options); });
  command->add_option("--ops", options->ops, "names separated by commas, in their order: " + curate::text_op_names())
      ->required();
  options->common.add_to(*command);
}

}  // namespace kedge::cli
