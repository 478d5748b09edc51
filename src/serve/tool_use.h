#pragma once
// A chat request's tools, as the model at hand calls them.

#include <optional>

#include "serve/chat_request.h"
#include "serve/model_registry.h"
#include "serve/tool_syntax.h"

namespace kedge::serve {

/// Constrains the answer to calls that are valid under the tools' schemas, or text where tool_choice leaves it open,
/// and tells the model of the tools where its template does not. The syntax to look for in the answer; nothing: no
/// calls. Fails with 400: a tool's schema is not supported and the tool is strict.
ApiResult<std::optional<ToolSyntax>> prepare_tools(ChatRequest& request, ServedModel& model);

}  // namespace kedge::serve
