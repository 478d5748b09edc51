#pragma once
// The ids of words seen before. Natural text repeats its words, so most words cost one look-up.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kedge/tokenizer.h"
#include "text/tokenizer/hashing.h"

namespace kedge::text {

/// Direct-mapped; an entry is one cache line. One thread at a time.
class WordCache {
 public:
  static constexpr size_t kWordBytesMax = 24;
  static constexpr size_t kWordIdsMax = 8;

  struct Key {
    std::array<uint64_t, 3> parts{};
    size_t size = 0;
    size_t slot = 0;
  };

  /// REQUIRES: word.size() <= kWordBytesMax.
  static Key key_of(std::string_view word) {
    Key key;
    key.size = word.size();
    const char* data = word.data();
    // Parts may overlap: together with the size they still determine the word.
    key.parts[0] = load_up_to_8(data, word.size());
    if (word.size() > 8) key.parts[1] = load_up_to_8(data + (word.size() >= 16 ? 8 : word.size() - 8), 8);
    if (word.size() > 16) key.parts[2] = load_up_to_8(data + word.size() - 8, 8);
    uint64_t hash = key.parts[0] * 0x9E3779B97F4A7C15ULL ^ key.size;
    hash = (hash ^ hash >> 29 ^ key.parts[1]) * 0xBF58476D1CE4E5B9ULL;
    hash = (hash ^ hash >> 32 ^ key.parts[2]) * 0x94D049BB133111EBULL;
    key.slot = hash >> (64 - kEntryBits);
    return key;
  }

  /// Whether the word is known; if so, its ids are appended.
  bool append(const Key& key, std::vector<TokenId>& ids) const {
    if (entries_.empty()) return false;
    const Entry& entry = entries_[key.slot];
    if (entry.size != key.size || entry.parts != key.parts) return false;
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
    return true;
  }

  /// Words with more than kWordIdsMax ids are not kept.
  void store(const Key& key, std::span<const TokenId> ids) {
    if (ids.size() > kWordIdsMax) return;
    if (entries_.empty()) entries_.resize(size_t{1} << kEntryBits);
    Entry& entry = entries_[key.slot];
    entry.parts = key.parts;
    entry.size = static_cast<uint8_t>(key.size);
    entry.count = static_cast<uint8_t>(ids.size());
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
  }

 private:
  static constexpr int kEntryBits = 15;  // 2 MiB

  struct alignas(64) Entry {
    std::array<uint64_t, 3> parts{};
    std::array<TokenId, kWordIdsMax> ids{};
    uint8_t size = 0;  // 0: free
    uint8_t count = 0;
  };

  std::vector<Entry> entries_;
};

}  // namespace kedge::text
