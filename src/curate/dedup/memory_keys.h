#pragma once
// What documents are compared by, held in memory.

#include <algorithm>
#include <array>
#include <limits>
#include <memory_resource>
#include <string_view>
#include <utility>
#include <vector>

#include "curate/dedup/clusters.h"
#include "curate/dedup/growing.h"
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
    ids_.push_back({kept, std::ranges::copy(id, kept).out});
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

  /// Of all that were added, what link_documents says, in their order. Once, at the end. Fails with cancelled.
  Result<std::vector<Repeat>> link(DedupOptions options, const std::stop_token& stop) {
    if (store_.bands == 0) {
      while (linked_ < documents()) link_next();
      return std::move(repeats_);
    }
    options.memory_bytes = UINT64_MAX;  // the keys are there already
    KEDGE_ASSIGN(UnionFind sets, link_documents(store_, options, store_.bands, {}, stop));
    return repeats_of(sets, documents());
  }

 private:
  static constexpr size_t kAhead = 16;  // texts whose place in the table is on its way from memory

  void link_next() {
    const uint32_t document = linked_++;
    const TextHash& hash = ahead_[document % kAhead];
    if (hash == TextHash()) return;
    const uint32_t first = equal_.first_of(hash, document);
    if (first != document) repeats_.push_back({document, first});
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

  std::pmr::monotonic_buffer_resource memory_;
  Growing<std::string_view> ids_;
  Bands store_;  // fuzzy
  // Exact:
  KeyTable<TextHash> equal_;
  std::array<TextHash, kAhead> ahead_;
  uint32_t linked_ = 0;  // documents
  std::vector<Repeat> repeats_;
};

}  // namespace kedge::curate
