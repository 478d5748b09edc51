#include "curate/dedup/links.h"

#include <algorithm>
#include <unordered_set>

#include "curate/dedup/record_sorter.h"
#include "curate/dedup/shingles.h"

namespace kedge::curate {
namespace {

constexpr uint32_t kKeysBetween = 1 << 16;    // documents whose keys are read between two calls of let_go
constexpr size_t kComparedBetween = 1 << 10;  // comparisons between two calls of let_go
constexpr size_t kComparedMax = 1 << 20;      // pairs that are remembered
constexpr size_t kAllPairsMax = 256;          // a larger bucket is compared along its order, not each with each

void link_equal(const KeyStore& store, UnionFind& sets) {
  std::vector<std::pair<TextHash, uint32_t>> sorted;
  sorted.reserve(store.documents());
  for (uint32_t i = 0; i < store.documents(); ++i) {
    if (store.hash(i) != TextHash()) sorted.emplace_back(store.hash(i), i);
  }
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1].first == sorted[i].first) sets.unite(sorted[i - 1].second, sorted[i].second);
  }
}

/// Links documents that share a band's key.
class Linker {
 public:
  Linker(const KeyStore& store, const DedupOptions& options, UnionFind& sets)
      : store_(store), options_(options), sets_(sets) {}

  void band(size_t band) {
    sorted_.clear();
    for (uint32_t i = 0; i < store_.documents(); ++i) {
      if (i % kKeysBetween == 0) store_.let_go();
      sorted_.emplace_back(store_.key(i, band), i);
    }
    store_.let_go();
    std::sort(sorted_.begin(), sorted_.end());
    for (size_t begin = 0; begin < sorted_.size();) {
      size_t end = begin + 1;
      while (end < sorted_.size() && sorted_[end].first == sorted_[begin].first) ++end;
      bucket(std::span(sorted_).subspan(begin, end - begin));
      begin = end;
    }
  }

  /// Documents of one key, ascending.
  void bucket(std::span<const std::pair<uint64_t, uint32_t>> members) {
    if (!options_.verify) {
      for (size_t i = 1; i < members.size(); ++i) sets_.unite(members[0].second, members[i].second);
      return;
    }
    const size_t reach = members.size() <= kAllPairsMax ? members.size() : 16;
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t k = i + 1; k < std::min(members.size(), i + reach); ++k) {
        compare(members[i].second, members[k].second);
      }
    }
    if (members.size() <= kAllPairsMax) return;
    for (size_t i = 1; i < members.size(); ++i) compare(members[0].second, members[i].second);
  }

 private:
  void compare(uint32_t a, uint32_t b) {
    if (sets_.find(a) == sets_.find(b)) return;
    if (compared_.size() >= kComparedMax) compared_.clear();  // comparing again changes nothing
    if (!compared_.insert(uint64_t{a} << 32 | b).second) return;
    if (compared_.size() % kComparedBetween == 0) store_.let_go();
    const auto first = store_.shingles(a), second = store_.shingles(b);
    const auto least = static_cast<double>(std::min(first.size(), second.size()));
    const auto most = static_cast<double>(std::max(first.size(), second.size()));
    if (least < options_.jaccard_min * most) return;  // cannot be reached
    if (jaccard(first, second) >= options_.jaccard_min) sets_.unite(a, b);
  }

  const KeyStore& store_;
  const DedupOptions& options_;
  UnionFind& sets_;
  std::vector<std::pair<uint64_t, uint32_t>> sorted_;
  std::unordered_set<uint64_t> compared_;
};

struct RecordFiles {
  const std::filesystem::path& folder;
  const std::stop_token& stop;
};

/// The same links, records of all bands at once.
Status link_by_files(const KeyStore& store, const DedupOptions& options, size_t bands, const RecordFiles& files,
                     UnionFind& sets) {
  const Error stopped{ErrorKind::cancelled, "stopped; no output was written"};
  RecordSorter sorter(files.folder, options.memory_bytes);
  for (uint32_t i = 0; i < store.documents(); ++i) {
    if (i % kKeysBetween == 0) {
      if (files.stop.stop_requested()) return stopped;
      store.let_go();
    }
    if (bands == 0 && store.hash(i) != TextHash()) {
      KEDGE_TRY(sorter.add({store.hash(i).high, store.hash(i).low, i}));
    }
    for (size_t band = 0; band < bands; ++band) KEDGE_TRY(sorter.add({store.key(i, band), band, i}));
  }
  Linker linker(store, options, sets);
  std::vector<std::pair<uint64_t, uint32_t>> members;
  return sorter.runs([&](std::span<const KeyRecord> run) -> Status {
    if (files.stop.stop_requested()) return stopped;
    if (run.size() == 1) return Done{};
    members.clear();
    for (const KeyRecord& record : run) members.emplace_back(record.high, static_cast<uint32_t>(record.value));
    linker.bucket(members);
    return Done{};
  });
}

}  // namespace

Result<UnionFind> link_documents(const KeyStore& store, const DedupOptions& options, size_t bands,
                                 const std::filesystem::path& spill, const std::stop_token& stop) {
  UnionFind sets(store.documents());
  if (store.documents() * sizeof(KeyRecord) > options.memory_bytes) {
    KEDGE_TRY(link_by_files(store, options, bands, RecordFiles{spill, stop}, sets));
    return sets;
  }
  if (options.method == DedupMethod::exact) {
    link_equal(store, sets);
    return sets;
  }
  Linker linker(store, options, sets);
  for (size_t band = 0; band < bands; ++band) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
    linker.band(band);
  }
  return sets;
}

}  // namespace kedge::curate
