#pragma once
// Prompts become tokens that fit the model.

#include <string>
#include <vector>

#include "net/http_server_message.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/model_registry.h"

namespace kedge::serve {

struct PreparedPrompt {
  std::string text;  // for echo
  std::vector<TokenId> tokens;
};

/// The conversation as the model's chat template writes it. Fails with 400 when there is no template or it refuses.
ApiResult<PreparedPrompt> prepare_chat(const ChatRequest& request, ServedModel& model);

/// A text gets the tokenizer's own BOS and EOS; ids are checked against the vocabulary. `param` names the field.
ApiResult<PreparedPrompt> prepare_prompt(const Prompt& prompt, const std::string& param, ServedModel& model);

/// The engine's request: the prompt with what `options` ask for, the answer cut to what the context has left.
/// Fails with 400 context_length_exceeded.
ApiResult<Request> engine_request(const GenerationOptions& options, uint32_t default_new_tokens_max,
                                  std::vector<TokenId> tokens, const std::string& param, ServedModel& model);

/// 400 unless the model generates text.
ApiStatus require_decoder(ServedModel& model);

}  // namespace kedge::serve
