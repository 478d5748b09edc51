#pragma once
// Runs of words, counted exactly: a word is a number, and a run of n words is the pair of the run of n - 1 and a word.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Gives each distinct key the next number, from 0.
class PairNumbers {
 public:
  /// Forgets everything; room for `count` keys.
  void reset(size_t count);
  uint32_t number(uint64_t key);
  /// The next number, for a key that is known to occur once and need not be found again.
  uint32_t number_once() { return size_++; }
  [[nodiscard]] uint32_t size() const { return size_; }

 private:
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> numbers_;  // 0: free, else number + 1
  uint64_t mask_ = 0;
  uint32_t size_ = 0;
};

/// The distinct strings of a list as numbers, in order of first occurrence.
class StringNumbers {
 public:
  std::vector<uint32_t> number(std::span<const CodeView> strings);
  [[nodiscard]] uint32_t size() const { return size_; }

 private:
  uint32_t size_ = 0;
};

/// Walks over the runs of 1, 2, 3 ... words.
class NgramWalk {
 public:
  /// REQUIRES: words are numbered from 0 without gaps.
  explicit NgramWalk(std::vector<uint32_t> words);

  /// On to runs one word longer. Afterwards `grams()[i]` is the number of the run that begins at word i; equal runs
  /// have equal numbers, in order of first occurrence.
  void lengthen();
  [[nodiscard]] std::span<const uint32_t> grams() const { return grams_; }
  [[nodiscard]] size_t length() const { return length_; }
  /// Distinct runs.
  [[nodiscard]] uint32_t distinct() const { return distinct_; }

 private:
  std::vector<uint32_t> words_;
  std::vector<uint32_t> grams_;
  PairNumbers pairs_;
  uint32_t distinct_ = 0;
  size_t length_ = 1;
};

/// The most frequent number (the one that occurs first among equals): where it first stands, and how often. Count 0
/// for an empty list.
struct MostFrequent {
  size_t index = 0;
  uint32_t count = 0;
};
MostFrequent most_frequent(std::span<const uint32_t> numbers, uint32_t distinct);

}  // namespace kedge::curate
