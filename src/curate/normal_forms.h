#pragma once
// Unicode normal forms and case folding, by ICU.

#include <string>

#include "curate/code_text.h"

namespace kedge::curate {

enum class NormalForm : uint8_t { nfc, nfd, nfkc, nfkd };

std::u32string to_normal_form(CodeView text, NormalForm form);
std::u32string to_nfc(CodeView text);
std::u32string to_nfd(CodeView text);
/// Full case folding: "ß" becomes "ss".
std::u32string fold_case(CodeView text);

/// What exact deduplication by text compares: NFC, folded, NFC again, each run of white space one space, trimmed.
std::string comparable_text(std::string_view utf8);

/// DataTrove's simplified text: lower case, numbers "0", punctuation and runs of white space one space, no accents.
std::u32string simplify_text(CodeView text);

}  // namespace kedge::curate
