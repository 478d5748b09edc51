#pragma once
// The request fields that say what an answer must look like, in OpenAI's, vLLM's and NIM's spellings.

#include "serve/generation_options.h"
#include "serve/model_registry.h"

namespace kedge::serve {

/// response_format, structured_outputs, guided_json|regex|choice|grammar, nvext. Only one of them may be used.
Fields<GenerationOptions> constraint_fields();

/// The 'text.format' of the Responses API: a response_format whose schema lies beside its type.
ApiStatus read_text_format(const Json& value, const std::string& path, GenerationOptions& options);

/// Compiles the request's constraint. Fails with 400 naming the field that it came from.
ApiStatus prepare_constraint(const GenerationOptions& options, ServedModel& model);

}  // namespace kedge::serve
