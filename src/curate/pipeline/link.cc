#include "curate/pipeline/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "curate/dedup/links.h"
#include "curate/dedup/repeats.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

std::span<const uint64_t> numbers_in(const MappedFile& file) {
  return {reinterpret_cast<const uint64_t*>(file.bytes().data()), file.bytes().size() / sizeof(uint64_t)};
}

/// One shard's keys, as they lie in their files.
struct ShardKeys {
  std::shared_ptr<const MappedFile> keys, offsets, shingles, ids;
  uint32_t first = 0, count = 0;  // documents

  static Result<ShardKeys> open(const std::filesystem::path& output, size_t words) {
    const KeyFiles files = key_files_of(output);
    ShardKeys shard;
    KEDGE_ASSIGN(shard.keys, MappedFile::open(files.keys));
    KEDGE_ASSIGN(shard.offsets, MappedFile::open(files.offsets));
    KEDGE_ASSIGN(shard.shingles, MappedFile::open(files.shingles));
    KEDGE_ASSIGN(shard.ids, MappedFile::open(files.ids));
    const size_t count = shard.offsets->bytes().size() / sizeof(uint64_t);
    const auto ends = numbers_in(*shard.offsets);
    const bool whole = shard.keys->bytes().size() == count * words * sizeof(uint64_t) &&
                       std::is_sorted(ends.begin(), ends.end()) &&
                       (count == 0 ? 0 : ends.back()) == numbers_in(*shard.shingles).size();
    if (!whole || count > std::numeric_limits<uint32_t>::max()) {
      return Error{
          ErrorKind::corrupt_data,
          fmt::format("{}: keys do not fit together; remove the folder `work` and run again", files.keys.string())};
    }
    shard.count = static_cast<uint32_t>(count);
    return shard;
  }
};

class MappedKeys final : public KeyStore {
 public:
  /// words: 64-bit numbers of a document's keys.
  static Result<std::unique_ptr<MappedKeys>> open(const std::vector<std::filesystem::path>& outputs, size_t words) {
    auto all = std::unique_ptr<MappedKeys>(new MappedKeys(words));
    uint64_t count = 0;
    for (const auto& output : outputs) {
      KEDGE_ASSIGN(ShardKeys shard, ShardKeys::open(output, words));
      shard.first = static_cast<uint32_t>(count);
      count += shard.count;
      if (count > std::numeric_limits<uint32_t>::max()) {
        return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
      }
      all->shards_.push_back(std::move(shard));
    }
    all->count_ = static_cast<uint32_t>(count);
    return all;
  }

  [[nodiscard]] uint32_t documents() const override { return count_; }
  [[nodiscard]] TextHash hash(uint32_t document) const override {
    const auto numbers = keys_of(document);
    return {numbers[0], numbers[1]};
  }
  [[nodiscard]] uint64_t key(uint32_t document, size_t band) const override { return keys_of(document)[band]; }
  [[nodiscard]] std::span<const uint64_t> shingles(uint32_t document) const override {
    const ShardKeys& shard = shard_of(document);
    const auto ends = numbers_in(*shard.offsets);
    const uint32_t local = document - shard.first;
    const uint64_t begin = local == 0 ? 0 : ends[local - 1];
    return numbers_in(*shard.shingles).subspan(begin, ends[local] - begin);
  }
  void let_go() const override {
    for (const ShardKeys& shard : shards_) {
      for (const auto& file : {shard.keys, shard.offsets, shard.shingles}) file->forget(file->bytes());
    }
  }
  [[nodiscard]] const std::vector<ShardKeys>& shards() const { return shards_; }

 private:
  explicit MappedKeys(size_t words) : words_(words) {}

  [[nodiscard]] const ShardKeys& shard_of(uint32_t document) const {
    const auto after = std::upper_bound(shards_.begin(), shards_.end(), document,
                                        [](uint32_t d, const ShardKeys& shard) { return d < shard.first; });
    auto found = std::prev(after);
    while (found->count == 0 || document - found->first >= found->count) --found;  // shards without documents
    return *found;
  }
  [[nodiscard]] std::span<const uint64_t> keys_of(uint32_t document) const {
    const ShardKeys& shard = shard_of(document);
    return numbers_in(*shard.keys).subspan((document - shard.first) * words_, words_);
  }

  size_t words_;
  std::vector<ShardKeys> shards_;
  uint32_t count_ = 0;
};

/// The ids of documents in clusters, read once from front to back.
using Ids = std::unordered_map<uint32_t, std::string>;

Result<Ids> read_ids(const MappedKeys& keys, const std::vector<bool>& wanted) {
  Ids ids;
  for (const ShardKeys& shard : keys.shards()) {
    const auto bytes = shard.ids->bytes();
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (uint32_t i = 0; i < shard.count; ++i) {
      const size_t newline = text.find('\n');
      if (newline == std::string_view::npos) {
        return Error{ErrorKind::corrupt_data, shard.ids->path().string() + ": fewer ids than documents"};
      }
      if (wanted[shard.first + i]) ids.emplace(shard.first + i, text.substr(0, newline));
      text.remove_prefix(newline + 1);
    }
  }
  return ids;
}

/// By the cluster's first document: the others, in order.
using Clusters = std::map<uint32_t, std::vector<uint32_t>>;

Status write_clusters(const std::filesystem::path& path, const Clusters& clusters, const Ids& ids) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path));
  for (const auto& [first, others] : clusters) {
    std::string line = "{\"keep\":" + ids.at(first) + ",\"ids\":[" + ids.at(first);
    for (const uint32_t other : others) line += "," + ids.at(other);
    KEDGE_TRY(file.write(line + "]}\n"));
  }
  return file.commit();
}

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

std::optional<Removal> read_removal(const Json& entry) {
  if (!entry.is_object() || !entry.contains("record") || !entry["record"].is_number_unsigned()) return std::nullopt;
  Removal removal;
  if (entry.contains("of")) {
    removal.of = to_text(entry["of"]);
    return removal;
  }
  if (!entry.contains("cut") || !entry["cut"].is_array() || entry["cut"].empty()) return std::nullopt;
  for (const Json& span : entry["cut"]) {
    if (!span.is_array() || span.size() != 2) return std::nullopt;
    for (const Json& end : span) {
      if (!end.is_number_unsigned() || end.get<uint64_t>() > UINT32_MAX) return std::nullopt;
    }
    removal.cuts.push_back({span[0].get<uint32_t>(), span[1].get<uint32_t>()});
  }
  return removal;
}

Json summary_of(const Clusters& clusters, uint32_t documents) {
  std::map<size_t, uint64_t> sizes;
  uint64_t duplicates = 0;
  for (const auto& [first, others] : clusters) {
    ++sizes[others.size() + 1];
    duplicates += others.size();
  }
  Json by_size = Json::object();
  for (const auto& [size, count] : sizes) by_size[std::to_string(size)] = count;
  return {{"documents", documents}, {"clusters", clusters.size()}, {"duplicates", duplicates}, {"sizes", by_size}};
}

}  // namespace

Result<Json> link_shards(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                         const std::stop_token& stop) {
  if (cuts_texts(options.method)) return cut_shards(job, options, pool, stop);
  const KeyMaker maker(options);
  KEDGE_ASSIGN(const auto keys, MappedKeys::open(job.outputs, maker.bands() == 0 ? 2 : maker.bands()));
  KEDGE_ASSIGN(UnionFind sets, link_documents(*keys, options, maker.bands(), stop));
  Clusters clusters;
  std::vector<bool> clustered(keys->documents());
  for (uint32_t i = 0; i < keys->documents(); ++i) {
    const uint32_t first = sets.find(i);
    if (first == i) continue;
    clusters[first].push_back(i);
    clustered[first] = clustered[i] = true;
  }
  KEDGE_ASSIGN(const Ids ids, read_ids(*keys, clustered));
  KEDGE_TRY(write_clusters(job.clusters, clusters, ids));
  for (size_t i = 0; i < job.duplicates.size(); ++i) {
    KEDGE_TRY(write_duplicates(job.duplicates[i], keys->shards()[i], sets, ids));
  }
  return summary_of(clusters, keys->documents());
}

Result<Duplicates> read_duplicates(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  Duplicates duplicates;
  std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  while (!text.empty()) {
    const size_t newline = std::min(text.find('\n'), text.size());
    KEDGE_ASSIGN(const Json entry, parse_json(text.substr(0, newline), path.string()));
    std::optional<Removal> removal = read_removal(entry);
    if (!removal) return Error{ErrorKind::corrupt_data, path.string() + ": not a list of duplicates"};
    duplicates.emplace(entry["record"].get<uint64_t>(), std::move(*removal));
    text.remove_prefix(std::min(newline + 1, text.size()));
  }
  return duplicates;
}

}  // namespace kedge::curate
