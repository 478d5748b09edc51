#pragma once
// What a deduplication will need, from the documents of a sample.

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "core/thread_pool.h"
#include "curate/dedup/deduplicate.h"
#include "data/record.h"

namespace kedge::curate {

/// Documents that a stage wrote.
struct SampledStage {
  std::filesystem::path output;  // lines of JSON; embeddings beside it, where the deduplication is semantic
  data::Fields fields;
  double documents = 0;  // in all, estimated
  double words = 0;      // likewise
  double factor = 1;     // of the sample's numbers, to those of all
};

struct DedupNeed {
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;  // keys or embeddings, and records that are spilled
};

/// Keys and links: what link_documents takes, or options.memory_bytes and 24 bytes a record on disk. Methods that cut:
/// records of 24 bytes for what `RepeatFinder::look` marks, held up to options.memory_bytes and spilled beyond, and 12
/// bytes a cut (16 while they are sorted). An index: what it holds is linked or sorted too, and what it gets lies on
/// disk. Bloom: the filter. Semantic: as find_semantic_duplicates. Repeats across the sample's border are not seen.
/// Fails as `visit` and the methods do.
Result<DedupNeed> estimate_dedup(const SampledStage& sampled, const DedupOptions& options, WorkerPool& pool,
                                 const std::stop_token& stop);

}  // namespace kedge::curate
