#pragma once
// Schemas that hold at once (allOf, or keywords beside $ref and anyOf) become one.

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::grammar {

/// Patterns of a merged schema, all of which hold: no schema has a keyword of this name.
inline constexpr const char* kPatterns = "\x01patterns";

/// The schema of the values that both allow. REQUIRES: objects without $ref, allOf.
/// Fails with invalid_input where two keywords can't become one; `path` begins the message.
Result<Json> merge_schemas(const Json& a, const Json& b, const std::string& path);

/// The types that a schema names, or that its keywords are about; empty: any.
Result<std::vector<std::string>> schema_types(const Json& schema, const std::string& path);

Error schema_error(const std::string& path, std::string_view what);

/// "#/properties/name"
std::string schema_path(const std::string& path, std::string_view part);

}  // namespace kedge::grammar
