#pragma once
// Classes of code points as Python's str and re have them, which the peers' definitions rest on.

#include <array>
#include <cstdint>

namespace kedge::curate {

enum CharacterClass : uint16_t {
  kSpace = 1 << 0,        // str.isspace, \s
  kLineBreak = 1 << 1,    // where str.splitlines cuts
  kAlpha = 1 << 2,        // str.isalpha: categories L*
  kAlphabetic = 1 << 3,   // the Unicode property, [[:alpha:]]
  kWord = 1 << 4,         // \w
  kDigit = 1 << 5,        // category Nd
  kUpper = 1 << 6,        // category Lu, Lt
  kLower = 1 << 7,        // category Ll
  kNonspacing = 1 << 8,   // category Mn
  kPunctuation = 1 << 9,  // categories P*
  kCased = 1 << 10,       // property Cased
  kIgnorable = 1 << 11,   // property Case_Ignorable
  kMark = 1 << 12,        // categories M*
  kSymbol = 1 << 13,      // categories S*
};

namespace detail {
inline constexpr char32_t kTableSize = 0x20000;  // beyond lie ideographs and little else
using Table = std::array<uint16_t, kTableSize>;
const Table& class_table();  // made at the first call
uint16_t compute_classes(char32_t code);
}  // namespace detail

/// Flags of CharacterClass. Safe from any thread.
inline uint16_t classes_of(char32_t code) {
  static const detail::Table& table = detail::class_table();
  return code < detail::kTableSize ? table[code] : detail::compute_classes(code);
}

inline bool is(char32_t code, uint16_t classes) {
  return (classes_of(code) & classes) != 0;
}

/// The kind of script, coarse: enough to tell writing systems apart (ICU's UScriptCode).
int script_of(char32_t code);

}  // namespace kedge::curate
