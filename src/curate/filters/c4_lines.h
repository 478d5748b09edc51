#pragma once
// C4's rules for single lines (Raffel et al. 2020), as DataTrove 0.10 has them.

#include <cstddef>
#include <string>

#include "curate/code_text.h"

namespace kedge::curate {

struct C4LineRules {
  bool citations = true;  // cut `[12]`, `[edit]` and `[citation needed]` out
  bool terminal = true;   // drop lines that end in none of . ? ! " '
  bool javascript = true;
  bool policies = true;
  size_t words_min = 3;               // per line
  size_t word_characters_max = 1000;  // a longer word takes its line with it
};

/// The line without `[12]`, `[edit]` and `[citation needed]`.
std::u32string without_citations(CodeView line);

/// The lines that pass, trimmed, one newline between them. Whole documents are not judged.
std::u32string keep_c4_lines(CodeView text, const C4LineRules& rules);

}  // namespace kedge::curate
