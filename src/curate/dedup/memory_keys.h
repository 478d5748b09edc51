#pragma once
// What documents are compared by, held in memory.

#include <limits>
#include <string>
#include <string_view>
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
  Status add(DocumentKeys keys, std::string_view id) {
    if (documents_ == std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    }
    ++documents_;
    ids_ += id;
    id_ends_.push_back(ids_.size());
    if (bands_ == 0) hashes_.push_back(keys.hash);
    keys_.insert(keys_.end(), keys.bands.begin(), keys.bands.end());
    if (bands_ > 0) shingle_sets_.push_back(std::move(keys.shingles));
    return Done{};
  }

  [[nodiscard]] uint32_t documents() const override { return documents_; }
  [[nodiscard]] TextHash hash(uint32_t document) const override { return hashes_[document]; }
  [[nodiscard]] uint64_t key(uint32_t document, size_t band) const override { return keys_[document * bands_ + band]; }
  [[nodiscard]] std::span<const uint64_t> shingles(uint32_t document) const override { return shingle_sets_[document]; }
  /// As JSON.
  [[nodiscard]] std::string_view id(uint32_t document) const {
    const size_t begin = document == 0 ? 0 : id_ends_[document - 1];
    return std::string_view(ids_).substr(begin, id_ends_[document] - begin);
  }

 private:
  size_t bands_;
  uint32_t documents_ = 0;
  std::string ids_;  // one after another
  std::vector<size_t> id_ends_;
  std::vector<TextHash> hashes_;
  std::vector<uint64_t> keys_;  // one a band, document after document
  std::vector<std::vector<uint64_t>> shingle_sets_;
};

}  // namespace kedge::curate
