#pragma once
// Documents that count as one.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/thread_pool.h"
#include "curate/dedup/union_find.h"
#include "kedge/result.h"

namespace kedge::curate {

/// A document that another stands for.
struct Repeat {
  uint32_t document = 0, kept = 0;
};

/// In order of the documents, from `first_new` on.
std::vector<Repeat> repeats_of(UnionFind& sets, uint32_t documents, uint32_t first_new = 0);

/// Of two and more documents each, in order of those that are kept.
class Clusters {
 public:
  /// repeats: in order of the documents. What is kept is no repeat itself.
  Clusters(std::span<const Repeat> repeats, uint32_t documents);

  [[nodiscard]] size_t size() const { return ends_.size(); }
  /// The one that is kept, then its repeats in order.
  std::span<const uint32_t> operator[](size_t cluster) const {
    const size_t begin = cluster == 0 ? 0 : ends_[cluster - 1];
    return std::span(members_).subspan(begin, ends_[cluster] - begin);
  }
  /// All of them, cluster after cluster.
  [[nodiscard]] std::span<const uint32_t> members() const { return members_; }

 private:
  std::vector<uint32_t> members_;
  std::vector<uint32_t> ends_;
};

/// By document: its id as JSON.
using Ids = std::unordered_map<uint32_t, std::string>;

/// One line a cluster: {"keep":ID,"ids":[ID,...]}. `id_of` is called by several threads.
Status write_clusters(const std::filesystem::path& path, const Clusters& clusters,
                      const std::function<std::string_view(uint32_t document)>& id_of, WorkerPool& pool);
/// REQUIRES: ids has those of all members.
Status write_clusters(const std::filesystem::path& path, const Clusters& clusters, const Ids& ids, WorkerPool& pool);

}  // namespace kedge::curate
