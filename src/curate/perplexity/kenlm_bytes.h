#pragma once
// Numbers and tables in the bytes of a binary of KenLM's.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace kedge::curate::kenlm {

/// At any alignment. REQUIRES: it lies within `bytes`.
template <typename Number>
Number load(std::string_view bytes, uint64_t offset) {
  Number number;
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

/// `width` bits, 57 at most, from bit `offset` on. REQUIRES: 8 bytes follow the byte they begin in.
inline uint64_t load_bits(std::string_view bytes, uint64_t offset, unsigned width) {
  return load<uint64_t>(bytes, offset >> 3) >> (offset & 7) & ((uint64_t{1} << width) - 1);
}

inline float to_float(uint64_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits));
}

/// Bits that a number up to `most` takes.
inline unsigned bits_for(uint64_t most) {
  return static_cast<unsigned>(std::bit_width(most));
}

/// A table of entries that begin with a key of 64 bits, 0 where there is none; looked up from key % size on.
class ProbedTable {
 public:
  ProbedTable() = default;
  ProbedTable(std::string_view bytes, uint64_t entry_bytes)
      : bytes_(bytes), entry_bytes_(entry_bytes), size_(bytes.size() / entry_bytes) {}

  /// As KenLM does, in 32-bit floating point.
  static uint64_t bytes_for(uint64_t entries, float multiplier, uint64_t entry_bytes) {
    const auto stretched = static_cast<uint64_t>(multiplier * static_cast<float>(entries));
    return std::max(entries + 1, stretched) * entry_bytes;
  }

  /// Where the entry's value stands in its bytes.
  [[nodiscard]] std::optional<std::string_view> find(uint64_t key) const {
    uint64_t at = key % size_;
    for (uint64_t seen = 0; seen < size_; ++seen) {  // a table without a gap is broken
      const std::string_view entry = bytes_.substr(at * entry_bytes_, entry_bytes_);
      const auto found = load<uint64_t>(entry, 0);
      if (found == key) return entry.substr(sizeof(key));
      if (found == 0) return std::nullopt;
      if (++at == size_) at = 0;
    }
    return std::nullopt;
  }

 private:
  std::string_view bytes_;
  uint64_t entry_bytes_ = 1, size_ = 1;
};

/// Murmur's 64-bit hash for 64-bit machines (Appleby 2008), seed 0: how KenLM knows words.
uint64_t hash_of_word(std::string_view word);

}  // namespace kedge::curate::kenlm
