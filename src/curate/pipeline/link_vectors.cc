// Embeddings of all shards are compared; each shard gets its list of what goes.
#include <fmt/format.h>

#include "curate/dedup/semantic.h"
#include "curate/pipeline/link.h"
#include "data/json_text.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

/// {"record":NUMBER,"of":ID,"cosine":NUMBER} for each document of a shard that goes: `of` is the nearest of those that
/// come before it in the order of what to keep.
Status write_removals(const std::filesystem::path& path, const MappedVectors::Shard& shard,
                      const SemanticMatches& matches, const Ids& ids) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path));
  KEDGE_ASSIGN(data::LineFile gone, data::LineFile::create(removed_ids_of(path)));
  for (uint32_t i = 0; i < shard.count; ++i) {
    const auto& match = matches[shard.first + i];
    if (!match) continue;
    std::string cosine;
    data::append_json_number(cosine, match->cosine);
    KEDGE_TRY(file.write(fmt::format("{{\"record\":{},\"of\":{},\"cosine\":{}}}\n", i + 1, ids.at(match->of), cosine)));
    KEDGE_TRY(gone.write(ids.at(shard.first + i) + "\n"));
  }
  KEDGE_TRY(gone.commit());
  return file.commit();
}

}  // namespace

Result<Json> link_vectors(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                          const std::stop_token& stop) {
  KEDGE_ASSIGN(const auto vectors, MappedVectors::open(job.outputs));
  if (vectors->count() > 0 && vectors->dimensions() == 0) {
    return Error{ErrorKind::invalid_input,
                 options.embeddings.model.empty()
                     ? fmt::format("dedup semantic: no document has an embedding in '{}', expected a list of numbers "
                                   "(a step `embed` before this one, or `model`, makes them)",
                                   options.embeddings.field)
                     : fmt::format("dedup semantic: '{}' gave no document an embedding", options.embeddings.model)};
  }
  KEDGE_ASSIGN(const SemanticMatches matches, find_semantic_duplicates(*vectors, options.semantic, pool, stop));
  const std::vector<uint32_t> kept = kept_of(matches);
  std::vector<Repeat> repeats;
  std::vector<bool> wanted(matches.size());
  for (uint32_t i = 0; i < matches.size(); ++i) {
    if (kept[i] == i) continue;
    repeats.push_back({i, kept[i]});
    wanted[i] = wanted[kept[i]] = true;
  }
  KEDGE_ASSIGN(const Ids ids, vectors->ids_of(wanted));
  const Clusters clusters(repeats, vectors->count());
  KEDGE_TRY(write_clusters(job.clusters, clusters, ids, pool));
  for (size_t i = 0; i < job.duplicates.size(); ++i) {
    KEDGE_TRY(write_removals(job.duplicates[i], vectors->shards()[i], matches, ids));
  }
  return summary_of(clusters, vectors->count());
}

}  // namespace kedge::curate
