// kedge curate pii: where personal data stands, and texts without it.

#include "cli/curate_commands.h"
#include "curate/pii/redact.h"

namespace kedge::cli {
namespace {

struct PiiCommand {
  CurateOptions common;
  curate::PiiOptions settings;
  bool detect = false;
};

}  // namespace

void register_curate_pii(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<PiiCommand>();
  CLI::App* command = commands.add_to(
      curate, "pii", "email and IP addresses, phone, card, account and social security numbers",
      [options] { return run_operator(options->common, *curate::make_pii_operator(options->settings)); });
  CLI::Option* detect = command->add_flag("--detect", options->detect, "say where it stands (the default)");
  command
      ->add_flag_callback(
          "--mask", [options] { options->settings.action = curate::PiiAction::mask; },
          "write the text too, [TYPE] in place of each value")
      ->excludes(detect);
  const std::map<std::string, curate::IpChoice> choices = {{"all", curate::IpChoice::all},
                                                           {"public", curate::IpChoice::public_only}};
  command->add_option("--ip", options->settings.ip, "all (the default) or public: which IPv4 addresses count")
      ->transform(CLI::CheckedTransformer(choices));
  options->common.add_to(*command);
}

}  // namespace kedge::cli
