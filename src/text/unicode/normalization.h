#pragma once
// Unicode normalization forms and case, over UTF-8 that may be broken: invalid bytes are kept where they stand.

#include <string>
#include <string_view>

namespace kedge::text {

enum class NormalizationForm { nfc, nfd, nfkc, nfkd };

/// Whether NFC certainly keeps `text`; false is "maybe not". Far cheaper than normalizing.
bool is_plainly_nfc(std::string_view text);

/// Takes time n log n at most, also for long runs of combining marks.
std::string normalize(std::string_view text, NormalizationForm form);

/// Appends the full lower-case mapping of `code` (one character, or two for U+0130).
void append_lower(std::string& out, char32_t code);

}  // namespace kedge::text
