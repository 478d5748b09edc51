#pragma once
// What documents are compared by, held in memory.

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "curate/dedup/links.h"

namespace kedge::curate {

/// One thread at a time while it is filled.
class MemoryKeys final : public KeyStore {
 public:
  /// bands: of each document; 0: exact.
  explicit MemoryKeys(size_t bands) : bands_(bands) {}

  /// Fails with unsupported beyond 4 billion documents.
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
  /// As JSON, by document.
  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }

 private:
  size_t bands_;
  std::vector<std::string> ids_;
  std::vector<TextHash> hashes_;
  std::vector<uint64_t> keys_;  // one a band, document after document
  std::vector<std::vector<uint64_t>> shingle_sets_;
};

}  // namespace kedge::curate
