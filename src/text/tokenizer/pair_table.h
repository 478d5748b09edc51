#pragma once
// A flat hash table from pairs of 32-bit numbers to pairs of 32-bit numbers: the merges of a BPE vocabulary and the
// edges of a trie. Nothing is ever removed.

#include <bit>
#include <cstdint>
#include <vector>

#include "text/tokenizer/hashing.h"
#include "text/tokenizer/huge_page_allocator.h"

namespace kedge::text {

class PairTable {
 public:
  struct Value {
    uint32_t first = kNone;
    uint32_t second = kNone;
  };
  static constexpr uint32_t kNone = 0xFFFFFFFF;  // also: no such pair

  void reserve(size_t count) {
    const size_t slot_count = std::bit_ceil(count * 3 / 2 + 16);
    if (slot_count > slots_.size()) rehash(slot_count);
  }

  /// False when the pair has a value already. REQUIRES: not both kNone.
  bool add(uint32_t left, uint32_t right, Value value) {
    if ((count_ + 1) * 3 > slots_.size() * 2) rehash(slots_.empty() ? 64 : slots_.size() * 2);
    const uint64_t key = key_of(left, right);
    Slot& slot = slots_[find_slot(key)];
    if (slot.key == key) return false;
    slot = {key, value};
    ++count_;
    return true;
  }

  [[nodiscard]] Value find(uint32_t left, uint32_t right) const {
    if (slots_.empty()) return {};
    return slots_[find_slot(key_of(left, right))].value;
  }

  /// Begins to fetch the memory that `add` or `find` of this pair will need. (Always inline: gcc 12 drops calls of
  /// functions that do nothing but prefetch.)
  [[gnu::always_inline]] void prefetch(uint32_t left, uint32_t right) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[first_slot(key_of(left, right))]);
  }

  [[nodiscard]] size_t count() const { return count_; }

 private:
  struct Slot {
    uint64_t key = kEmpty;
    Value value;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  static uint64_t key_of(uint32_t left, uint32_t right) { return static_cast<uint64_t>(left) << 32 | right; }

  [[nodiscard]] size_t first_slot(uint64_t key) const { return mix(key) * 0x9E3779B97F4A7C15ULL >> shift_; }

  [[nodiscard]] size_t find_slot(uint64_t key) const {
    size_t index = first_slot(key);
    while (slots_[index].key != key && slots_[index].key != kEmpty) index = (index + 1) & (slots_.size() - 1);
    return index;
  }

  void rehash(size_t slot_count) {
    std::vector<Slot, HugePageAllocator<Slot>> old(slot_count);
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(slot_count);
    for (const Slot& slot : old) {
      if (slot.key != kEmpty) slots_[find_slot(slot.key)] = slot;
    }
  }

  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  size_t count_ = 0;
  int shift_ = 64;
};

}  // namespace kedge::text
