#include "curate/ngrams.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace kedge::curate {
namespace {

uint64_t mix(uint64_t key) {
  key ^= key >> 32;
  key *= 0x9E3779B97F4A7C15ULL;
  return key ^ (key >> 29);
}

uint64_t hash_codes(CodeView text) {
  return XXH3_64bits(text.data(), text.size() * sizeof(char32_t));
}

}  // namespace

void PairNumbers::reset(size_t count) {
  const uint64_t slots = std::bit_ceil(std::max<size_t>(16, count * 2));
  keys_.resize(slots);
  numbers_.assign(slots, 0);
  mask_ = slots - 1;
  size_ = 0;
}

uint32_t PairNumbers::number(uint64_t key) {
  for (uint64_t slot = mix(key) & mask_;; slot = (slot + 1) & mask_) {
    if (numbers_[slot] == 0) {
      keys_[slot] = key;
      numbers_[slot] = ++size_;
      return size_ - 1;
    }
    if (keys_[slot] == key) return numbers_[slot] - 1;
  }
}

std::vector<uint32_t> StringNumbers::number(std::span<const CodeView> strings) {
  const uint64_t mask = std::bit_ceil(std::max<size_t>(16, strings.size() * 2)) - 1;
  std::vector<uint32_t> slots(mask + 1, 0);  // 0: free, else index of the first equal string + 1
  std::vector<uint32_t> numbers(strings.size());
  size_ = 0;
  for (uint32_t i = 0; i < strings.size(); ++i) {
    uint64_t slot = hash_codes(strings[i]) & mask;
    while (slots[slot] != 0 && strings[slots[slot] - 1] != strings[i]) slot = (slot + 1) & mask;
    if (slots[slot] == 0) {
      slots[slot] = i + 1;
      numbers[i] = size_++;
    } else {
      numbers[i] = numbers[slots[slot] - 1];
    }
  }
  return numbers;
}

NgramWalk::NgramWalk(std::vector<uint32_t> words) : words_(std::move(words)), grams_(words_) {
  if (!words_.empty()) distinct_ = *std::max_element(words_.begin(), words_.end()) + 1;
}

void NgramWalk::lengthen() {
  ++length_;
  if (grams_.empty()) return;
  // A run that occurs once stays alone when it grows: most long runs do, and need no look-up.
  std::vector<uint32_t> counts(distinct_, 0);
  for (const uint32_t gram : grams_) ++counts[gram];
  grams_.pop_back();
  pairs_.reset(grams_.size());
  for (size_t i = 0; i < grams_.size(); ++i) {
    const uint32_t gram = grams_[i];
    grams_[i] =
        counts[gram] == 1 ? pairs_.number_once() : pairs_.number(uint64_t{gram} << 32 | words_[i + length_ - 1]);
  }
  distinct_ = pairs_.size();
}

MostFrequent most_frequent(std::span<const uint32_t> numbers, uint32_t distinct) {
  std::vector<uint32_t> counts(distinct, 0);
  for (const uint32_t number : numbers) ++counts[number];
  if (counts.empty()) return {};
  const auto best = std::max_element(counts.begin(), counts.end());
  const auto number = static_cast<uint32_t>(best - counts.begin());
  const auto at = std::find(numbers.begin(), numbers.end(), number);
  return {static_cast<size_t>(at - numbers.begin()), *best};
}

}  // namespace kedge::curate
