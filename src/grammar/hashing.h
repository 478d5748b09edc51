#pragma once
// Hashes of lists of numbers.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kedge::grammar {

/// The finalizer of SplitMix64 (Steele et al. 2014).
inline uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

template <typename T>
uint64_t hash_of(std::span<const T> values, uint64_t seed = 0) {
  uint64_t hash = mix(seed ^ values.size());
  for (const T value : values) hash = mix(hash ^ static_cast<uint64_t>(value));
  return hash;
}

struct VectorHash {
  template <typename T>
  size_t operator()(const std::vector<T>& values) const {
    return hash_of(std::span<const T>(values));
  }
};

}  // namespace kedge::grammar
