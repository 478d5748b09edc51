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

}  // namespace

OperatorInfo dedup_operator() {
  return {
      "dedup",
      "keeps the first of documents, or of parts of them, that are equal or nearly so, across all inputs",
      "MinHash: Broder 1997; parameters of DataTrove 0.10 and NeMo Curator 1.4; url: RFC 3986, 6.2; "
      "sentence: DataTrove's SentenceDedup; paragraph: CCNet (Wenzek et al. 2020); substring: Lee et al. 2022; "
      "bloom: DataTrove's SingleBloomFilter, Dolma",
      {{"method", "fuzzy",
        "exact, fuzzy or bloom: documents; sentence, paragraph or substring: what stood before is cut out of texts"},
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
       {"index", "", "exact, fuzzy: a folder with the keys of earlier runs; this one's are added"},
       {"memory_mb", "1024", "of records held before they are spilled"}},
      nullptr};
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
  const std::string index = options.text("index", "");
  if (!index.empty()) dedup.index = folder / index;
  if (!index.empty() && cuts_texts(dedup.method)) options.fail("index", index, "none: only exact and fuzzy have one");
  dedup.memory_bytes = static_cast<uint64_t>(options.whole("memory_mb", 1024, 1, kMemoryMegabytesMax)) << 20;
  KEDGE_TRY(options.finish());
  return dedup;
}

std::string label_of(const DedupOptions& dedup) {
  for (const auto& [name, value] : kDedupMethods) {
    if (value == dedup.method) return "dedup " + std::string(name);
  }
  return "dedup";
}

}  // namespace kedge::curate
