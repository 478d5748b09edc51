#pragma once
// MinHash signatures and the bands that they are cut into.

#include <cstdint>
#include <span>
#include <vector>

namespace kedge::curate {

/// `bands` keys, each from `rows` minima: two sets of Jaccard similarity J share a key with 1 - (1 - J^rows)^bands.
class MinHash {
 public:
  MinHash(size_t bands, size_t rows);

  /// Writes one key a band. REQUIRES: keys has room for bands().
  void band_keys(std::span<const uint64_t> shingles, std::span<uint64_t> keys) const;
  [[nodiscard]] size_t bands() const { return bands_; }

 private:
  size_t bands_, rows_;
  std::vector<uint32_t> factors_, offsets_;  // padded to whole blocks
};

}  // namespace kedge::curate
