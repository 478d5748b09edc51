#pragma once
// What fastText's classifiers are made of, for those who read and those who write them (Joulin et al. 2017; the file
// format of fastText 0.9).

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::curate::fasttext {

inline constexpr int32_t kMagic = 793712314;
inline constexpr int32_t kVersion = 12;
inline constexpr std::string_view kLabelPrefix = "__label__";
inline constexpr std::string_view kEndOfLine = "</s>";
inline constexpr std::string_view kSpaces = std::string_view(" \n\r\t\v\f\0", 7);

enum class Loss : int32_t { hierarchical = 1, negative = 2, softmax = 3, one_against_all = 4 };

/// 32-bit FNV-1a over signed bytes, as fastText has it.
inline uint32_t hash_of(std::string_view bytes) {
  uint32_t hash = 2166136261U;
  for (const char c : bytes) hash = (hash ^ static_cast<uint32_t>(static_cast<int8_t>(c))) * 16777619U;
  return hash;
}

inline bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// The pieces of a word, `least` to `most` characters long, with "<" before and ">" after it.
template <typename Use>
void for_each_piece(std::string_view word, int32_t least, int32_t most, const Use& use) {
  const std::string framed = "<" + std::string(word) + ">";
  for (size_t i = 0; i < framed.size(); ++i) {
    if (is_continuation(framed[i])) continue;
    size_t end = i;
    for (int32_t n = 1; end < framed.size() && n <= most; ++n) {
      ++end;
      while (end < framed.size() && is_continuation(framed[end])) ++end;
      const bool border = n == 1 && (i == 0 || end == framed.size());
      if (n >= least && !border) use(std::string_view(framed).substr(i, end - i));
    }
  }
}

/// The hashes of runs of two to `most` words, from the words' own.
template <typename Use>
void for_each_run(const std::vector<uint32_t>& words, int32_t most, const Use& use) {
  const auto widened = [](uint32_t hash) { return static_cast<uint64_t>(int64_t{static_cast<int32_t>(hash)}); };
  for (size_t i = 0; i < words.size(); ++i) {
    uint64_t hash = widened(words[i]);
    for (size_t j = i + 1; j < words.size() && j < i + static_cast<size_t>(most); ++j) {
      hash = hash * 116049371U + widened(words[j]);
      use(hash);
    }
  }
}

/// Ends with the end of the line, which is a word too; one written out in the text ends it there.
template <typename Use>
void for_each_word(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(text.find_first_of(kSpaces, begin), text.size());
    if (text.substr(begin, end - begin) == kEndOfLine) break;
    use(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  use(kEndOfLine);
}

/// A question of the tree over the labels: how often it is asked, and where its answers lead.
struct TreeNode {
  int32_t parent = -1, left = -1, right = -1;
  int64_t count = 0;
};

/// Huffman's tree over how often the labels were seen in training, joined as fastText joins them; the leaves come
/// first, the root is the last. REQUIRES: counts fall, and are far below 1e15.
std::vector<TreeNode> build_tree(const std::vector<int64_t>& counts);

}  // namespace kedge::curate::fasttext
