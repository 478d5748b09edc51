#pragma once
// JSON Schema (draft 2020-12) as a grammar of the JSON texts that it allows.

#include "grammar/json_text.h"

namespace kedge::grammar {

/// Texts that are valid under `schema`. Not every valid text: members come in the schema's order, members that it does
/// not name only where additionalProperties says so, integers are written without fraction.
/// Fails with invalid_input: the path within the schema and what is wrong or not supported there.
Result<ExpressionId> parse_json_schema(Builder& builder, JsonText& json, const Json& schema);

}  // namespace kedge::grammar
