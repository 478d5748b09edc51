#pragma once
// Finds documents that say the same, exactly or nearly.

#include "curate/annotate.h"

namespace kedge::curate {

enum class DedupMethod : uint8_t { exact, fuzzy };
/// What exact compares: bytes, comparable_text or the document's address (comparable_url; without one: no partner).
enum class Normalization : uint8_t { none, text, url };
/// datatrove: 14 bands of 8 over words; nemo: 20 of 13 over characters; kedge: 20 of 5 over words, to be verified.
enum class FuzzyParameters : uint8_t { kedge, datatrove, nemo };

struct DedupOptions {
  DedupMethod method = DedupMethod::exact;
  Normalization normalization = Normalization::none;
  FuzzyParameters parameters = FuzzyParameters::kedge;
  bool verify = false;       // link candidates only by the Jaccard similarity of their word shingles
  double jaccard_min = 0.7;  // from which on
};

/// Writes one line a cluster of two or more documents: `{"keep":ID,"ids":[ID,...]}`, in input order. Keys of all
/// documents are held in memory: 16 bytes and the id each, 8 bytes a band; with `verify` 8 bytes a word too.
Result<Counts> deduplicate(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop);

}  // namespace kedge::curate
