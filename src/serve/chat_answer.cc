// OpenAI's chat.completion and chat.completion.chunk.
#include "serve/answer.h"
#include "serve/answer_schema.h"

namespace kedge::serve {

namespace {

Json entry_json(const Tokenizer& tokenizer, TokenId token, float logprob) {
  Json bytes = Json::array();
  for (const char c : tokenizer.token_bytes(token)) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", shown_token(tokenizer, token)}, {"logprob", finite_logprob(logprob)}, {"bytes", std::move(bytes)}};
}

class ChatFormat final : public AnswerFormat {
 public:
  ChatFormat(AnswerHead head, const Tokenizer& tokenizer, bool logprobs)
      : AnswerFormat(std::move(head)), tokenizer_(tokenizer), logprobs_(logprobs) {}

 protected:
  [[nodiscard]] std::string_view whole_object() const override { return "chat.completion"; }
  [[nodiscard]] std::string_view chunk_object() const override { return "chat.completion.chunk"; }

  [[nodiscard]] Json whole_choice(const AnswerPart& part) const override {
    Json message = {{"role", "assistant"}, {"content", part.text}, {"refusal", nullptr}};
    if (!part.reasoning.empty()) message["reasoning_content"] = part.reasoning;
    if (part.has_called) {
      if (part.text.empty()) message["content"] = nullptr;
      message["tool_calls"] = whole_calls(part.calls);
    }
    return {{"index", part.choice},
            {"message", std::move(message)},
            {"logprobs", logprobs_json(part)},
            {"finish_reason", finish_json(part)}};
  }

  [[nodiscard]] Json chunk_choice(const AnswerPart& part, bool first) const override {
    Json delta = Json::object();
    if (first) delta["role"] = "assistant";
    if (first || !part.text.empty()) delta["content"] = part.text;
    if (!part.reasoning.empty()) delta["reasoning_content"] = part.reasoning;
    if (!part.calls.empty()) {
      if (part.text.empty() && first) delta["content"] = nullptr;
      delta["tool_calls"] = Json::array();
      for (const ToolCallPiece& piece : part.calls) delta["tool_calls"].push_back(call_json(piece));
    }
    return {{"index", part.choice},
            {"delta", std::move(delta)},
            {"logprobs", logprobs_json(part)},
            {"finish_reason", finish_json(part)}};
  }

 private:
  [[nodiscard]] static Json finish_json(const AnswerPart& part) {
    if (part.has_called && part.finish == FinishReason::stop) return "tool_calls";
    return finish_reason_json(part.finish);
  }

  /// The beginning of a call, without arguments yet, or more of its arguments.
  [[nodiscard]] static Json call_json(const ToolCallPiece& piece) {
    if (piece.name.empty()) return {{"index", piece.index}, {"function", {{"arguments", piece.arguments}}}};
    return {{"index", piece.index},
            {"id", piece.id},
            {"type", "function"},
            {"function", {{"name", piece.name}, {"arguments", piece.arguments}}}};
  }

  [[nodiscard]] static Json whole_calls(const std::vector<ToolCallPiece>& pieces) {
    std::vector<ToolCallPiece> calls;
    for (const ToolCallPiece& piece : pieces) {
      if (piece.index >= calls.size()) {
        calls.push_back(piece);
      } else {
        calls[piece.index].arguments += piece.arguments;
      }
    }
    Json json = Json::array();
    for (const ToolCallPiece& call : calls) {
      json.push_back(call_json(call));
      json.back().erase("index");
    }
    return json;
  }

  [[nodiscard]] Json logprobs_json(const AnswerPart& part) const {
    if (!logprobs_ || part.tokens.empty()) return nullptr;
    return {{"content", token_logprobs_json(tokenizer_, part.tokens)}, {"refusal", nullptr}};
  }

  const Tokenizer& tokenizer_;
  const bool logprobs_;
};

Json logprob_entry_schema() {
  return object_schema({{"token", {{"type", "string"}}},
                        {"logprob", {{"type", "number"}}},
                        {"bytes", array_schema({{"type", "integer"}, {"minimum", 0}, {"maximum", 255}})}});
}

}  // namespace

Json token_logprobs_json(const Tokenizer& tokenizer, const std::vector<AnswerToken>& tokens) {
  Json content = Json::array();
  for (const AnswerToken& token : tokens) {
    Json entry = entry_json(tokenizer, token.token, token.logprob.value_or(0));
    entry["top_logprobs"] = Json::array();
    for (const TokenLogprob& top : token.top_logprobs) {
      entry["top_logprobs"].push_back(entry_json(tokenizer, top.token, top.logprob));
    }
    content.push_back(std::move(entry));
  }
  return content;
}

std::unique_ptr<AnswerFormat> chat_format(AnswerHead head, const Tokenizer& tokenizer, bool logprobs) {
  return std::make_unique<ChatFormat>(std::move(head), tokenizer, logprobs);
}

Json chat_answer_schema() {
  Json entry = logprob_entry_schema();
  entry["properties"]["top_logprobs"] = array_schema(logprob_entry_schema());
  Json logprobs = object_schema({{"content", array_schema(entry)}});
  logprobs["type"] = Json::array({"object", "null"});
  Json message = object_schema({{"role", {{"const", "assistant"}}},
                                {"content", {{"type", Json::array({"string", "null"})}}},
                                {"refusal", {{"type", "null"}}}});
  message["properties"]["reasoning_content"] = {{"type", "string"}};
  const Json function = object_schema({{"name", {{"type", "string"}}}, {"arguments", {{"type", "string"}}}});
  message["properties"]["tool_calls"] = array_schema(
      object_schema({{"id", {{"type", "string"}}}, {"type", {{"const", "function"}}}, {"function", function}}));
  const Json choice = object_schema({{"index", {{"type", "integer"}}},
                                     {"message", message},
                                     {"logprobs", logprobs},
                                     {"finish_reason", finish_reason_schema()}});
  return answer_schema("chat.completion", choice);
}

}  // namespace kedge::serve
