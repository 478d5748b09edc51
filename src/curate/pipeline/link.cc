#include "curate/pipeline/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "curate/dedup/index.h"
#include "curate/dedup/repeats.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

/// {"record":NUMBER,"of":ID} for each duplicate of a shard; record numbers count from 1.
Status write_duplicates(const std::filesystem::path& path, const ShardKeys& shard, UnionFind& sets, const Ids& ids) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path));
  for (uint32_t i = 0; i < shard.count; ++i) {
    const uint32_t first = sets.find(shard.first + i);
    if (first == shard.first + i) continue;
    KEDGE_TRY(file.write(fmt::format("{{\"record\":{},\"of\":{}}}\n", i + 1, ids.at(first))));
  }
  return file.commit();
}

/// The next line of `text`, taken off it.
std::string_view next_line(std::string_view& text) {
  const size_t newline = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, newline);
  text.remove_prefix(std::min(newline + 1, text.size()));
  return line;
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

std::optional<Removal> read_removal(const Json& entry) {
  if (!entry.is_object() || !entry.contains("record") || !entry["record"].is_number_unsigned()) return std::nullopt;
  Removal removal;
  if (entry.contains("of")) {
    removal.of = to_text(entry["of"]);
    return removal;
  }
  const char* const what = entry.contains("split") ? "split" : "cut";
  if (!entry.contains(what) || !entry[what].is_array() || entry[what].empty()) return std::nullopt;
  std::vector<ByteSpan>& spans = entry.contains("split") ? removal.pieces : removal.cuts;
  for (const Json& span : entry[what]) {
    if (!span.is_array() || span.size() != 2) return std::nullopt;
    for (const Json& end : span) {
      if (!end.is_number_unsigned() || end.get<uint64_t>() > UINT32_MAX) return std::nullopt;
    }
    spans.push_back({span[0].get<uint32_t>(), span[1].get<uint32_t>()});
  }
  return removal;
}

Json summary_of(const Clusters& clusters, uint32_t documents) {
  std::map<size_t, uint64_t> sizes;
  uint64_t duplicates = 0;
  for (size_t i = 0; i < clusters.size(); ++i) {
    ++sizes[clusters[i].size()];
    duplicates += clusters[i].size() - 1;
  }
  Json by_size = Json::object();
  for (const auto& [size, count] : sizes) by_size[std::to_string(size)] = count;
  return {{"documents", documents}, {"clusters", clusters.size()}, {"duplicates", duplicates}, {"sizes", by_size}};
}

Result<Json> link_shards(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                         const std::stop_token& stop) {
  if (options.method == DedupMethod::semantic) return link_vectors(job, options, pool, stop);
  if (cuts_texts(options.method)) return cut_shards(job, options, pool, stop);
  KEDGE_ASSIGN(KeyLinks links, link_key_files(job.outputs, options, {job.spill, job.identity}, stop));
  const uint32_t documents = links.keys->documents();
  const Clusters clusters(repeats_of(links.sets, documents, links.first_new), documents);
  KEDGE_ASSIGN(const Ids ids, links.keys->ids_of(clusters));
  KEDGE_TRY(write_clusters(job.clusters, clusters, ids, pool));
  const auto shards = std::span(links.keys->shards()).last(job.outputs.size());
  for (size_t i = 0; i < job.duplicates.size(); ++i) {
    KEDGE_TRY(write_duplicates(job.duplicates[i], shards[i], links.sets, ids));
  }
  Json summary = summary_of(clusters, documents - links.first_new);
  if (links.first_new > 0) summary["earlier_documents"] = links.first_new;
  return summary;
}

Result<Duplicates> read_duplicates(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  Duplicates duplicates;
  for (std::string_view text = text_of(*file); !text.empty();) {
    KEDGE_ASSIGN(const Json entry, parse_json(next_line(text), path.string()));
    std::optional<Removal> removal = read_removal(entry);
    if (!removal) return Error{ErrorKind::corrupt_data, path.string() + ": not a list of duplicates"};
    duplicates.emplace(entry["record"].get<uint64_t>(), std::move(*removal));
  }
  return duplicates;
}

std::filesystem::path removed_ids_of(const std::filesystem::path& duplicates) {
  std::filesystem::path path = duplicates;
  return path.replace_extension(".ids");
}

Result<std::optional<Json>> find_duplicate(const std::filesystem::path& path, const std::string& id_json) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  KEDGE_ASSIGN(const auto ids_file, MappedFile::open(removed_ids_of(path)));
  std::string_view text = text_of(*file);
  for (std::string_view ids = text_of(*ids_file); !ids.empty();) {
    const std::string_view line = next_line(text);
    if (next_line(ids) != id_json) continue;
    KEDGE_ASSIGN(Json entry, parse_json(line, path.string()));
    if (!read_removal(entry)) return Error{ErrorKind::corrupt_data, path.string() + ": not a list of duplicates"};
    return std::optional(std::move(entry));
  }
  return std::optional<Json>();
}

}  // namespace kedge::curate
