#pragma once
// What a model's answers become before they are documents: NeMo Curator's (1.4) DiverseQAPostProcessingStage and
// KnowledgeListPostProcessingStage.

#include <cstdint>
#include <string>
#include <string_view>

namespace kedge::curate {

struct QuestionSampling {
  uint64_t seed = 0;         // another one draws other pairs, in another order
  size_t pairs_max = 10;     // of any text; with `text_tokens` times its length in 150 tokens
  int64_t text_tokens = -1;  // of the text asked about; -1: they do not matter
};

/// The text, and behind it some of the answer's questions with their answers, in an order drawn by the seed: one to as
/// many as `sampling` allows. A first line that says "Here are the questions and answers based on the provided text:"
/// and bullets are taken off. Empty where the answer does not begin with "Question:" then.
std::string with_questions(std::string_view text, std::string_view answer, const QuestionSampling& sampling);

/// The answer's lines without bullets and indentation; a first line that is no bullet is left out.
std::string plain_list(std::string_view answer);

}  // namespace kedge::curate
