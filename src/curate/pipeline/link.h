#pragma once
// Deduplication between two stages: keys of all shards in, a list of duplicates for each shard out.

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "curate/dedup/deduplicate.h"
#include "curate/pipeline/shard.h"
#include "kedge/result.h"

namespace kedge::curate {

struct LinkJob {
  std::vector<std::filesystem::path> outputs;     // of the stage before, shard by shard, their keys beside them
  std::vector<std::filesystem::path> duplicates;  // to be written, likewise
  std::filesystem::path clusters;                 // {"keep":ID,"ids":[ID,...]} a line
  data::Fields fields;                            // of the outputs
  std::string identity;                           // of the run, for its index
  std::filesystem::path spill;                    // a folder for records that memory does not hold
};

/// Keys stay in their files, which are mapped; memory as link_documents. Returns what the report says of it. Fails with
/// corrupt_data (keys that are damaged), cancelled or what writing returns.
Result<Json> link_shards(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                         const std::stop_token& stop);

/// The same for methods that cut texts: the outputs are read once more than the method's passes.
Result<Json> cut_shards(const LinkJob& job, const DedupOptions& options, WorkerPool& pool, const std::stop_token& stop);

/// The same for embeddings, which stay in their files; memory as find_semantic_duplicates. Fails with invalid_input
/// too: no document has an embedding.
Result<Json> link_vectors(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                          const std::stop_token& stop);

/// What a report says of clusters.
Json summary_of(const Clusters& clusters, uint32_t documents);

/// Beside a list of what goes of a shard: the ids of its documents, line by line (methods that cut texts, semantic).
std::filesystem::path removed_ids_of(const std::filesystem::path& duplicates);

/// What link_shards wrote for one shard: a line for each document that goes, {"record":NUMBER,"of":ID}, or of whose
/// text bytes go, {"record":NUMBER,"cut":[[BEGIN,END],...]}, or of whose text pieces stay, "split" for "cut"; numbers
/// of records count from 1 and rise. Fails with not_found or corrupt_data.
Result<Duplicates> read_duplicates(const std::filesystem::path& path);
/// The line of one document, by its id (JSON), where it is in the list. Fails with not_found (no list, or none with
/// ids) or corrupt_data.
Result<std::optional<Json>> find_duplicate(const std::filesystem::path& path, const std::string& id_json);
/// What such a line says; nothing where it is none.
std::optional<Removal> read_removal(const Json& entry);

}  // namespace kedge::curate
