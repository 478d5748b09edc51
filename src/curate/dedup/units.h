#pragma once
// Texts cut into sentences or paragraphs.

#include <cstdint>
#include <string_view>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Bytes [begin, end) of a text.
struct ByteSpan {
  uint32_t begin = 0, end = 0;
  bool operator==(const ByteSpan&) const = default;
};

/// A sentence or paragraph. `bytes` has the white space (sentence) or is the line with its end (paragraph).
struct Unit {
  ByteSpan bytes;
  std::u32string text;  // without that
};

/// spaCy's rule-based sentences, as DataTrove cuts them; the white space before one belongs to it.
std::vector<Unit> sentences_of(std::string_view text);
/// Lines that are not blank.
std::vector<Unit> paragraphs_of(std::string_view text);

/// CCNet's `normalize_for_dedup`: trimmed, lower case, digits 0, its list of punctuation and control characters gone.
std::u32string ccnet_normal_form(CodeView line);
/// The first 8 bytes of its SHA-1, as CCNet keeps them (Wenzek et al. 2020).
uint64_t ccnet_hash(CodeView line);

/// How many words DataTrove counts: tokens that are not white space.
size_t word_count(std::string_view text);

}  // namespace kedge::curate
