#pragma once
// Character references of HTML and XML.

#include <string>
#include <string_view>

namespace kedge::data {

/// What a name ("amp;", and without its semicolon where HTML allows it: "amp") stands for, or null. Safe from any
/// thread.
const std::u32string* find_entity(std::string_view name);

/// The longest name's size, with its semicolon.
inline constexpr size_t kEntityNameMax = 32;

/// Appends what the reference at the front of `text` stands for: "&eacute;", "&#233;", "&#xE9;", with its semicolon.
/// Returns its bytes; 0, and nothing is appended, where none is there.
size_t append_reference(std::string& out, std::string_view text);

/// All references resolved; what is none stays.
std::string decode_entities(std::string_view text);

}  // namespace kedge::data
