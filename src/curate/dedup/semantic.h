#pragma once
// Documents whose embeddings point the same way (SemDeDup, Abbas et al. 2023).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "curate/annotate.h"
#include "curate/text_model.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Which of two near ones stays: the farther from the middle of its cluster, the nearer, or either by chance.
enum class SemanticKeep : uint8_t { hard, easy, random };

/// NeMo Curator's defaults.
struct SemanticOptions {
  size_t clusters = 100;
  size_t iterations_max = 300;  // of k-means; it ends before when nothing moves
  double eps = 0.01;            // removed from a cosine of 1 - eps on
  SemanticKeep keep = SemanticKeep::hard;
  uint64_t seed = 42;
};

struct SemanticMatch {
  uint32_t of = 0;  // the nearest of those before it; it may have gone for another
  float cosine = 0;
};

/// For each of the vectors (rows of `dimensions` floats, made unit length here) what it is removed for. k-means by
/// cosine from `clusters` vectors chosen with the seed; then all pairs within a cluster, in the order of what to keep:
/// a document goes when an earlier one is near. Memory: the vectors, and 12 bytes for each. The same whatever the
/// threads. Fails with invalid_input (a vector of length 0 or not finite) or cancelled.
Result<std::vector<std::optional<SemanticMatch>>> find_semantic_duplicates(std::vector<float>& vectors,
                                                                           size_t dimensions,
                                                                           const SemanticOptions& options,
                                                                           WorkerPool& pool,
                                                                           const std::stop_token& stop);

/// Where embeddings come from: a member of each line of JSON (numbers), or, where it is not null, a model.
struct VectorSource {
  std::string field = "embedding";
  std::shared_ptr<const TextModel> model;
};

/// Writes one line a document: {"id","keep","of","cosine"}, the last two null where it is kept. Fails with
/// invalid_input (no vector there, of another length) or what the model returns too.
Result<Counts> deduplicate_by_vectors(const Job& job, const VectorSource& source, const SemanticOptions& options,
                                      WorkerPool& pool, const Events& events, const std::stop_token& stop);

}  // namespace kedge::curate
