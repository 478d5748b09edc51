#pragma once
// What documents are compared by, held in memory.

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <memory_resource>
#include <string_view>
#include <utility>
#include <vector>

#include "curate/dedup/key_table.h"
#include "curate/dedup/links.h"

namespace kedge::curate {

/// One thread at a time.
class MemoryKeys {
 public:
  /// bands: of each document; 0: exact.
  explicit MemoryKeys(size_t bands) : store_(bands) {}

  /// Equal texts are linked as they come. Fails with unsupported beyond 4 billion documents.
  Status add(DocumentKeys keys, std::string_view id) {
    if (documents() == std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    }
    const uint32_t document = documents();
    auto* const kept = static_cast<char*>(memory_.allocate(id.size(), 1));
    ids_.emplace_back(kept, std::ranges::copy(id, kept).out);
    if (store_.bands > 0) {
      store_.add(std::move(keys));
    } else {
      equal_.prefetch(keys.hash);
      if (document >= kAhead) link_next();
      ahead_[document % kAhead] = keys.hash;
    }
    return Done{};
  }

  [[nodiscard]] uint32_t documents() const { return static_cast<uint32_t>(ids_.size()); }
  /// As JSON.
  [[nodiscard]] std::string_view id(uint32_t document) const { return ids_[document]; }

  /// What link_documents says of all that were added. Fails with cancelled.
  Result<UnionFind> link(DedupOptions options, const std::stop_token& stop) {
    if (store_.bands == 0) {
      while (firsts_.size() < documents()) link_next();
      UnionFind sets(documents());
      for (uint32_t i = 0; i < documents(); ++i) sets.unite(firsts_[i], i);
      return sets;
    }
    options.memory_bytes = UINT64_MAX;  // the keys are there already
    return link_documents(store_, options, store_.bands, {}, stop);
  }

 private:
  static constexpr size_t kAhead = 16;  // texts whose place in the table is on its way from memory

  void link_next() {
    const auto document = static_cast<uint32_t>(firsts_.size());
    const TextHash& hash = ahead_[document % kAhead];
    firsts_.push_back(hash == TextHash() ? document : equal_.first_of(hash, document));
  }

  struct Bands final : KeyStore {
    explicit Bands(size_t count) : bands(count) {}
    void add(DocumentKeys added) {
      keys.insert(keys.end(), added.bands.begin(), added.bands.end());
      shingle_sets.push_back(std::move(added.shingles));
    }
    [[nodiscard]] uint32_t documents() const override { return static_cast<uint32_t>(shingle_sets.size()); }
    [[nodiscard]] TextHash hash(uint32_t /*document*/) const override { return {}; }
    [[nodiscard]] uint64_t key(uint32_t document, size_t band) const override { return keys[document * bands + band]; }
    [[nodiscard]] std::span<const uint64_t> shingles(uint32_t document) const override {
      return shingle_sets[document];
    }

    size_t bands;
    std::vector<uint64_t> keys;  // one a band, document after document
    std::vector<std::vector<uint64_t>> shingle_sets;
  };

  // Nothing that grows is copied whole: who adds, beside the work of others, holds up nobody.
  std::pmr::monotonic_buffer_resource memory_;
  std::deque<std::string_view> ids_;
  Bands store_;               // fuzzy
  KeyTable<TextHash> equal_;  // exact
  std::array<TextHash, kAhead> ahead_;
  std::deque<uint32_t> firsts_;  // exact: of equal texts, by document
};

}  // namespace kedge::curate
