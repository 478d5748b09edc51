#pragma once
// Named character references of HTML.

#include <optional>
#include <string>

#include "curate/code_text.h"
#include "data/markup/entities.h"

namespace kedge::curate {

/// What `name` ("amp;", "eacute") stands for, or null. Safe from any thread.
const std::u32string* find_entity(CodeView name);

using data::kEntityNameMax;

/// What a numeric reference stands for in HTML: Windows-1252 for the controls from 0x80, U+FFFD for what is no
/// character.
char32_t numeric_reference(uint32_t number);

/// A character reference at the front of `text`, which begins with '&': what it stands for, and how long it is.
struct Reference {
  std::u32string text;
  size_t length = 0;
};
/// Nothing when there is none. `strict`: only with its semicolon.
std::optional<Reference> read_reference(CodeView text, bool strict);

}  // namespace kedge::curate
