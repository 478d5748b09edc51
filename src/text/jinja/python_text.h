#pragma once
// Python's str on UTF-8: everything counts code points, and case and whitespace are Unicode's.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::text::jinja {

/// REQUIRES for all: valid UTF-8.
size_t code_point_count(std::string_view text);

/// Byte offset of the code point `index`; the size of the text when there are fewer.
size_t byte_offset(std::string_view text, size_t index);

/// The code point at `offset`, which moves past it. REQUIRES: offset < text.size().
char32_t next_code_point(std::string_view text, size_t& offset);

void append_code_point(std::string& text, char32_t code_point);

/// Offset of the first byte that is not UTF-8 (overlong forms and surrogates included), or nothing.
std::optional<size_t> find_invalid_utf8(std::string_view text);

bool is_space(char32_t code_point);
bool is_word(char32_t code_point);  // \w of a regular expression
bool is_printable(char32_t code_point);

/// str.isalpha, isdigit and the like, by name; nothing for a name that is none of them.
std::optional<bool> has_property(std::string_view text, std::string_view method);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // str.title
std::string to_capitalized(std::string_view text);  // str.capitalize
std::string to_swapped_case(std::string_view text);

enum class Side : uint8_t { left, right, both };

/// str.strip, lstrip and rstrip: of whitespace, or of the code points in `characters`.
std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> characters = std::nullopt);

/// Byte offset of the first (or last) occurrence at or after `from`; npos where there is none. Linear time.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);
size_t find_text_last(std::string_view text, std::string_view needle);
size_t count_text(std::string_view text, std::string_view needle);

/// str.replace; `count_max` < 0 replaces all.
std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t count_max);

/// str.split and rsplit; no separator splits at runs of whitespace. `splits_max` < 0: no limit.
std::vector<std::string_view> split_text(std::string_view text, std::optional<std::string_view> separator,
                                         int64_t splits_max);
std::vector<std::string_view> split_text_last(std::string_view text, std::optional<std::string_view> separator,
                                              int64_t splits_max);

/// str.splitlines: at every line boundary that Python knows.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace kedge::text::jinja
