#pragma once
// How characters of a text are written: as they are, or inside a JSON string.

#include "grammar/builder.h"

namespace kedge::grammar {

enum class TextForm : uint8_t { plain, json_string };

/// One character of the set, in its shortest spelling: JSON escapes only what it must.
ExpressionId character(Builder& builder, const CodePointSet& set, TextForm form);

/// Any number of characters.
ExpressionId any_text(Builder& builder, TextForm form);

/// `text` within the quotes of a JSON string. REQUIRES: valid UTF-8.
std::string json_escaped(std::string_view text);

}  // namespace kedge::grammar
