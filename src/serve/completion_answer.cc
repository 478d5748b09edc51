// OpenAI's text_completion; its chunks have the same form.
#include "serve/answer.h"
#include "serve/answer_schema.h"

namespace kedge::serve {

namespace {

class CompletionFormat final : public AnswerFormat {
 public:
  CompletionFormat(AnswerHead head, const Tokenizer& tokenizer, bool logprobs)
      : AnswerFormat(std::move(head)), tokenizer_(tokenizer), logprobs_(logprobs) {}

 protected:
  [[nodiscard]] std::string_view whole_object() const override { return "text_completion"; }
  [[nodiscard]] std::string_view chunk_object() const override { return "text_completion"; }
  [[nodiscard]] Json whole_choice(const AnswerPart& part) const override { return choice_json(part); }
  [[nodiscard]] Json chunk_choice(const AnswerPart& part, bool /*first*/) const override { return choice_json(part); }

 private:
  [[nodiscard]] Json choice_json(const AnswerPart& part) const {
    return {{"index", part.choice},
            {"text", part.text},
            {"logprobs", logprobs_json(part)},
            {"finish_reason", finish_reason_json(part.finish)}};
  }

  [[nodiscard]] Json logprobs_json(const AnswerPart& part) const {
    if (!logprobs_) return nullptr;
    Json json = {{"text_offset", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"tokens", Json::array()},
                 {"top_logprobs", Json::array()}};
    for (const AnswerToken& token : part.tokens) {
      json["text_offset"].push_back(token.text_offset);
      json["tokens"].push_back(shown_token(tokenizer_, token.token));
      json["token_logprobs"].push_back(token.logprob ? Json(finite_logprob(*token.logprob)) : Json(nullptr));
      json["top_logprobs"].push_back(top_json(token));
    }
    return json;
  }

  // The token itself is always among them.
  [[nodiscard]] Json top_json(const AnswerToken& token) const {
    if (!token.logprob) return nullptr;
    Json top = Json::object();
    for (const TokenLogprob& entry : token.top_logprobs) {
      const std::string shown = shown_token(tokenizer_, entry.token);
      if (!top.contains(shown)) top[shown] = finite_logprob(entry.logprob);  // the likelier of two that look the same
    }
    top.emplace(shown_token(tokenizer_, token.token), finite_logprob(*token.logprob));
    return top;
  }

  const Tokenizer& tokenizer_;
  const bool logprobs_;
};

}  // namespace

std::unique_ptr<AnswerFormat> completion_format(AnswerHead head, const Tokenizer& tokenizer, bool logprobs) {
  return std::make_unique<CompletionFormat>(std::move(head), tokenizer, logprobs);
}

Json completion_answer_schema() {
  const Json number_or_null = {{"type", Json::array({"number", "null"})}};
  Json logprobs = object_schema({{"text_offset", array_schema({{"type", "integer"}})},
                                 {"token_logprobs", array_schema(number_or_null)},
                                 {"tokens", array_schema({{"type", "string"}})},
                                 {"top_logprobs", array_schema({{"type", Json::array({"object", "null"})},
                                                                {"additionalProperties", {{"type", "number"}}}})}});
  logprobs["type"] = Json::array({"object", "null"});
  const Json choice = object_schema({{"index", {{"type", "integer"}}},
                                     {"text", {{"type", "string"}}},
                                     {"logprobs", logprobs},
                                     {"finish_reason", finish_reason_schema()}});
  return answer_schema("text_completion", choice);
}

}  // namespace kedge::serve
