#include "curate/pipeline/dedup_step.h"

#include "curate/dedup/repeats.h"

namespace kedge::curate {
namespace {

constexpr int64_t kMemoryMegabytesMax = int64_t{1} << 24;

void read_bloom(OptionReader& options, BloomOptions& bloom, const std::filesystem::path& folder) {
  const std::string by = options.choice("by", "words", {"words", "document", "paragraph"});
  bloom.by = by == "words" ? BloomBy::words : by == "document" ? BloomBy::document : BloomBy::paragraph;
  bloom.words = static_cast<size_t>(options.whole("words", 13, 1, 1000));
  bloom.share = options.number("share", 0.8, 0, 1);
  bloom.expected = static_cast<uint64_t>(options.whole("expected", 0, 0, INT64_MAX));
  bloom.false_positive_rate = options.number("false_positives", 1e-5, 1e-12, 0.5);
  const std::string load = options.text("load", ""), save = options.text("save", "");
  if (!load.empty()) bloom.load = folder / load;
  if (!save.empty()) bloom.save = folder / save;
  if (!save.empty() && load == save) options.fail("save", save, "another file than `load`: a run may be repeated");
  bloom.read_only = options.flag("read_only", false);
}

void read_cutting(OptionReader& options, DedupOptions& dedup, const std::filesystem::path& folder) {
  dedup.length = static_cast<size_t>(options.whole("length", 100, kSubstringBytesMin, kSubstringBytesMax));
  dedup.sentences = static_cast<size_t>(options.whole("sentences", 3, 1, 100));
  read_bloom(options, dedup.bloom, folder);
  const int64_t words = options.whole("min_words", -1, -1, INT32_MAX);
  const int64_t sentences = options.whole("min_sentences", -1, -1, INT32_MAX);
  if (words >= 0) dedup.words_min = static_cast<size_t>(words);
  if (sentences >= 0) dedup.sentences_min = static_cast<size_t>(sentences);
}

void read_semantic(OptionReader& options, DedupOptions& dedup) {
  SemanticOptions& semantic = dedup.semantic;
  semantic.clusters = static_cast<size_t>(options.whole("n_clusters", 100, 1, 1'000'000));
  semantic.iterations_max = static_cast<size_t>(options.whole("max_iter", 300, 1, 100'000));
  semantic.eps = options.number("eps", 0.01, 0, 2);
  const std::string keep = options.choice("which_to_keep", "hard", {"hard", "easy", "random"});
  semantic.keep = keep == "hard" ? SemanticKeep::hard : keep == "easy" ? SemanticKeep::easy : SemanticKeep::random;
  const std::string metric = options.choice("metric", "cosine", {"cosine", "l2"});
  semantic.metric = metric == "l2" ? SemanticMetric::l2 : SemanticMetric::cosine;
  semantic.seed = static_cast<uint64_t>(options.whole("seed", 42, 0, INT64_MAX));
  dedup.embeddings.field = options.text("vector_field", "embedding");
  dedup.embeddings.model = options.text("model", "");
}

OperatorInfo plain_operator() {
  return {
      "dedup",
      "keeps the first of documents, or of parts of them, that are equal or nearly so, across all inputs",
      "MinHash: Broder 1997; parameters of DataTrove 0.10 and NeMo Curator 1.4; url: RFC 3986, 6.2; "
      "sentence: DataTrove's SentenceDedup; paragraph: CCNet (Wenzek et al. 2020); substring: Lee et al. 2022; "
      "bloom: DataTrove's SingleBloomFilter, Dolma; semantic: SemDeDup (Abbas et al. 2023), NeMo Curator",
      {{"method", "fuzzy",
        "exact, fuzzy, bloom or semantic: documents; sentence, paragraph or substring: what stood before is cut out of "
        "texts"},
       {"normalize", "none",
        "exact: none (bytes), text (normal form, case and white space do not count) or url (of the page)"},
       {"params", "kedge",
        "fuzzy: kedge (words, 20 bands of 5), datatrove (words, 14 of 8) or nemo (24 characters, "
        "20 of 13)"},
       {"verify", "true", "fuzzy: link only candidates whose true similarity is min_jaccard"},
       {"min_jaccard", "0.7", "of sets of runs of five words"},
       {"length", "100", "substring: bytes of UTF-8"},
       {"sentences", "3", "sentence: in a run"},
       {"by", "words", "bloom: words, document or paragraph (cut out of texts)"},
       {"words", "13", "bloom: in a run"},
       {"share", "0.8", "bloom by words: drop a text of whose runs more are known"},
       {"expected", "0", "bloom: entries; 0: counted first"},
       {"false_positives", "0.00001", "bloom: share of new entries taken for known"},
       {"load", "", "bloom: a filter's file to begin with"},
       {"save", "", "bloom: where to keep the filter"},
       {"read_only", "false", "bloom: nothing is added to it"},
       {"min_words", "", "drop a text that was cut and has fewer left; sentence: 50, else 1"},
       {"min_sentences", "", "or fewer of these; sentence: 3, else 0"},
       {"index", "", "exact, fuzzy, sentence, paragraph: a folder with what earlier runs saw; this one's is added"},
       {"only_dedup_in_index", "true", "sentence, paragraph: what repeats within this run alone stays"},
       {"memory_mb", "1024", "of records held before they are spilled"}},
      nullptr};
}

std::vector<OperatorInfo::Option> semantic_options() {
  return {{"n_clusters", "100", "semantic: of k-means"},
          {"max_iter", "300", "semantic: rounds of k-means at most"},
          {"eps", "0.01", "semantic: removed from a cosine of 1 - eps on"},
          {"which_to_keep", "hard", "semantic: hard (far from the cluster's middle), easy or random"},
          {"metric", "cosine", "semantic: of k-means: cosine, or l2"},
          {"seed", "42", "semantic: another one begins with other clusters"},
          {"vector_field", "embedding", "semantic: member with the embedding, as `embed` writes it"},
          {"model", "", "semantic: an encoder's folder, in place of given embeddings"}};
}

}  // namespace

OperatorInfo dedup_operator() {
  OperatorInfo info = plain_operator();
  for (const OperatorInfo::Option& option : semantic_options()) info.options.push_back(option);
  return info;
}

Result<DedupOptions> read_dedup(OptionReader& options, const std::filesystem::path& folder) {
  DedupOptions dedup;
  std::vector<std::string> methods;
  for (const auto& [name, method] : kDedupMethods) methods.emplace_back(name);
  const std::string method = options.choice("method", "fuzzy", methods);
  const std::string form = options.choice("normalize", "none", {"none", "text", "url"});
  const std::string parameters = options.choice("params", "kedge", {"kedge", "datatrove", "nemo"});
  for (const auto& [name, value] : kDedupMethods) {
    if (name == method) dedup.method = value;
  }
  dedup.normalization = form == "text" ? Normalization::text : form == "url" ? Normalization::url : Normalization::none;
  dedup.parameters = parameters == "datatrove" ? FuzzyParameters::datatrove
                     : parameters == "nemo"    ? FuzzyParameters::nemo
                                               : FuzzyParameters::kedge;
  dedup.verify = options.flag("verify", true) && dedup.method == DedupMethod::fuzzy;
  dedup.jaccard_min = options.number("min_jaccard", 0.7, 0, 1);
  read_cutting(options, dedup, folder);
  read_semantic(options, dedup);
  const std::string index = options.text("index", "");
  if (!index.empty()) dedup.index = folder / index;
  dedup.only_in_index = options.flag("only_dedup_in_index", true);
  if (!index.empty() && !has_index(dedup.method)) {
    options.fail("index", index, "none: only exact, fuzzy, sentence and paragraph have one");
  }
  dedup.memory_bytes = static_cast<uint64_t>(options.whole("memory_mb", 1024, 1, kMemoryMegabytesMax)) << 20;
  dedup.semantic.memory_bytes = dedup.memory_bytes;
  KEDGE_TRY(options.finish());
  return dedup;
}

std::string label_of(const DedupOptions& dedup) {
  if (dedup.method == DedupMethod::tasks) return "decontaminate remove";
  for (const auto& [name, value] : kDedupMethods) {
    if (value == dedup.method) return "dedup " + std::string(name);
  }
  return "dedup";
}

}  // namespace kedge::curate
