#pragma once
// What near embeddings are looked for with.

#include <cstddef>
#include <cstdint>
#include <string>

namespace kedge::curate {

/// Which of two near ones stays: the farther from the middle of its cluster, the nearer, or either by chance.
enum class SemanticKeep : uint8_t { hard, easy, random };

/// k-means by cosine (middles of unit length), or by Euclidean distance (NeMo Curator's: the plain means). What is near
/// is told by cosine in both.
enum class SemanticMetric : uint8_t { cosine, l2 };

/// NeMo Curator's defaults.
struct SemanticOptions {
  size_t clusters = 100;
  size_t iterations_max = 300;  // of k-means; it ends before when nothing moves
  double eps = 0.01;            // removed from a cosine of 1 - eps on
  SemanticKeep keep = SemanticKeep::hard;
  SemanticMetric metric = SemanticMetric::cosine;
  uint64_t seed = 42;
  uint64_t memory_bytes = uint64_t{1} << 30;  // of embeddings held at once, where they lie in files
};

/// Of pipelines: where a document's embedding comes from, a member of its line, or a model where one is named.
struct SemanticSource {
  std::string field = "embedding";
  std::string model;
};

}  // namespace kedge::curate
