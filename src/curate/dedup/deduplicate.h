#pragma once
// Finds documents that say the same, exactly or nearly.

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "curate/annotate.h"
#include "curate/dedup/semantic_options.h"

namespace kedge::curate {

struct TaskRemoval;

/// exact and fuzzy make clusters of documents; semantic compares embeddings (semantic.h); the others take
/// parts out of texts (repeats.h). tasks is no deduplication but the step `decontaminate` where it takes evaluation
/// items out: that too must see all documents before it can say what goes.
enum class DedupMethod : uint8_t { exact, fuzzy, sentence, paragraph, substring, bloom, semantic, tasks };
inline constexpr std::array kDedupMethods = {
    std::pair<std::string_view, DedupMethod>{"exact", DedupMethod::exact},
    std::pair<std::string_view, DedupMethod>{"fuzzy", DedupMethod::fuzzy},
    std::pair<std::string_view, DedupMethod>{"sentence", DedupMethod::sentence},
    std::pair<std::string_view, DedupMethod>{"paragraph", DedupMethod::paragraph},
    std::pair<std::string_view, DedupMethod>{"substring", DedupMethod::substring},
    std::pair<std::string_view, DedupMethod>{"bloom", DedupMethod::bloom},
    std::pair<std::string_view, DedupMethod>{"semantic", DedupMethod::semantic}};
/// What exact compares: bytes, comparable_text or the document's address (comparable_url; without one: no partner).
enum class Normalization : uint8_t { none, text, url };
/// datatrove: 14 bands of 8 over words; nemo: 20 of 13 over characters; kedge: 20 of 5 over words, to be verified.
enum class FuzzyParameters : uint8_t { kedge, datatrove, nemo };

/// What a Bloom filter is over: runs of words of a text, the whole text, or its paragraphs.
enum class BloomBy : uint8_t { words, document, paragraph };

struct BloomOptions {
  BloomBy by = BloomBy::words;
  size_t words = 13;                  // in a run
  double share = 0.8;                 // words: a document goes when more of its runs are known
  uint64_t expected = 0;              // entries; 0: counted first
  double false_positive_rate = 1e-5;  // when there are as many as expected
  std::filesystem::path load, save;   // empty: none
  bool read_only = false;             // nothing is added: what earlier runs saw goes, what is new stays
};

inline constexpr int64_t kSubstringBytesMin = 20, kSubstringBytesMax = 1 << 20;

struct DedupOptions {
  DedupMethod method = DedupMethod::exact;
  Normalization normalization = Normalization::none;
  FuzzyParameters parameters = FuzzyParameters::kedge;
  bool verify = false;       // link candidates only by the Jaccard similarity of their word shingles
  double jaccard_min = 0.7;  // from which on
  size_t length = 100;       // substring: bytes
  size_t sentences = 3;      // sentence: in a run
  std::optional<size_t> words_min,
      sentences_min;  // what a text that was cut must have left; sentence: 50 and 3, else 1
  BloomOptions bloom;
  std::shared_ptr<const TaskRemoval> tasks;  // decontaminate/task_finder.h
  SemanticOptions semantic;
  SemanticSource embeddings;    // semantic, in pipelines
  std::filesystem::path index;  // a folder with what earlier runs saw, to which this one's is added; unless semantic,
                                // substring or bloom
  bool only_in_index = true;    // sentence, paragraph: what repeats within this run alone stays, where earlier ones are
  bool on_disk = false;         // deduplicate: keys are kept in files beside the output
  uint64_t memory_bytes = uint64_t{1} << 30;  // of records held before they are spilled
};

/// Writes one line a cluster of two or more documents: `{"keep":ID,"ids":[ID,...]}`, in input order. Keys of all
/// documents are held in memory: the id and 16 bytes each, exact up to 42 more, else 8 bytes a band and 24 (with
/// `verify` 8 bytes a word too). With `on_disk` or an index they lie in files instead, with the same clusters; of
/// earlier runs' documents only the first of a cluster is named.
Result<Counts> deduplicate(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop);

}  // namespace kedge::curate
