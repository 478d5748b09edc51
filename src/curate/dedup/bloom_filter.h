#pragma once
// A Bloom filter (Bloom 1970) that is kept in a file between runs.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

inline constexpr uint64_t kBloomBitsMax = uint64_t{1} << 43;  // 1 TiB

/// What the filter is over: filters of different kinds are not to be mixed.
struct BloomKind {
  uint32_t by = 0, words = 0;
  bool operator==(const BloomKind&) const = default;
};

/// m = -n ln p / (ln 2)^2: bits for `expected` entries, of which a share of `false_positive_rate` of new ones is taken
/// for known. Fails with out_of_memory beyond kBloomBitsMax. REQUIRES: 0 < rate < 1.
Result<double> bloom_bits(uint64_t expected, double false_positive_rate);

/// Tests may run side by side; inserts are alone.
class BloomFilter {
 public:
  /// With bloom_bits and k = m / n ln 2 hashes. Fails as bloom_bits does.
  static Result<BloomFilter> create(uint64_t expected, double false_positive_rate, BloomKind kind);
  /// Fails with not_found, corrupt_data (no filter, damaged) or invalid_input (of another kind).
  static Result<BloomFilter> load(const std::filesystem::path& path, BloomKind kind);
  /// Whole or not at all, with a checksum. Fails with unavailable.
  Status save(const std::filesystem::path& path) const;

  /// Two halves of a 128-bit hash (Kirsch and Mitzenmacher 2008).
  [[nodiscard]] bool contains(uint64_t high, uint64_t low) const;
  void insert(uint64_t high, uint64_t low);

  [[nodiscard]] uint64_t bits() const { return bits_; }
  [[nodiscard]] uint64_t hashes() const { return hashes_; }
  [[nodiscard]] uint64_t entries() const { return entries_; }

 private:
  BloomFilter(uint64_t bits, uint64_t hashes, BloomKind kind)
      : bits_(bits), hashes_(hashes), kind_(kind), words_((bits + 63) / 64) {}

  uint64_t bits_, hashes_, entries_ = 0;
  BloomKind kind_;
  std::vector<uint64_t> words_;
};

}  // namespace kedge::curate
