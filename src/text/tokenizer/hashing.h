#pragma once
// Hashes for the tables of the tokenizers: fast, good enough against accidents, and never stored.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace kedge::text {

inline uint64_t mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0xD6E8FEB86659FD93ULL;
  value ^= value >> 32;
  return value;
}

/// 1 to 8 bytes as a number that is unique among strings of that size; never reads past them.
inline uint64_t load_up_to_8(const char* data, size_t size) {
  if (size >= 8) {
    uint64_t value;
    std::memcpy(&value, data, 8);
    return value;
  }
  if (size >= 4) {
    uint32_t low;
    uint32_t high;
    std::memcpy(&low, data, 4);
    std::memcpy(&high, data + size - 4, 4);
    return low | static_cast<uint64_t>(high) << 32;
  }
  if (size == 0) return 0;
  const auto byte = [&](size_t index) { return static_cast<uint64_t>(static_cast<uint8_t>(data[index])); };
  return byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
}

inline uint64_t hash_bytes(std::string_view text) {
  uint64_t hash = text.size() * 0x9E3779B97F4A7C15ULL;
  while (text.size() > 8) {
    hash = mix(hash ^ load_up_to_8(text.data(), 8)) * 0x9E3779B97F4A7C15ULL;
    text.remove_prefix(8);
  }
  return mix(hash ^ load_up_to_8(text.data(), text.size())) * 0x9E3779B97F4A7C15ULL;
}

}  // namespace kedge::text
