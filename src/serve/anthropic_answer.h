#pragma once
// Answers and errors in the form of Anthropic's Messages API.

#include <memory>
#include <string>
#include <vector>

#include "serve/answer_writer.h"

namespace kedge::serve {

/// `prompt_tokens`: told before the first token. `stops`: the strings that end the answer, which still has them.
std::unique_ptr<AnswerWriter> anthropic_writer(std::string model, uint64_t prompt_tokens,
                                               std::vector<std::string> stops);

net::ServerResponse anthropic_error_response(const ApiError& error);

Json anthropic_answer_schema();
Json anthropic_error_schema();

}  // namespace kedge::serve
