#include "curate/dedup/deduplicate.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "core/file.h"
#include "curate/dedup/minhash.h"
#include "curate/dedup/shingles.h"
#include "curate/dedup/union_find.h"
#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

constexpr size_t kAllPairsMax = 256;  // a larger bucket is compared along its order, not each with each
constexpr size_t kWriteBytes = size_t{1} << 20;

/// What is kept of each document.
struct Collected {
  std::vector<std::string> ids;
  std::vector<XXH128_hash_t> hashes;                // exact
  std::vector<uint64_t> keys;                       // fuzzy: one a band, document after document
  std::vector<std::vector<uint64_t>> shingle_sets;  // verify
};

struct HashLess {
  bool operator()(const std::pair<XXH128_hash_t, uint32_t>& a, const std::pair<XXH128_hash_t, uint32_t>& b) const {
    if (a.first.high64 != b.first.high64) return a.first.high64 < b.first.high64;
    if (a.first.low64 != b.first.low64) return a.first.low64 < b.first.low64;
    return a.second < b.second;
  }
};

std::unique_ptr<MinHash> minhash_of(FuzzyParameters parameters) {
  switch (parameters) {
    case FuzzyParameters::datatrove:
      return std::make_unique<MinHash>(14, 8);
    case FuzzyParameters::nemo:
      return std::make_unique<MinHash>(20, 13);
    case FuzzyParameters::kedge:
      break;
  }
  return std::make_unique<MinHash>(20, 5);
}

std::vector<uint64_t> shingles_of(FuzzyParameters parameters, CodeView text) {
  switch (parameters) {
    case FuzzyParameters::datatrove:
      return datatrove_shingles(text);
    case FuzzyParameters::nemo:
      return character_shingles(text);
    case FuzzyParameters::kedge:
      break;
  }
  return word_shingles(text);
}

class Collector {
 public:
  explicit Collector(const DedupOptions& options) : options_(options) {
    if (options.method == DedupMethod::fuzzy) minhash_ = minhash_of(options.parameters);
  }

  Visitor visitor() {
    Visitor visitor;
    visitor.begin_batch = [this](size_t slots) { slots_.assign(slots, {}); };
    visitor.work = [this](const data::Document& document, size_t slot) { examine(document, slots_[slot]); };
    visitor.take = [this](size_t slot, data::Document& document) { return keep(slots_[slot], document); };
    return visitor;
  }
  [[nodiscard]] const Collected& collected() const { return collected_; }
  [[nodiscard]] size_t bands() const { return minhash_ ? minhash_->bands() : 0; }

 private:
  struct Slot {
    XXH128_hash_t hash{};
    std::vector<uint64_t> keys, shingle_set;
  };

  void examine(const data::Document& document, Slot& slot) const {
    if (options_.method == DedupMethod::exact) {
      const std::string text =
          options_.normalization == Normalization::text ? comparable_text(document.text) : document.text;
      slot.hash = XXH3_128bits(text.data(), text.size());
      return;
    }
    const std::u32string codes = to_codes(document.text);
    const std::vector<uint64_t> shingles = shingles_of(options_.parameters, codes);
    slot.keys.resize(minhash_->bands());
    minhash_->band_keys(shingles, slot.keys);
    if (!options_.verify) return;
    slot.shingle_set = options_.parameters == FuzzyParameters::kedge ? shingles : word_shingles(codes);
    make_set(slot.shingle_set);
  }

  Status keep(Slot& slot, data::Document& document) {
    if (collected_.ids.size() >= std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    }
    collected_.ids.push_back(std::move(document.id_json));
    if (options_.method == DedupMethod::exact) {
      collected_.hashes.push_back(slot.hash);
    } else {
      collected_.keys.insert(collected_.keys.end(), slot.keys.begin(), slot.keys.end());
      if (options_.verify) collected_.shingle_sets.push_back(std::move(slot.shingle_set));
    }
    return Done{};
  }

  const DedupOptions& options_;
  std::unique_ptr<MinHash> minhash_;
  std::vector<Slot> slots_;
  Collected collected_;
};

void link_equal(const Collected& collected, UnionFind& sets) {
  std::vector<std::pair<XXH128_hash_t, uint32_t>> sorted;
  for (uint32_t i = 0; i < collected.hashes.size(); ++i) sorted.emplace_back(collected.hashes[i], i);
  std::sort(sorted.begin(), sorted.end(), HashLess());
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (XXH128_isEqual(sorted[i - 1].first, sorted[i].first) != 0) sets.unite(sorted[i - 1].second, sorted[i].second);
  }
}

/// Links documents that share a band's key.
class Linker {
 public:
  Linker(const Collected& collected, const DedupOptions& options, UnionFind& sets)
      : collected_(collected), options_(options), sets_(sets) {}

  void band(size_t band, size_t bands) {
    std::vector<std::pair<uint64_t, uint32_t>> sorted;
    for (uint32_t i = 0; i < collected_.ids.size(); ++i) sorted.emplace_back(collected_.keys[i * bands + band], i);
    std::sort(sorted.begin(), sorted.end());
    for (size_t begin = 0; begin < sorted.size();) {
      size_t end = begin + 1;
      while (end < sorted.size() && sorted[end].first == sorted[begin].first) ++end;
      bucket(std::span(sorted).subspan(begin, end - begin));
      begin = end;
    }
  }

 private:
  void bucket(std::span<const std::pair<uint64_t, uint32_t>> members) {
    if (!options_.verify) {
      for (size_t i = 1; i < members.size(); ++i) sets_.unite(members[0].second, members[i].second);
      return;
    }
    const size_t reach = members.size() <= kAllPairsMax ? members.size() : 16;
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t k = i + 1; k < std::min(members.size(), i + reach); ++k)
        compare(members[i].second, members[k].second);
    }
    if (members.size() <= kAllPairsMax) return;
    for (size_t i = 1; i < members.size(); ++i) compare(members[0].second, members[i].second);
  }

  void compare(uint32_t a, uint32_t b) {
    if (sets_.find(a) == sets_.find(b)) return;
    if (!compared_.insert(uint64_t{a} << 32 | b).second) return;
    const auto& first = collected_.shingle_sets[a];
    const auto& second = collected_.shingle_sets[b];
    const auto [least, most] = std::minmax({first.size(), second.size()});
    if (static_cast<double>(least) < options_.jaccard_min * static_cast<double>(most)) return;  // cannot be reached
    if (jaccard(first, second) >= options_.jaccard_min) sets_.unite(a, b);
  }

  const Collected& collected_;
  const DedupOptions& options_;
  UnionFind& sets_;
  std::unordered_set<uint64_t> compared_;
};

Status write_clusters(const Job& job, const Collected& collected, UnionFind& sets) {
  std::unordered_map<uint32_t, std::vector<uint32_t>> members;
  for (uint32_t i = 0; i < collected.ids.size(); ++i) {
    const uint32_t first = sets.find(i);
    if (first != i) members[first].push_back(i);
  }
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  std::string lines;
  for (uint32_t i = 0; i < collected.ids.size(); ++i) {
    const auto found = members.find(i);
    if (found == members.end()) continue;
    lines += "{\"keep\":" + collected.ids[i] + ",\"ids\":[" + collected.ids[i];
    for (const uint32_t other : found->second) lines += "," + collected.ids[other];
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
  Collector collector(options);
  KEDGE_ASSIGN(const Counts counts, visit(job, collector.visitor(), pool, events, stop));
  const Collected& collected = collector.collected();
  UnionFind sets(collected.ids.size());
  if (options.method == DedupMethod::exact) {
    link_equal(collected, sets);
  } else {
    Linker linker(collected, options, sets);
    for (size_t band = 0; band < collector.bands(); ++band) {
      if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
      linker.band(band, collector.bands());
    }
  }
  KEDGE_TRY(write_clusters(job, collected, sets));
  return counts;
}

}  // namespace kedge::curate
