#pragma once
// Grammars in llama.cpp's notation (GBNF): rules "name ::= alternatives", of which "root" is the whole text.

#include <string_view>

#include "grammar/builder.h"

namespace kedge::grammar {

/// The rule "root". Fails with invalid_input: line, what was found, what was expected.
Result<RuleId> parse_gbnf(Builder& builder, std::string_view source);

}  // namespace kedge::grammar
