#pragma once
// What kind of character a code point is: the Unicode general category as flags that combine.

#include <cstdint>

namespace kedge::text {

enum CharacterFlag : uint16_t {
  kUpper = 1 << 0,         // Lu, Lt
  kLower = 1 << 1,         // Ll
  kOtherLetter = 1 << 2,   // Lm, Lo
  kMark = 1 << 3,          // Mn, Mc, Me
  kNonspacing = 1 << 4,    // Mn
  kDecimal = 1 << 5,       // Nd
  kOtherNumber = 1 << 6,   // Nl, No
  kLetterNumber = 1 << 7,  // Nl
  kPunctuation = 1 << 8,   // Pc, Pd, Ps, Pe, Pi, Pf, Po
  kConnector = 1 << 9,     // Pc
  kSpace = 1 << 10,        // White_Space
  kControl = 1 << 11,      // Cc, Cf, Co
  kNfcStable = 1 << 12,    // a starter that NFC keeps and that composes with nothing before it
};

inline constexpr uint16_t kLetter = kUpper | kLower | kOtherLetter;
inline constexpr uint16_t kNumber = kDecimal | kOtherNumber;

/// Flags of `code`; 0 for what is unassigned or no code point. Safe from any thread.
uint16_t character_flags(char32_t code);

/// \w of the regular expressions of Rust: letters, marks, decimal and letter numbers, connectors, joiners.
bool is_word_character(char32_t code);

/// The category knowledge of the library that defines BERT's normalizer: it stops at Unicode 7, so that marks and
/// punctuation assigned later are neither. Without this, texts in young scripts get other ids than in training.
bool is_bert_nonspacing_mark(char32_t code);
bool is_bert_punctuation(char32_t code);
bool is_bert_ideograph(char32_t code);

/// Marks, and characters with decompositions, that Unicode 9 did not have. The library behind the normal forms of
/// tokenizer.json stops there: it takes them for plain starters and keeps them as they are.
bool is_after_unicode9(char32_t code);

/// Canonical combining class by Unicode 9; 0 for starters.
uint8_t combining_class(char32_t code);

/// What tokenizer.json's StripAccents removes: marks of Unicode 9.
bool is_strippable_mark(char32_t code);

}  // namespace kedge::text
