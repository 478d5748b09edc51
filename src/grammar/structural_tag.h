#pragma once
// Free text with tags whose content follows a grammar: tool calls, mostly.

#include <functional>
#include <optional>

#include "grammar/json_text.h"

namespace kedge::grammar {

/// The special token that is spelled so; nothing where the vocabulary has none.
using FindToken = std::function<std::optional<TokenId>(std::string_view)>;

/// `source`: {"type": "structural_tag", "format": FORMAT}, FORMAT being one of
///   {"type": "const_string", "value"}, {"type": "token", "token"} (text where the vocabulary has no such token),
///   {"type": "json_schema", "json_schema"}, {"type": "regex", "pattern"}, {"type": "grammar", "grammar"} (GBNF),
///   {"type": "keyword_arguments", "json_schema"} (key=value, ... as Python has it), {"type": "any_text"}, {"type":
///   "sequence" or "or", "elements"}, {"type": "tag", "begin", "content", "end"},
///   {"type": "triggered_tags", "triggers", "tags", "at_least_one", "stop_after_first"},
///   {"type": "tags_with_separator", "tags", "separator", "at_least_one", "stop_after_first"};
/// or vLLM's older {"structures": [{"begin", "schema", "end"}], "triggers"}.
/// A trigger, "begin" or "end" is a text or a {"type": "token"}. Fails with invalid_input, naming the place.
Result<ExpressionId> parse_structural_tag(Builder& builder, const Json& source, const FindToken& find_token);

}  // namespace kedge::grammar
