#pragma once
// C4's rules for single lines (Raffel et al. 2020), as DataTrove 0.10 has them.

#include <cstddef>
#include <cstdint>
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
  bool lorem_ipsum = false;           // these two drop the document
  bool curly_brackets = false;
};

enum class C4Verdict : uint8_t { keep, drop_line, lorem_ipsum, curly_bracket };

/// Of a line between two breaks; `line`: what is kept of it, trimmed.
C4Verdict judge_c4_line(CodeView raw, const C4LineRules& rules, std::u32string& line);

/// The lines that are kept, one newline between them. Whole documents are not judged.
std::u32string keep_c4_lines(CodeView text, const C4LineRules& rules);

}  // namespace kedge::curate
