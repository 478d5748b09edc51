#include "curate/dedup/links.h"

#include <algorithm>
#include <unordered_set>

#include "curate/dedup/key_table.h"
#include "curate/dedup/record_sorter.h"
#include "curate/dedup/shingles.h"

namespace kedge::curate {
namespace {

constexpr uint32_t kKeysBetween = 1 << 16;    // documents whose keys are read between two calls of let_go
constexpr size_t kComparedBetween = 1 << 10;  // comparisons between two calls of let_go
constexpr size_t kComparedMax = 1 << 20;      // pairs that are remembered
constexpr size_t kAllPairsMax = 256;          // a larger bucket is compared along its order, not each with each

void link_equal(const KeyStore& store, UnionFind& sets) {
  KeyTable<TextHash> table(store.documents());
  for (uint32_t i = 0; i < store.documents(); ++i) {
    const TextHash hash = store.hash(i);
    if (hash != TextHash()) sets.unite(table.first_of(hash, i), i);
  }
}

/// Links documents that share a band's key.
class Linker {
 public:
  Linker(const KeyStore& store, const DedupOptions& options, UnionFind& sets)
      : store_(store), options_(options), sets_(sets) {}

  void bands(size_t count, const std::stop_token& stop) {
    KeyTable<uint64_t> table(store_.documents());
    for (size_t band = 0; band < count && !stop.stop_requested(); ++band) {
      table.clear();
      if (options_.verify) {
        compare_band(table, band);
      } else {
        each_key(band, [&](uint64_t key, uint32_t i) { sets_.unite(table.first_of(key, i), i); });
      }
    }
  }

  /// Documents of one key, ascending.
  void bucket(std::span<const uint32_t> members) {
    if (!options_.verify) {
      for (size_t i = 1; i < members.size(); ++i) sets_.unite(members[0], members[i]);
      return;
    }
    const size_t reach = members.size() <= kAllPairsMax ? members.size() : 16;
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t k = i + 1; k < std::min(members.size(), i + reach); ++k) {
        compare(members[i], members[k]);
      }
    }
    if (members.size() <= kAllPairsMax) return;
    for (size_t i = 1; i < members.size(); ++i) compare(members[0], members[i]);
  }

 private:
  template <typename Take>
  void each_key(size_t band, const Take& take) const {
    for (uint32_t i = 0; i < store_.documents(); ++i) {
      if (i % kKeysBetween == 0) store_.let_go();
      take(store_.key(i, band), i);
    }
    store_.let_go();
  }

  /// Documents of a key are chained, then each chain is a bucket.
  void compare_band(KeyTable<uint64_t>& table, size_t band) {
    constexpr uint32_t kNone = KeyTable<uint64_t>::kNone;
    std::vector<uint32_t> next(store_.documents(), kNone), last(store_.documents(), kNone);
    each_key(band, [&](uint64_t key, uint32_t i) {
      const uint32_t first = table.first_of(key, i);
      if (first != i) next[last[first]] = i;
      last[first] = i;
    });
    std::vector<uint32_t> members;
    for (uint32_t first = 0; first < store_.documents(); ++first) {
      if (last[first] == kNone || next[first] == kNone) continue;  // none's first, or alone
      members.clear();
      for (uint32_t i = first; i != kNone; i = next[i]) members.push_back(i);
      bucket(members);
    }
  }

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
  std::unordered_set<uint64_t> compared_;
};

struct RecordFiles {
  const std::filesystem::path& folder;
  const std::stop_token& stop;
};

/// The same links, records of all bands at once.
Status link_by_files(const KeyStore& store, const DedupOptions& options, size_t bands, const RecordFiles& files,
                     UnionFind& sets) {
  RecordSorter sorter(files.folder, options.memory_bytes);
  for (uint32_t i = 0; i < store.documents(); ++i) {
    if (i % kKeysBetween == 0) {
      if (files.stop.stop_requested()) return stopped();
      store.let_go();
    }
    if (bands == 0 && store.hash(i) != TextHash()) {
      KEDGE_TRY(sorter.add({store.hash(i).high, store.hash(i).low, i}));
    }
    for (size_t band = 0; band < bands; ++band) KEDGE_TRY(sorter.add({store.key(i, band), band, i}));
  }
  Linker linker(store, options, sets);
  std::vector<uint32_t> members;
  return sorter.runs([&](std::span<const KeyRecord> run) -> Status {
    if (files.stop.stop_requested()) return stopped();
    if (run.size() == 1) return Done{};
    members.clear();
    for (const KeyRecord& record : run) members.push_back(static_cast<uint32_t>(record.value));
    linker.bucket(members);
    return Done{};
  });
}

}  // namespace

Result<UnionFind> link_documents(const KeyStore& store, const DedupOptions& options, size_t bands,
                                 const std::filesystem::path& spill, const std::stop_token& stop) {
  UnionFind sets(store.documents());
  if (store.documents() * kLinkBytes > options.memory_bytes) {
    KEDGE_TRY(link_by_files(store, options, bands, RecordFiles{spill, stop}, sets));
    return sets;
  }
  if (options.method == DedupMethod::exact) {
    link_equal(store, sets);
    return sets;
  }
  Linker linker(store, options, sets);
  linker.bands(bands, stop);
  if (stop.stop_requested()) return stopped();
  return sets;
}

}  // namespace kedge::curate
