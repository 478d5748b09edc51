#pragma once
// A chat request made ready: what its prompt is, and how it runs.

#include <string>

#include "serve/chat_request.h"
#include "serve/generation.h"
#include "serve/prompt.h"

namespace kedge::serve {

/// The prompt as the model's template writes it, tools told of; the request gets the constraint that its tools make.
/// Fails with 400: no template, it refuses, a tool's schema is not supported.
struct RenderedChat {
  PreparedPrompt prompt;
  std::optional<ToolSyntax> tool_syntax;
};
ApiResult<RenderedChat> render_chat(ChatRequest& request, ServedModel& model);

/// All of the job but its `format`.
ApiResult<GenerationJob> chat_job(const ServeContext& context, ChatRequest& request, Caller caller);

/// Id, time and model of an answer that begins now.
AnswerHead answer_head(std::string_view id_prefix, const GenerationJob& job);

/// Points the job at the model that the request names, and `request` at its adapter where it is one's name.
ApiStatus choose_model(const ServeContext& context, GenerationOptions& options, RequestTrace& caller,
                       GenerationJob& job);

}  // namespace kedge::serve
