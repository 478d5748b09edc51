#pragma once
// Regular expressions, as ECMA-262 writes them and Python and Rust nearly do.

#include <string_view>

#include "grammar/text_form.h"

namespace kedge::grammar {

enum class RegexMatch : uint8_t {
  whole,  // the expression matches the whole text
  search  // it matches somewhere in the text, unless anchored (JSON Schema's "pattern")
};

/// Texts that `pattern` matches. Lazy quantifiers are read as greedy ones: the texts are the same. \d and \w are ASCII.
/// Fails with invalid_input: where, what was found, what was expected; look-around, back-references and word boundaries
/// are refused by name.
Result<ExpressionId> parse_regex(Builder& builder, std::string_view pattern, TextForm form, RegexMatch match);

}  // namespace kedge::grammar
