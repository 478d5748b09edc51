// kedge curate dedup: which documents say the same.

#include "cli/curate_commands.h"
#include "curate/dedup/cut.h"
#include "curate/dedup/deduplicate.h"
#include "curate/dedup/repeats.h"

namespace kedge::cli {
namespace {

struct DedupCommand {
  CurateOptions common;
  curate::DedupOptions settings;
};

void add_cutting(CLI::App& command, curate::DedupOptions& settings) {
  command.add_option("--length", settings.length, "substring: least length in bytes")
      ->check(CLI::Range(curate::kSubstringBytesMin, curate::kSubstringBytesMax))
      ->capture_default_str();
  command.add_option("--sentences", settings.sentences, "sentence: how many in a run")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command.add_option("--min-words", settings.words_min, "drop a text that was cut and has fewer left; sentence: 50");
  command.add_option("--min-sentences", settings.sentences_min, "or fewer of these; sentence: 3");
  command
      .add_option("--max-memory", settings.memory_bytes, "of records held before they are spilled beside the output")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
}

}  // namespace

void register_curate_dedup(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<DedupCommand>();
  CLI::App* command = commands.add_to(curate, "dedup", "clusters of documents that are equal or nearly so", [options] {
    return run_curate(options->common, [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                                           const std::stop_token& stop) {
      const bool cuts = curate::cuts_texts(options->settings.method);
      return (cuts ? curate::cut_repeats : curate::deduplicate)(job, options->settings, pool, events, stop);
    });
  });
  std::map<std::string, curate::DedupMethod> methods;
  for (const auto& [name, method] : curate::kDedupMethods) methods.emplace(name, method);
  const std::map<std::string, curate::Normalization> forms = {{"none", curate::Normalization::none},
                                                              {"text", curate::Normalization::text},
                                                              {"url", curate::Normalization::url}};
  const std::map<std::string, curate::FuzzyParameters> parameters = {{"kedge", curate::FuzzyParameters::kedge},
                                                                     {"datatrove", curate::FuzzyParameters::datatrove},
                                                                     {"nemo", curate::FuzzyParameters::nemo}};
  command
      ->add_option("--method", options->settings.method,
                   "exact or fuzzy: clusters; sentence, paragraph or substring: texts without what stood before")
      ->required()
      ->transform(CLI::CheckedTransformer(methods));
  command
      ->add_option("--normalize", options->settings.normalization,
                   "exact: none (bytes), text (normal form, case and white space do not count) or url (addresses)")
      ->transform(CLI::CheckedTransformer(forms));
  command
      ->add_option("--params", options->settings.parameters,
                   "fuzzy: kedge (words, 20 bands of 5), datatrove (words, 14 of 8) or nemo (24 characters, 20 of 13)")
      ->transform(CLI::CheckedTransformer(parameters));
  command->add_flag("--verify", options->settings.verify, "fuzzy: link by the true similarity of the candidates");
  command->add_option("--min-jaccard", options->settings.jaccard_min, "with --verify: similarity from which on to link")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  add_cutting(*command, options->settings);
  options->common.add_to(*command);
}

}  // namespace kedge::cli
