#pragma once
// The pieces of a text whose sets are compared: runs of words or windows of characters, as hashes.

#include <cstdint>
#include <span>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

inline constexpr size_t kShingleWords = 5;
inline constexpr size_t kShingleCharacters = 24;

/// Runs of five lower-cased \w+ words; the one shorter run when there are fewer.
std::vector<uint64_t> word_shingles(CodeView text);
/// Runs of five words of DataTrove's simplified text, by its tokenizer.
std::vector<uint64_t> datatrove_shingles(CodeView text);
/// Windows of 24 characters of the text as it is; the whole text when it is shorter.
std::vector<uint64_t> character_shingles(CodeView text);

/// Sorted, each once.
void make_set(std::vector<uint64_t>& shingles);
/// Of two sets: what they share over what either has.
double jaccard(std::span<const uint64_t> a, std::span<const uint64_t> b);

}  // namespace kedge::curate
