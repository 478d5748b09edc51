#include "serve/anthropic_answer.h"

#include "net/http_server_sse.h"
#include "serve/answer_schema.h"

namespace kedge::serve {

namespace {

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json anthropic_error_json(const ApiError& error) {
  return {{"type", "error"}, {"error", {{"type", error_type(error.status)}, {"message", error.message}}}};
}

std::string event(const Json& json) {
  return "event: " + json["type"].get<std::string>() + "\n" + net::sse_event(to_text(json));
}

/// The prompt's tokens that were kept from before are counted apart, and those that stay because the request asked.
Json usage_of(const RequestTimings& timings) {
  const uint64_t read = std::min(timings.cached_tokens, timings.prompt_tokens);
  const uint64_t created = std::max(read, std::min(timings.pinned_tokens, timings.prompt_tokens)) - read;
  return {{"input_tokens", timings.prompt_tokens - read - created},
          {"cache_creation_input_tokens", created},
          {"cache_read_input_tokens", read},
          {"output_tokens", timings.new_tokens}};
}

class AnthropicWriter final : public AnswerWriter {
 public:
  AnthropicWriter(std::string model, uint64_t prompt_tokens, std::vector<std::string> stops)
      : id_(random_id("msg_")), model_(std::move(model)), prompt_tokens_(prompt_tokens), stops_(std::move(stops)) {}

  [[nodiscard]] net::ServerResponse error(const ApiError& error) const override {
    return anthropic_error_response(error);
  }

  [[nodiscard]] Json whole(AnswerPart answer, const AnswerTotals& totals) override {
    end_answer(answer);
    Json content = Json::array();
    if (!answer.reasoning.empty()) content.push_back(thinking_block(answer.reasoning));
    if (!answer.text.empty()) content.push_back({{"type", "text"}, {"text", answer.text}});
    std::vector<ToolCallPiece> calls;
    for (const ToolCallPiece& piece : answer.calls) {
      if (piece.index >= calls.size()) {
        calls.push_back(piece);
      } else {
        calls[piece.index].arguments += piece.arguments;
      }
    }
    for (const ToolCallPiece& call : calls) content.push_back(call_block(call));
    Json json = message_json();
    json["content"] = std::move(content);
    json["stop_reason"] = stop_reason_;
    json["stop_sequence"] = stop_sequence_;
    json["usage"] = usage_of(totals.timings);
    return json;
  }

  [[nodiscard]] std::string begin() override {
    Json message = message_json();
    message["usage"] = {{"input_tokens", prompt_tokens_}, {"output_tokens", 0}};
    return event({{"type", "message_start"}, {"message", std::move(message)}});
  }

  [[nodiscard]] std::string part(AnswerPart part) override {
    std::string events;
    if (part.finish != FinishReason::none) end_answer(part);
    if (!part.reasoning.empty()) {
      if (open_ != "thinking") events += open_block("thinking", thinking_block(""));
      events += delta({{"type", "thinking_delta"}, {"thinking", part.reasoning}});
    }
    if (!part.text.empty()) {
      if (open_ != "text") events += open_block("text", {{"type", "text"}, {"text", ""}});
      events += delta({{"type", "text_delta"}, {"text", part.text}});
    }
    for (const ToolCallPiece& piece : part.calls) {
      if (!piece.name.empty()) events += open_block("tool_use", call_block({piece.index, piece.id, piece.name, ""}));
      if (piece.arguments.empty()) continue;
      events += delta({{"type", "input_json_delta"}, {"partial_json", piece.arguments}});
    }
    return events;
  }

  [[nodiscard]] std::string end(const AnswerTotals& totals) override {
    return close_block() +
           event({{"type", "message_delta"},
                  {"delta", {{"stop_reason", stop_reason_}, {"stop_sequence", stop_sequence_}}},
                  {"usage", usage_of(totals.timings)}}) +
           event({{"type", "message_stop"}});
  }

  [[nodiscard]] std::string failure(const ApiError& error) override { return event(anthropic_error_json(error)); }

 private:
  [[nodiscard]] Json message_json() const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_},
            {"content", Json::array()},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr}};
  }

  static Json thinking_block(const std::string& text) {
    return {{"type", "thinking"}, {"thinking", text}, {"signature", ""}};
  }

  /// Arguments that were cut off are no object; there is none then.
  static Json call_block(const ToolCallPiece& call) {
    Result<Json> input = parse_json(call.arguments.empty() ? "{}" : call.arguments, "arguments");
    const bool whole = input.ok() && input.value().is_object();
    return {{"type", "tool_use"},
            {"id", call.id},
            {"name", call.name},
            {"input", whole ? std::move(input).value() : Json::object()}};
  }

  /// Why it ended; the stop string goes out of the answer's last part.
  void end_answer(AnswerPart& part) {
    if (part.finish == FinishReason::length) {
      stop_reason_ = "max_tokens";
      return;
    }
    stop_reason_ = part.has_called ? "tool_use" : "end_turn";
    std::string& text = part.text.empty() ? part.reasoning : part.text;
    std::string_view found;
    for (const std::string& stop : stops_) {
      if (text.ends_with(stop) && stop.size() > found.size()) found = stop;
    }
    if (found.empty()) return;
    stop_reason_ = "stop_sequence";
    stop_sequence_ = found;
    text.resize(text.size() - found.size());
  }

  std::string open_block(std::string kind, const Json& block) {
    std::string events = close_block();
    open_ = std::move(kind);
    return events + event({{"type", "content_block_start"}, {"index", index_}, {"content_block", block}});
  }

  std::string close_block() {
    if (open_.empty()) return "";
    open_.clear();
    return event({{"type", "content_block_stop"}, {"index", index_++}});
  }

  std::string delta(const Json& json) const {
    return event({{"type", "content_block_delta"}, {"index", index_}, {"delta", json}});
  }

  const std::string id_, model_;
  const uint64_t prompt_tokens_;
  const std::vector<std::string> stops_;
  std::string open_;  // the type of the block that is being written
  size_t index_ = 0;  // its place
  Json stop_reason_, stop_sequence_;
};

Json content_schema() {
  const Json text = {{"type", "string"}};
  return {
      {"anyOf",
       Json::array(
           {object_schema({{"type", {{"const", "text"}}}, {"text", text}}),
            object_schema({{"type", {{"const", "thinking"}}}, {"thinking", text}, {"signature", text}}),
            object_schema(
                {{"type", {{"const", "tool_use"}}}, {"id", text}, {"name", text}, {"input", {{"type", "object"}}}})})}};
}

}  // namespace

std::unique_ptr<AnswerWriter> anthropic_writer(std::string model, uint64_t prompt_tokens,
                                               std::vector<std::string> stops) {
  return std::make_unique<AnthropicWriter>(std::move(model), prompt_tokens, std::move(stops));
}

net::ServerResponse anthropic_error_response(const ApiError& error) {
  net::ServerResponse response = error_response(error);
  response.body = to_text(anthropic_error_json(error));
  return response;
}

Json anthropic_answer_schema() {
  const Json text = {{"type", "string"}};
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  return object_schema(
      {{"id", text},
       {"type", {{"const", "message"}}},
       {"role", {{"const", "assistant"}}},
       {"model", text},
       {"content", array_schema(content_schema())},
       {"stop_reason", {{"enum", Json::array({"end_turn", "max_tokens", "stop_sequence", "tool_use"})}}},
       {"stop_sequence", {{"type", Json::array({"string", "null"})}}},
       {"usage", object_schema({{"input_tokens", count},
                                {"cache_creation_input_tokens", count},
                                {"cache_read_input_tokens", count},
                                {"output_tokens", count}})}});
}

Json anthropic_error_schema() {
  const Json text = {{"type", "string"}};
  return object_schema({{"type", {{"const", "error"}}}, {"error", object_schema({{"type", text}, {"message", text}})}});
}

}  // namespace kedge::serve
