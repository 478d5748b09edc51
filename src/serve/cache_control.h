#pragma once
// Anthropic's marks of what is to stay in the prompt cache: cache_control of blocks, tools and the request itself.

#include "kedge/engine.h"
#include "serve/fields.h"

namespace kedge::serve {

/// Looks for marks in 'system', 'messages', 'tools' and at the top; with any, the whole prompt stays for the longest of
/// their times. Fails with 400 that names the mark.
ApiStatus read_cache_marks(const Json& body, Request& request);

/// The JSON Schema of a mark.
Json cache_control_schema();

}  // namespace kedge::serve
