#include "curate/dedup/shingles.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "curate/english/english_tokenizer.h"
#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

uint64_t hash_of(CodeView text) {
  return XXH3_64bits(text.data(), text.size() * sizeof(char32_t));
}

/// Each run of five word hashes as one.
std::vector<uint64_t> runs(const std::vector<uint64_t>& words) {
  const size_t length = std::min(words.size(), kShingleWords);
  std::vector<uint64_t> shingles;
  shingles.reserve(words.size());
  for (size_t i = 0; i + length <= words.size(); ++i) {
    shingles.push_back(XXH3_64bits(words.data() + i, length * sizeof(uint64_t)));
    if (length == 0) break;  // no words: the empty run
  }
  return shingles;
}

}  // namespace

std::vector<uint64_t> word_shingles(CodeView text) {
  const std::u32string lower = to_lower(text);
  std::vector<uint64_t> words;
  for (size_t i = 0; i < lower.size();) {
    while (i < lower.size() && !is(lower[i], kWord)) ++i;
    const size_t begin = i;
    while (i < lower.size() && is(lower[i], kWord)) ++i;
    if (i > begin) words.push_back(hash_of(CodeView(lower).substr(begin, i - begin)));
  }
  return runs(words);
}

std::vector<uint64_t> datatrove_shingles(CodeView text) {
  const std::u32string simple = simplify_text(text);
  std::vector<uint64_t> words;
  for (const CodeView token : EnglishTokenizer::instance().tokenize(simple)) {
    const CodeView word = strip(token);
    if (!word.empty()) words.push_back(hash_of(word));
  }
  return runs(words);
}

std::vector<uint64_t> character_shingles(CodeView text) {
  if (text.size() <= kShingleCharacters) return {hash_of(text)};
  constexpr uint64_t kBase = 0x9E3779B97F4A7C15ULL;
  uint64_t leaving = 1;  // the factor of the character that leaves the window
  for (size_t i = 1; i < kShingleCharacters; ++i) leaving *= kBase;
  std::vector<uint64_t> shingles;
  shingles.reserve(text.size());
  uint64_t rolling = 0;
  const auto spread = [](char32_t c) { return (uint64_t{c} + 1) * 0xD6E8FEB86659FD93ULL; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (i >= kShingleCharacters) rolling -= leaving * spread(text[i - kShingleCharacters]);
    rolling = rolling * kBase + spread(text[i]);
    if (i + 1 < kShingleCharacters) continue;
    uint64_t mixed = rolling ^ (rolling >> 32);  // a rolling hash is linear; what compares hashes must not see that
    mixed *= 0xD6E8FEB86659FD93ULL;
    shingles.push_back(mixed ^ (mixed >> 32));
  }
  return shingles;
}

void make_set(std::vector<uint64_t>& shingles) {
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
}

double jaccard(std::span<const uint64_t> a, std::span<const uint64_t> b) {
  size_t shared = 0;
  for (size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    if (a[i] == b[k]) {
      ++shared;
      ++i;
      ++k;
    } else if (a[i] < b[k]) {
      ++i;
    } else {
      ++k;
    }
  }
  const size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
}

}  // namespace kedge::curate
