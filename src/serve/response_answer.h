#pragma once
// Answers in the form of OpenAI's Responses API: a list of items, or events that build it.

#include <functional>
#include <memory>

#include "kedge/tokenizer.h"
#include "serve/answer_writer.h"

namespace kedge::serve {

struct ResponseHead {
  Json response;                         // the object with everything but the answer; status "in_progress"
  const Tokenizer* tokenizer = nullptr;  // outlives the writer
  bool logprobs = false;
  bool background = false;                         // nobody waits: errors are kept as well
  std::function<void(const Json& response)> keep;  // the finished response; may be empty
};

std::unique_ptr<AnswerWriter> response_writer(ResponseHead head);

/// The items of an answer: what was thought, what was said, the calls.
Json response_schema();

}  // namespace kedge::serve
