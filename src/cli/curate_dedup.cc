// kedge curate dedup: which documents say the same.

#include "cli/curate_commands.h"
#include "curate/dedup/cut.h"
#include "curate/dedup/deduplicate.h"
#include "curate/dedup/repeats.h"
#include "curate/dedup/semantic.h"

namespace kedge::cli {
namespace {

struct DedupCommand {
  CurateOptions common;
  curate::DedupOptions settings;
  curate::VectorSource vectors;
  std::string embedding_model;
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
}

void add_index(CLI::App& command, curate::DedupOptions& settings) {
  command.add_option("--index", settings.index,
                     "exact, fuzzy, sentence, paragraph: folder with what earlier runs saw; this one's is added");
  command
      .add_option("--only-dedup-in-index", settings.only_in_index,
                  "sentence, paragraph: with earlier runs in the index, what repeats within this one alone stays")
      ->capture_default_str();
}

void add_bloom(CLI::App& command, curate::BloomOptions& bloom) {
  const std::map<std::string, curate::BloomBy> kinds = {{"words", curate::BloomBy::words},
                                                        {"document", curate::BloomBy::document},
                                                        {"paragraph", curate::BloomBy::paragraph}};
  command.add_option("--by", bloom.by, "bloom: words (runs of 13), document or paragraph")
      ->transform(CLI::CheckedTransformer(kinds));
  command.add_option("--share", bloom.share, "bloom by words: drop a text of whose runs more are known")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--expected", bloom.expected, "bloom: entries; 0: counted first")->capture_default_str();
  command.add_option("--false-positives", bloom.false_positive_rate, "bloom: share of new entries taken for known")
      ->check(CLI::Range(1e-12, 0.5))
      ->capture_default_str();
  command.add_option("--load", bloom.load, "bloom: a filter's file to begin with");
  command.add_option("--save", bloom.save, "bloom: where to keep the filter");
  command.add_flag("--read-only", bloom.read_only, "bloom: nothing is added to the filter");
}

void add_semantic(CLI::App& command, DedupCommand& options) {
  curate::SemanticOptions& semantic = options.settings.semantic;
  const std::map<std::string, curate::SemanticMetric> metrics = {{"cosine", curate::SemanticMetric::cosine},
                                                                 {"l2", curate::SemanticMetric::l2}};
  const std::map<std::string, curate::SemanticKeep> keeps = {{"hard", curate::SemanticKeep::hard},
                                                             {"easy", curate::SemanticKeep::easy},
                                                             {"random", curate::SemanticKeep::random}};
  command.add_option("--vector-field", options.vectors.field, "semantic: member with the embedding, a list of numbers")
      ->capture_default_str();
  command.add_option("--model", options.embedding_model, "semantic: an encoder's folder, in place of given embeddings");
  command.add_option("--clusters", semantic.clusters, "semantic: of k-means")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--eps", semantic.eps, "semantic: removed from a cosine of 1 - eps on")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  command
      .add_option("--which-to-keep", semantic.keep, "semantic: hard (far from the cluster's middle), easy or random")
      ->transform(CLI::CheckedTransformer(keeps));
  command.add_option("--metric", semantic.metric, "semantic: of k-means: cosine, or l2 (NeMo Curator's)")
      ->transform(CLI::CheckedTransformer(metrics));
  command.add_option("--seed", semantic.seed, "semantic: another one begins with other clusters")
      ->capture_default_str();
}

}  // namespace

void register_curate_dedup(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<DedupCommand>();
  CLI::App* command = commands.add_to(curate, "dedup", "clusters of documents that are equal or nearly so", [options] {
    return run_curate(
        options->common,
        [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
            const std::stop_token& stop) -> Result<curate::Counts> {
          if (options->settings.method == curate::DedupMethod::semantic) {
            if (!options->embedding_model.empty()) {
              KEDGE_ASSIGN(options->vectors.model, curate::open_text_model(options->embedding_model));
            }
            curate::DedupOptions& settings = options->settings;
            settings.semantic.memory_bytes = settings.memory_bytes;
            return curate::deduplicate_by_vectors(job, options->vectors, settings.semantic, settings.on_disk, pool,
                                                  events, stop);
          }
          const bool cuts = curate::cuts_texts(options->settings.method);
          if (!curate::has_index(options->settings.method) && !options->settings.index.empty()) {
            return Result<curate::Counts>(Error{
                ErrorKind::invalid_input, "--index: only --method exact, fuzzy, sentence and paragraph have one"});
          }
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
      ->add_option(
          "--method", options->settings.method,
          "exact or fuzzy: clusters; sentence, paragraph, substring or bloom: texts without what stood before; "
          "semantic: near embeddings")
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
  add_index(*command, options->settings);
  command
      ->add_option_function<uint64_t>(
          "--max-memory",
          [options](uint64_t bytes) {
            options->settings.memory_bytes = bytes;
            options->settings.on_disk = true;
          },
          "of records held before they are spilled beside the output; exact, fuzzy, semantic: keys lie there too")
      ->transform(CLI::AsSizeValue(false));
  add_cutting(*command, options->settings);
  add_bloom(*command, options->settings.bloom);
  add_semantic(*command, *options);
  options->common.add_to(*command);
}

}  // namespace kedge::cli
