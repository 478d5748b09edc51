// kedge curate pii: where personal data stands, and texts without it.

#include "cli/curate_commands.h"
#include "core/file.h"
#include "curate/pii/redact.h"
#include "curate/pipeline/pii_options.h"
#include "curate/pipeline/yaml.h"

namespace kedge::cli {
namespace {

constexpr size_t kPatternsBytesMax = size_t{1} << 20;

struct PiiCommand {
  CurateOptions common;
  std::string action = "detect", ip = "all", salt, patterns;
  std::vector<std::string> types;
  int64_t seed = 1;
};

Status find_pii(const PiiCommand& command) {
  Json settings = {{"action", command.action}, {"ip", command.ip}, {"salt", command.salt}, {"seed", command.seed}};
  if (!command.types.empty()) settings["types"] = command.types;
  if (!command.patterns.empty()) {
    KEDGE_ASSIGN(const std::string text, read_file(command.patterns, kPatternsBytesMax));
    KEDGE_ASSIGN(settings["patterns"], curate::parse_yaml(text, command.patterns));
  }
  curate::OptionReader reader(settings, "kedge curate pii");
  KEDGE_ASSIGN(const curate::PiiOptions options, curate::read_pii_options(reader));
  return run_operator(command.common, *curate::make_pii_operator(options));
}

void add_options(CLI::App& command, const std::shared_ptr<PiiCommand>& options) {
  CLI::Option* detect = command.add_flag_callback(
      "--detect", [options] { options->action = "detect"; }, "say where it stands (the default)");
  CLI::Option* mask =
      command.add_flag_callback("--mask", [options] { options->action = "mask"; }, "the same as --replace mask");
  command
      .add_option("--replace", options->action,
                  "write the text too, in place of each value: mask: [TYPE]; hash: [TYPE:HASH]; surrogate: another "
                  "value of the kind")
      ->check(CLI::IsMember({"mask", "hash", "surrogate"}))
      ->excludes(detect)
      ->excludes(mask);
  mask->excludes(detect);
  command.add_option("--types", options->types, "which types, separated by commas: EMAIL,PHONE,...,CRYPTO_ADDRESS")
      ->delimiter(',');
  command.add_option("--patterns", options->patterns, "YAML or JSON: a list of {name, regex, check}");
  command.add_option("--salt", options->salt, "hash: the key");
  command.add_option("--seed", options->seed, "surrogate: another one gives others")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--ip", options->ip, "all (the default) or public: which IPv4 addresses count")
      ->check(CLI::IsMember({"all", "public"}));
}

}  // namespace

void register_curate_pii(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<PiiCommand>();
  CLI::App* command =
      commands.add_to(curate, "pii", "email and IP addresses, phone, card, account and social security numbers",
                      [options] { return find_pii(*options); });
  add_options(*command, options);
  options->common.add_to(*command);
}

}  // namespace kedge::cli
