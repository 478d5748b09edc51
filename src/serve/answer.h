#pragma once
// How generated tokens become the JSON of an answer, whole or chunk by chunk.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kedge/engine.h"
#include "kedge/tokenizer.h"
#include "serve/api_error.h"
#include "serve/tool_parser.h"

namespace kedge::serve {

struct AnswerToken {
  TokenId token = 0;
  std::optional<float> logprob;  // absent for a prompt's first token
  std::vector<TokenLogprob> top_logprobs;
  size_t text_offset = 0;  // characters of the answer before this token's
};

/// A piece of one choice: what one event brought, or all of it.
struct AnswerPart {
  uint32_t choice = 0;
  std::string text;
  std::vector<AnswerToken> tokens;  // with log-probabilities; empty when none were asked for
  FinishReason finish = FinishReason::none;
  std::string reasoning;
  std::vector<ToolCallPiece> calls;
  bool has_called = false;  // in this part or one before it
};

/// Token counts and times of a whole answer.
struct AnswerTotals {
  RequestTimings timings;  // summed over the requests
  uint64_t reasoning_tokens = 0;
};

/// What all parts of one answer share.
struct AnswerHead {
  std::string id;
  int64_t created = 0;
  std::string model;
  std::string fingerprint;
};

/// Writes one kind of answer. Immutable.
class AnswerFormat {
 public:
  explicit AnswerFormat(AnswerHead head) : head_(std::move(head)) {}
  virtual ~AnswerFormat() = default;

  /// The whole answer.
  [[nodiscard]] Json whole(const std::vector<AnswerPart>& choices, const AnswerTotals& totals) const;
  /// A chunk with one part. `first`: of its choice. `usage_follows`: a chunk with the counts will come.
  [[nodiscard]] Json chunk(const AnswerPart& part, bool first, bool usage_follows) const;
  /// The chunk of the counts.
  [[nodiscard]] Json usage_chunk(const AnswerTotals& totals) const;

 protected:
  [[nodiscard]] virtual std::string_view whole_object() const = 0;
  [[nodiscard]] virtual std::string_view chunk_object() const = 0;
  [[nodiscard]] virtual Json whole_choice(const AnswerPart& part) const = 0;
  [[nodiscard]] virtual Json chunk_choice(const AnswerPart& part, bool first) const = 0;

 private:
  [[nodiscard]] Json head_json(std::string_view object) const;

  const AnswerHead head_;
};

/// OpenAI's chat.completion. `tokenizer` outlives the format.
std::unique_ptr<AnswerFormat> chat_format(AnswerHead head, const Tokenizer& tokenizer, bool logprobs);
/// OpenAI's text_completion. `tokenizer` outlives the format.
std::unique_ptr<AnswerFormat> completion_format(AnswerHead head, const Tokenizer& tokenizer, bool logprobs);

Json usage_json(const RequestTimings& timings, uint64_t reasoning_tokens = 0);
/// Milliseconds and rates; the names are llama.cpp's.
Json timings_json(const RequestTimings& timings);
/// OpenAI's list of tokens with their log-probabilities.
Json token_logprobs_json(const Tokenizer& tokenizer, const std::vector<AnswerToken>& tokens);
/// null while there is none.
Json finish_reason_json(FinishReason reason);

/// How a token is shown: its text, or "bytes:\xe2\x80" when it is no whole character.
std::string shown_token(const Tokenizer& tokenizer, TokenId token);

/// "chatcmpl-" and 24 random letters and digits.
std::string random_id(std::string_view prefix);

// JSON Schemas of the answers.
Json usage_schema();
Json timings_schema();
Json chat_answer_schema();
Json completion_answer_schema();

}  // namespace kedge::serve
