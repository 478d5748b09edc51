#pragma once
// Characters that stand for others: ftfy's fixes of single characters (6.3), each on its own.

#include <string>

#include "curate/code_text.h"

namespace kedge::curate {

/// uncurl_quotes: " and ' in place of curly ones.
std::u32string with_straight_quotes(CodeView text);
/// fix_latin_ligatures: the letters in place of Latin ligatures and digraphs.
std::u32string without_ligatures(CodeView text);
/// fix_character_width: full-width Latin and half-width katakana and hangul in their usual width.
std::u32string in_usual_widths(CodeView text);
/// fix_line_breaks: CR LF, CR, U+2028, U+2029 and U+0085 become newlines.
std::u32string with_unix_lines(CodeView text);
/// remove_control_chars: those that show nothing and change nothing.
std::u32string without_controls(CodeView text);
bool is_unwanted_control(char32_t c);
/// remove_terminal_escapes: ESC [ numbers letter.
std::u32string without_terminal_codes(CodeView text);

}  // namespace kedge::curate
