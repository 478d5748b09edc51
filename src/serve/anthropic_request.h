#pragma once
// The body of POST /v1/messages and /v1/messages/count_tokens, as a chat request.

#include "serve/chat_request.h"

namespace kedge::serve {

/// `counts_only`: max_tokens may be missing. Errors name Anthropic's fields.
ApiResult<ChatRequest> read_anthropic_request(const Json& body, bool counts_only);

/// The request's JSON Schema.
Json anthropic_request_schema(bool counts_only);

}  // namespace kedge::serve
