#pragma once
// Text as code points, cut and stripped as Python's str does it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "curate/characters.h"

namespace kedge::curate {

using CodeView = std::u32string_view;

/// Code points of valid UTF-8.
std::u32string to_codes(std::string_view utf8);
std::string to_utf8(CodeView codes);
void append_utf8(std::string& out, CodeView codes);

CodeView strip(CodeView text);
CodeView strip_left(CodeView text);
CodeView strip_right(CodeView text);
bool is_blank(CodeView text);

/// str.split(): the runs without white space.
std::vector<CodeView> split_words(CodeView text);
/// str.split(separator), empty parts kept.
std::vector<CodeView> split_at(CodeView text, CodeView separator);
/// str.splitlines().
std::vector<CodeView> split_lines(CodeView text);

/// str.lower(), final sigmas too.
std::u32string to_lower(CodeView text);

/// str.upper() of single characters: full mappings, without context.
std::u32string to_upper(CodeView text);

bool contains(CodeView text, CodeView part);
/// How often `part` occurs, occurrences that overlap counted once. REQUIRES: part is not empty.
size_t count_of(CodeView text, CodeView part);

/// Ends with one of these characters.
bool ends_with_any(CodeView text, CodeView characters);

}  // namespace kedge::curate
