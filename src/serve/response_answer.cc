#include "serve/response_answer.h"

#include <chrono>

#include "net/http_server_sse.h"
#include "serve/answer_schema.h"

namespace kedge::serve {

namespace {

Json usage_of(const AnswerTotals& totals) {
  const RequestTimings& timings = totals.timings;
  return {{"input_tokens", timings.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", timings.cached_tokens}}},
          {"output_tokens", timings.new_tokens},
          {"output_tokens_details", {{"reasoning_tokens", totals.reasoning_tokens}}},
          {"total_tokens", timings.prompt_tokens + timings.new_tokens}};
}

Json error_of(const ApiError& error) {
  return {{"code", error.status == 429 ? "rate_limit_exceeded" : "server_error"}, {"message", error.message}};
}

/// One item of the answer while it is written.
struct OpenItem {
  Json item;         // as it is told when it is complete, but for its text
  std::string text;  // said, thought, or the arguments of a call
  Json logprobs = Json::array();
};

class ResponseWriter final : public AnswerWriter {
 public:
  explicit ResponseWriter(ResponseHead head) : head_(std::move(head)), response_(head_.response) {}

  [[nodiscard]] net::ServerResponse error(const ApiError& error) const override {
    if (head_.background && head_.keep) head_.keep(failed(error));
    return error_response(error);
  }

  [[nodiscard]] Json whole(AnswerPart answer, const AnswerTotals& totals) override {
    (void)part(std::move(answer));
    (void)close_item();
    finish(totals);
    return response_;
  }

  [[nodiscard]] std::string begin() override {
    std::string events = event("response.created", {{"response", response_}});  // one after another: they count
    events += event("response.in_progress", {{"response", response_}});
    return events;
  }

  [[nodiscard]] std::string part(AnswerPart part) override {
    std::string events;
    if (!part.reasoning.empty()) {
      if (kind() != "reasoning") events += open_reasoning();
      events += add("response.reasoning_text.delta", {{"delta", part.reasoning}}, part.reasoning);
    }
    if (!part.text.empty() || !part.tokens.empty()) {
      if (kind() != "message") events += open_message();
      Json tokens = head_.logprobs ? token_logprobs_json(*head_.tokenizer, part.tokens) : Json::array();
      for (const Json& token : tokens) open_.logprobs.push_back(token);
      events += add("response.output_text.delta", {{"delta", part.text}, {"logprobs", std::move(tokens)}}, part.text);
    }
    for (const ToolCallPiece& piece : part.calls) {
      if (!piece.name.empty()) events += open_call(piece);
      if (piece.arguments.empty()) continue;
      events += add("response.function_call_arguments.delta", {{"delta", piece.arguments}}, piece.arguments);
    }
    finish_ = part.finish;  // of the item that is open now; those before it are whole
    return events;
  }

  [[nodiscard]] std::string end(const AnswerTotals& totals) override {
    std::string events;
    if (response_["output"].empty() && kind().empty()) events += open_message();
    events += close_item();
    finish(totals);
    const bool whole = response_["status"] == "completed";
    return events + event(whole ? "response.completed" : "response.incomplete", {{"response", response_}});
  }

  [[nodiscard]] std::string failure(const ApiError& error) override {
    return event("response.failed", {{"response", failed(error)}});
  }

 private:
  [[nodiscard]] Json failed(const ApiError& error) const {
    Json response = response_;
    response["status"] = "failed";
    response["error"] = error_of(error);
    return response;
  }

  void finish(const AnswerTotals& totals) {
    if (response_["output"].empty()) {
      (void)open_message();
      (void)close_item();
    }
    const bool cut = finish_ == FinishReason::length;
    response_["status"] = cut ? "incomplete" : "completed";
    if (cut) response_["incomplete_details"] = {{"reason", "max_output_tokens"}};
    response_["completed_at"] = cut ? Json(nullptr) : Json(unix_now());
    response_["usage"] = usage_of(totals);
    if (head_.keep) head_.keep(response_);
  }

  static int64_t unix_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
  }

  /// The type of the item that is being written; empty: none is.
  [[nodiscard]] std::string kind() const { return open_.item.is_null() ? "" : open_.item["type"].get<std::string>(); }

  std::string open_item(Json item) {
    std::string events = close_item();
    open_ = {std::move(item), "", Json::array()};
    return events +
           event("response.output_item.added", {{"output_index", response_["output"].size()}, {"item", open_.item}});
  }

  std::string open_message() {
    const Json item = {{"type", "message"},
                       {"id", random_id("msg_")},
                       {"status", "in_progress"},
                       {"role", "assistant"},
                       {"content", Json::array()}};
    std::string events = open_item(item);
    return events + item_event("response.content_part.added", {{"part", text_part()}});
  }

  std::string open_reasoning() {
    const Json item = {{"type", "reasoning"},
                       {"id", random_id("rs_")},
                       {"status", "in_progress"},
                       {"summary", Json::array()},
                       {"content", Json::array()}};
    std::string events = open_item(item);
    return events + item_event("response.content_part.added", {{"part", text_part()}});
  }

  std::string open_call(const ToolCallPiece& call) {
    return open_item({{"type", "function_call"},
                      {"id", random_id("fc_")},
                      {"call_id", call.id},
                      {"name", call.name},
                      {"arguments", ""},
                      {"status", "in_progress"}});
  }

  [[nodiscard]] Json text_part() const {
    if (kind() == "reasoning") return {{"type", "reasoning_text"}, {"text", open_.text}};
    return {
        {"type", "output_text"}, {"text", open_.text}, {"annotations", Json::array()}, {"logprobs", open_.logprobs}};
  }

  std::string add(std::string_view type, Json members, const std::string& text) {
    open_.text += text;
    return item_event(type, std::move(members));
  }

  std::string close_item() {
    if (open_.item.is_null()) return "";
    std::string events;
    if (kind() == "function_call") {
      open_.item["arguments"] = open_.text;
      events = item_event("response.function_call_arguments.done",
                          {{"arguments", open_.text}, {"name", open_.item["name"]}});
    } else {
      const bool said = kind() == "message";
      Json done = {{"text", open_.text}};
      if (said) done["logprobs"] = open_.logprobs;
      events = item_event(said ? "response.output_text.done" : "response.reasoning_text.done", std::move(done));
      events += item_event("response.content_part.done", {{"part", text_part()}});
      open_.item["content"].push_back(text_part());
    }
    open_.item["status"] = finish_ == FinishReason::length ? "incomplete" : "completed";
    events += event("response.output_item.done", {{"output_index", response_["output"].size()}, {"item", open_.item}});
    response_["output"].push_back(std::exchange(open_.item, nullptr));
    return events;
  }

  /// An event about the item that is being written.
  std::string item_event(std::string_view type, Json members) {
    members["item_id"] = open_.item["id"];
    members["output_index"] = response_["output"].size();
    if (kind() != "function_call") members["content_index"] = 0;
    return event(type, std::move(members));
  }

  std::string event(std::string_view type, Json members) {
    members["type"] = type;
    members["sequence_number"] = event_count_++;
    return "event: " + std::string(type) + "\n" + net::sse_event(to_text(members));
  }

  const ResponseHead head_;
  Json response_;
  OpenItem open_;
  FinishReason finish_ = FinishReason::none;
  uint64_t event_count_ = 0;
};

Json item_schema() {
  const Json text = {{"type", "string"}};
  const Json status = {{"enum", Json::array({"completed", "incomplete"})}};
  const Json said = object_schema({{"type", {{"const", "output_text"}}},
                                   {"text", text},
                                   {"annotations", array_schema(Json::object())},
                                   {"logprobs", array_schema({{"type", "object"}})}});
  const Json thought = object_schema({{"type", {{"const", "reasoning_text"}}}, {"text", text}});
  return {{"anyOf", Json::array({object_schema({{"type", {{"const", "message"}}},
                                                {"id", text},
                                                {"status", status},
                                                {"role", {{"const", "assistant"}}},
                                                {"content", array_schema(said)}}),
                                 object_schema({{"type", {{"const", "reasoning"}}},
                                                {"id", text},
                                                {"summary", array_schema(Json::object())},
                                                {"content", array_schema(thought)}}),
                                 object_schema({{"type", {{"const", "function_call"}}},
                                                {"id", text},
                                                {"call_id", text},
                                                {"name", text},
                                                {"arguments", text},
                                                {"status", status}})})}};
}

}  // namespace

std::unique_ptr<AnswerWriter> response_writer(ResponseHead head) {
  return std::make_unique<ResponseWriter>(std::move(head));
}

Json response_schema() {
  const Json text = {{"type", "string"}};
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  Json usage = object_schema({{"input_tokens", count},
                              {"input_tokens_details", object_schema({{"cached_tokens", count}})},
                              {"output_tokens", count},
                              {"output_tokens_details", object_schema({{"reasoning_tokens", count}})},
                              {"total_tokens", count}});
  usage["type"] = Json::array({"object", "null"});
  return object_schema(
      {{"id", text},
       {"object", {{"const", "response"}}},
       {"created_at", count},
       {"status", {{"enum", Json::array({"queued", "in_progress", "completed", "incomplete", "failed", "cancelled"})}}},
       {"model", text},
       {"output", array_schema(item_schema())},
       {"error", {{"type", Json::array({"object", "null"})}}},
       {"incomplete_details", {{"type", Json::array({"object", "null"})}}},
       {"usage", usage},
       {"tools", array_schema({{"type", "object"}})},
       {"parallel_tool_calls", {{"type", "boolean"}}},
       {"metadata", {{"type", "object"}}}});
}

}  // namespace kedge::serve
