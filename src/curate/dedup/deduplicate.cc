#include "curate/dedup/deduplicate.h"

#include <limits>
#include <unordered_map>

#include "core/file.h"
#include "curate/dedup/keys.h"
#include "curate/dedup/links.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

/// What is kept of each document, in memory.
class Collected final : public KeyStore {
 public:
  explicit Collected(size_t bands) : bands_(bands) {}

  Status add(DocumentKeys keys, std::string id) {
    if (ids_.size() >= std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    }
    ids_.push_back(std::move(id));
    if (bands_ == 0) hashes_.push_back(keys.hash);
    keys_.insert(keys_.end(), keys.bands.begin(), keys.bands.end());
    if (bands_ > 0) shingle_sets_.push_back(std::move(keys.shingles));
    return Done{};
  }

  [[nodiscard]] uint32_t documents() const override { return static_cast<uint32_t>(ids_.size()); }
  [[nodiscard]] TextHash hash(uint32_t document) const override { return hashes_[document]; }
  [[nodiscard]] uint64_t key(uint32_t document, size_t band) const override { return keys_[document * bands_ + band]; }
  [[nodiscard]] std::span<const uint64_t> shingles(uint32_t document) const override { return shingle_sets_[document]; }
  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }

 private:
  size_t bands_;
  std::vector<std::string> ids_;
  std::vector<TextHash> hashes_;
  std::vector<uint64_t> keys_;  // one a band, document after document
  std::vector<std::vector<uint64_t>> shingle_sets_;
};

Status write_clusters(const Job& job, const std::vector<std::string>& ids, UnionFind& sets) {
  std::unordered_map<uint32_t, std::vector<uint32_t>> members;
  for (uint32_t i = 0; i < ids.size(); ++i) {
    const uint32_t first = sets.find(i);
    if (first != i) members[first].push_back(i);
  }
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  std::string lines;
  for (uint32_t i = 0; i < ids.size(); ++i) {
    const auto found = members.find(i);
    if (found == members.end()) continue;
    lines += "{\"keep\":" + ids[i] + ",\"ids\":[" + ids[i];
    for (const uint32_t other : found->second) lines += "," + ids[other];
    lines += "]}\n";
    if (lines.size() < kWriteBytes) continue;
    KEDGE_TRY(file.write(lines));
    lines.clear();
  }
  KEDGE_TRY(file.write(lines));
  return file.commit();
}

}  // namespace

Result<Counts> deduplicate(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop) {
  const KeyMaker maker(options);
  Collected collected(maker.bands());
  std::vector<DocumentKeys> slots;
  Visitor visitor;
  visitor.begin_batch = [&](size_t count) { slots.assign(count, {}); };
  visitor.work = [&](const data::Document& document, size_t slot) { slots[slot] = maker.keys_of(document); };
  visitor.take = [&](size_t slot, data::Document& document) {
    return collected.add(std::move(slots[slot]), std::move(document.id_json));
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_ASSIGN(UnionFind sets, link_documents(collected, options, maker.bands(), stop));
  KEDGE_TRY(write_clusters(job, collected.ids(), sets));
  return counts;
}

}  // namespace kedge::curate
