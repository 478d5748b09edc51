#pragma once
// Tells documents of equal keys from others.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "curate/dedup/growing.h"
#include "curate/dedup/keys.h"

namespace kedge::curate {

/// Grows a part at a time, and what it holds is never copied whole: who fills it beside the work of others holds up
/// nobody. One thread at a time. Key: TextHash, or a band's 64 bits.
template <typename Key>
class KeyTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// expected: documents; more may come.
  explicit KeyTable(uint32_t expected = 0) {
    const size_t places = std::bit_ceil(std::max<size_t>(size_t{expected} * 4 / 3 / kParts, 16));
    for (Part& part : parts_) part.places.resize(places);
  }

  void clear() {
    for (Part& part : parts_) {
      std::ranges::fill(part.places, Place());
      part.taken = 0;
    }
  }
  /// Has the place of a key read that first_of will be asked for soon. (Always inlined: GCC 12 drops calls of functions
  /// that do nothing but prefetch.)
  [[gnu::always_inline]] void prefetch(const Key& key) const {
    const uint64_t bits = spread(key);
    const Part& part = parts_[part_of(bits)];
    __builtin_prefetch(&part.places[static_cast<uint32_t>(bits) & (part.places.size() - 1)]);
  }
  /// The first document of this key: `document`, where there was none. Documents come ascending.
  uint32_t first_of(const Key& key, uint32_t document) {
    while (keys_.size() <= document) keys_.push_back({});
    keys_[document] = key;
    const uint64_t bits = spread(key);
    const auto tag = static_cast<uint32_t>(bits);
    Part& part = parts_[part_of(bits)];
    if (4 * (part.taken + 1) > 3 * part.places.size()) part.grow();
    const size_t mask = part.places.size() - 1;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
      Place& place = part.places[at];
      if (place.first == kNone) {
        place = {tag, document};
        ++part.taken;
        return document;
      }
      if (place.tag == tag && keys_[place.first] == key) return place.first;
    }
  }

 private:
  static constexpr size_t kParts = 64;
  struct Place {
    uint32_t tag = 0;  // most keys that differ do so here
    uint32_t first = kNone;
  };
  struct Part {
    std::vector<Place> places;  // at most three of four are taken
    size_t taken = 0;

    void grow() {
      std::vector<Place> before(2 * places.size());
      before.swap(places);
      const size_t mask = places.size() - 1;
      for (const Place& place : before) {
        if (place.first == kNone) continue;
        size_t at = place.tag & mask;
        while (places[at].first != kNone) at = (at + 1) & mask;
        places[at] = place;
      }
    }
  };

  static uint64_t bits_of(uint64_t key) { return key; }
  static uint64_t bits_of(const TextHash& key) { return key.high; }
  /// Spreads keys that differ in few bits over the upper ones (Knuth, TAOCP 3, 6.4), of which 38 are left.
  static uint64_t spread(const Key& key) { return bits_of(key) * 0x9E3779B97F4A7C15 >> 26; }
  static size_t part_of(uint64_t bits) { return bits >> 32; }

  Growing<Key> keys_;  // of documents that came
  std::array<Part, kParts> parts_;
};

}  // namespace kedge::curate
