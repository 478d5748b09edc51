#include "curate/dedup/index.h"

#include <fmt/format.h>

#include "curate/dedup/keys.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> paths_of(const fs::path& shard) {
  const KeyFiles files = key_files_of(shard);
  return {files.keys, files.offsets, files.shingles, files.ids};
}

std::string parameters_of(const DedupOptions& options) {
  return fmt::format("{} normalize {} params {} shingles {}", options.method == DedupMethod::exact ? "exact" : "fuzzy",
                     static_cast<int>(options.normalization), static_cast<int>(options.parameters), options.verify);
}

Result<KeyLinks> link_files(const std::vector<fs::path>& files, size_t earlier, const DedupOptions& options,
                            const LinkPlace& place, const std::stop_token& stop) {
  const KeyMaker maker(options);
  KEDGE_ASSIGN(auto keys, MappedKeys::open(files, maker.bands() == 0 ? 2 : maker.bands()));
  KEDGE_ASSIGN(UnionFind sets, link_documents(*keys, options, maker.bands(), place.spill, stop));
  const auto& shards = keys->shards();
  const uint32_t first_new = earlier < shards.size() ? shards[earlier].first : keys->documents();
  return KeyLinks{std::move(keys), std::move(sets), first_new};
}

}  // namespace

Result<KeyLinks> link_key_files(const std::vector<fs::path>& outputs, const DedupOptions& options,
                                const LinkPlace& place, const std::stop_token& stop) {
  if (options.index.empty()) return link_files(outputs, 0, options, place, stop);
  KEDGE_ASSIGN(const IndexRuns index,
               IndexRuns::open(options.index, {parameters_of(options), paths_of}, place.identity));
  std::vector<fs::path> files = index.earlier();
  files.insert(files.end(), outputs.begin(), outputs.end());
  KEDGE_ASSIGN(KeyLinks links, link_files(files, index.earlier().size(), options, place, stop));
  KEDGE_TRY(index.add(outputs));
  return links;
}

}  // namespace kedge::curate
