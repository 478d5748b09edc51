#include "curate/dedup/deduplicate.h"

#include <functional>

#include "curate/dedup/index.h"
#include "curate/dedup/keys.h"
#include "curate/dedup/links.h"
#include "curate/dedup/memory_keys.h"
#include "curate/dedup/work_folder.h"

namespace kedge::curate {
namespace {

using TakeKeys = std::function<Status(DocumentKeys keys, std::string_view id)>;

Result<Counts> visit_keys(const Job& job, const KeyMaker& maker, const TakeKeys& take, WorkerPool& pool,
                          const Events& events, const std::stop_token& stop) {
  Visitor<DocumentKeys> visitor;
  visitor.takes_text = false;
  visitor.work = [&](const data::Document& document, DocumentKeys& keys) { keys = maker.keys_of(document); };
  visitor.take = [&](DocumentKeys& keys, data::Document& document) { return take(std::move(keys), document.id_json); };
  return visit(job, visitor, pool, events, stop);
}

Result<Counts> deduplicate_on_disk(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                                   const std::stop_token& stop) {
  const WorkFolder folder(job.output.string() + ".tmp-keys");
  const std::filesystem::path shard = folder.path() / "shard-00000.jsonl";
  KEDGE_ASSIGN(KeyWriter writer, KeyWriter::create(shard));
  const KeyMaker maker(options);
  const TakeKeys take = [&](const DocumentKeys& keys, std::string_view id) { return writer.add(keys, id); };
  KEDGE_ASSIGN(const Counts counts, visit_keys(job, maker, take, pool, events, stop));
  KEDGE_TRY(writer.commit());
  KEDGE_ASSIGN(KeyLinks links, link_key_files({shard}, options, {folder.path(), identity_of(job)}, stop));
  const uint32_t documents = links.keys->documents();
  const Clusters clusters(repeats_of(links.sets, documents, links.first_new), documents);
  KEDGE_ASSIGN(const Ids ids, links.keys->ids_of(clusters));
  KEDGE_TRY(write_clusters(job.output, clusters, ids, pool));
  return counts;
}

}  // namespace

Result<Counts> deduplicate(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop) {
  if (options.on_disk || !options.index.empty()) return deduplicate_on_disk(job, options, pool, events, stop);
  const KeyMaker maker(options);
  MemoryKeys collected(maker.bands());
  const TakeKeys take = [&](DocumentKeys keys, std::string_view id) { return collected.add(std::move(keys), id); };
  KEDGE_ASSIGN(const Counts counts, visit_keys(job, maker, take, pool, events, stop));
  KEDGE_ASSIGN(const std::vector<Repeat> repeats, collected.link(options, stop));
  const Clusters clusters(repeats, collected.documents());
  KEDGE_TRY(write_clusters(job.output, clusters, [&](uint32_t document) { return collected.id(document); }, pool));
  return counts;
}

}  // namespace kedge::curate
