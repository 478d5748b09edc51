#pragma once
// The split patterns of the well-known byte-level vocabularies, written out by hand: each is a regular expression that
// covers any text word by word.

#include <cstddef>
#include <string_view>

namespace kedge::text {

/// The end of the word that begins at `begin`. Any bytes; a byte that is not UTF-8 counts as a symbol. The words of a
/// text together take time linear in its length. REQUIRES: begin < text.size().
using WordScanner = size_t (*)(std::string_view text, size_t begin);

/// The scanner for a pattern with exactly this text; nullptr for any other.
WordScanner find_word_scanner(std::string_view pattern);

/// The pattern of GPT-2, which tokenizer.json implies instead of spelling it.
WordScanner gpt2_word_scanner();

extern const std::string_view kGpt2Pattern;
extern const std::string_view kLlama3Pattern;
extern const std::string_view kQwen2Pattern;
extern const std::string_view kTekkenPattern;
extern const std::string_view kGpt4oPattern;

}  // namespace kedge::text
