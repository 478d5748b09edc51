#pragma once
// Documents whose embeddings point the same way (SemDeDup, Abbas et al. 2023).

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/thread_pool.h"
#include "curate/annotate.h"
#include "curate/dedup/semantic_options.h"
#include "curate/dedup/vectors.h"
#include "kedge/result.h"

namespace kedge::curate {

struct SemanticMatch {
  uint32_t of = 0;  // the nearest of those before it; it may have gone for another
  float cosine = 0;
};
using SemanticMatches = std::vector<std::optional<SemanticMatch>>;

/// For each embedding what it is removed for; one of zeros stays and removes none. k-means from `clusters` vectors
/// chosen with the seed; then all pairs within a cluster, in the order of what to keep: a document goes when an earlier
/// one is near. Memory: 24 bytes a document, the middles (12 bytes a number) and options.memory_bytes of embeddings.
/// The same whatever the threads, the memory and where the embeddings lie. Fails with cancelled.
Result<SemanticMatches> find_semantic_duplicates(const VectorStore& vectors, const SemanticOptions& options,
                                                 WorkerPool& pool, const std::stop_token& stop);

/// The same of rows of `dimensions` floats, made unit length here. Fails with invalid_input (a vector of length 0 or
/// not finite) too.
Result<SemanticMatches> find_semantic_duplicates(std::vector<float>& vectors, size_t dimensions,
                                                 const SemanticOptions& options, WorkerPool& pool,
                                                 const std::stop_token& stop);

/// The document that stays in place of each: itself, or the last of the chain of its matches.
std::vector<uint32_t> kept_of(const SemanticMatches& matches);

/// Writes one line a document: {"id","keep","of","cosine"}, the last two null where it is kept. With `on_disk`
/// embeddings lie in files beside the output. Fails with invalid_input (no vector there, of another length) or what the
/// model returns too.
Result<Counts> deduplicate_by_vectors(const Job& job, const VectorSource& source, const SemanticOptions& options,
                                      bool on_disk, WorkerPool& pool, const Events& events,
                                      const std::stop_token& stop);

}  // namespace kedge::curate
