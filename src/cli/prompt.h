#pragma once
// From a conversation to the token ids of its prompt.

#include <string>
#include <vector>

#include "core/json.h"
#include "kedge/engine.h"

namespace kedge::cli {

/// Renders the model's chat template over `messages` ([{role, content}]) and encodes it. Without a template: the last
/// message's text, with the tokenizer's own BOS. Fails when the template refuses or the model has no tokenizer.
Result<std::vector<TokenId>> chat_prompt(const Engine& engine, const Json& messages);

/// The text as it is, with the tokenizer's own BOS.
Result<std::vector<TokenId>> plain_prompt(const Engine& engine, const std::string& text);

/// YYYY-MM-DD, local time: what templates use for dates.
std::string today();

}  // namespace kedge::cli
