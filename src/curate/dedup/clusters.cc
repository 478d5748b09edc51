#include "curate/dedup/clusters.h"

#include <algorithm>

#include "data/line_file.h"

namespace kedge::curate {
namespace {

constexpr size_t kPart = 1024;  // clusters whose lines one thread makes in one go

}  // namespace

std::vector<Repeat> repeats_of(UnionFind& sets, uint32_t documents, uint32_t first_new) {
  std::vector<Repeat> repeats;
  for (uint32_t i = first_new; i < documents; ++i) {
    if (const uint32_t first = sets.find(i); first != i) repeats.push_back({i, first});
  }
  return repeats;
}

Clusters::Clusters(std::span<const Repeat> repeats, uint32_t documents) {
  std::vector<uint32_t> places(documents);  // by the document that is kept: its repeats; then where the next one goes
  for (const Repeat& repeat : repeats) ++places[repeat.kept];
  const auto clusters = static_cast<size_t>(std::ranges::count_if(places, [](uint32_t count) { return count > 0; }));
  members_.resize(repeats.size() + clusters);
  ends_.reserve(clusters);
  uint32_t end = 0;
  for (uint32_t i = 0; i < documents; ++i) {
    if (places[i] == 0) continue;
    members_[end] = i;
    const uint32_t begin = end + 1;
    end = begin + places[i];
    places[i] = begin;
    ends_.push_back(end);
  }
  for (const Repeat& repeat : repeats) members_[places[repeat.kept]++] = repeat.document;
}

Status write_clusters(const std::filesystem::path& path, const Clusters& clusters,
                      const std::function<std::string_view(uint32_t document)>& id_of, WorkerPool& pool) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path));
  std::vector<std::string> parts(size_t{WorkerPool::kParts} * pool.size());
  const auto write_part = [&](size_t begin, std::string& part) {
    part.clear();
    for (size_t i = begin; i < std::min(begin + kPart, clusters.size()); ++i) {
      const std::span<const uint32_t> members = clusters[i];
      part.append("{\"keep\":").append(id_of(members[0])).append(",\"ids\":[").append(id_of(members[0]));
      for (const uint32_t other : members.subspan(1)) part.append(",").append(id_of(other));
      part.append("]}\n");
    }
  };
  for (size_t done = 0; done < clusters.size(); done += parts.size() * kPart) {
    pool.parallel_for_parts(static_cast<int64_t>(parts.size()), 1,
                            [&](int64_t begin, int64_t end, unsigned /*worker*/) {
                              for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
                                write_part(done + i * kPart, parts[i]);
                              }
                            });
    for (const std::string& part : parts) KEDGE_TRY(file.write(part));
  }
  return file.commit();
}

Status write_clusters(const std::filesystem::path& path, const Clusters& clusters, const Ids& ids, WorkerPool& pool) {
  const auto id_of = [&](uint32_t document) -> std::string_view { return ids.at(document); };
  return write_clusters(path, clusters, id_of, pool);
}

}  // namespace kedge::curate
