#include "curate/dedup/minhash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

namespace kedge::curate {
namespace {

constexpr size_t kBlock = 16;  // hash functions at a time: their minima stay in registers
constexpr uint64_t kSeed = 42;

using Lanes = uint32_t __attribute__((vector_size(16)));

/// One number after another from a fixed start, so that signatures of different runs can be compared.
uint64_t next_number(uint64_t& state) {
  state += 0x9E3779B97F4A7C15ULL;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Lanes smaller(Lanes a, Lanes b) {
  return a < b ? a : b;
}

}  // namespace

MinHash::MinHash(size_t bands, size_t rows) : bands_(bands), rows_(rows) {
  const size_t count = (bands * rows + kBlock - 1) / kBlock * kBlock;
  uint64_t state = kSeed;
  for (size_t i = 0; i < count; ++i) {
    factors_.push_back(static_cast<uint32_t>(next_number(state)) | 1);
    offsets_.push_back(static_cast<uint32_t>(next_number(state)));
  }
}

// Bound: arithmetic, three operations a shingle and hash function, four functions an instruction.
void MinHash::band_keys(std::span<const uint64_t> shingles, std::span<uint64_t> keys) const {
  constexpr size_t kVectors = kBlock / 4;
  std::vector<uint32_t> minima(factors_.size());
  for (size_t block = 0; block < factors_.size(); block += kBlock) {
    std::array<Lanes, kVectors> a{}, b{}, least{};
    for (size_t v = 0; v < kVectors; ++v) {
      for (size_t lane = 0; lane < 4; ++lane) {
        a[v][lane] = factors_[block + 4 * v + lane];
        b[v][lane] = offsets_[block + 4 * v + lane];
        least[v][lane] = ~0U;
      }
    }
    for (const uint64_t shingle : shingles) {
      const auto value = static_cast<uint32_t>(shingle);
      const Lanes x = {value, value, value, value};
      for (size_t v = 0; v < kVectors; ++v) least[v] = smaller(least[v], x * a[v] + b[v]);
    }
    for (size_t v = 0; v < kVectors; ++v) {
      for (size_t lane = 0; lane < 4; ++lane) minima[block + 4 * v + lane] = least[v][lane];
    }
  }
  for (size_t band = 0; band < bands_; ++band) {
    keys[band] = XXH3_64bits_withSeed(minima.data() + band * rows_, rows_ * sizeof(uint32_t), band);
  }
}

}  // namespace kedge::curate
