#include "serve/answer.h"

#include <fmt/format.h>

#include <array>
#include <random>

namespace kedge::serve {

namespace {

bool is_valid_utf8(std::string_view bytes) {
  // The JSON writer knows; a token is a few bytes.
  try {
    static_cast<void>(Json(bytes).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

double per_second(uint64_t count, double ms) {
  return ms > 0 ? static_cast<double>(count) * 1000 / ms : 0;
}

}  // namespace

Json AnswerFormat::head_json(std::string_view object) const {
  return {{"id", head_.id},
          {"object", object},
          {"created", head_.created},
          {"model", head_.model},
          {"system_fingerprint", head_.fingerprint}};
}

Json AnswerFormat::whole(const std::vector<AnswerPart>& choices, const AnswerTotals& totals) const {
  Json json = head_json(whole_object());
  json["choices"] = Json::array();
  for (const AnswerPart& part : choices) json["choices"].push_back(whole_choice(part));
  json["usage"] = usage_json(totals.timings, totals.reasoning_tokens);
  json["timings"] = timings_json(totals.timings);
  return json;
}

Json AnswerFormat::chunk(const AnswerPart& part, bool first, bool usage_follows) const {
  Json json = head_json(chunk_object());
  json["choices"] = Json::array({chunk_choice(part, first)});
  if (usage_follows) json["usage"] = nullptr;
  return json;
}

Json AnswerFormat::usage_chunk(const AnswerTotals& totals) const {
  Json json = head_json(chunk_object());
  json["choices"] = Json::array();
  json["usage"] = usage_json(totals.timings, totals.reasoning_tokens);
  return json;
}

Json usage_json(const RequestTimings& timings, uint64_t reasoning_tokens) {
  return {{"prompt_tokens", timings.prompt_tokens},
          {"completion_tokens", timings.new_tokens},
          {"total_tokens", timings.prompt_tokens + timings.new_tokens},
          {"prompt_tokens_details", {{"cached_tokens", timings.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", reasoning_tokens}}}};
}

Json timings_json(const RequestTimings& timings) {
  return {{"queue_ms", timings.queue_ms},
          {"prompt_n", timings.prompt_tokens},
          {"prompt_ms", timings.prefill_ms},
          {"prompt_per_second", per_second(timings.prompt_tokens, timings.prefill_ms)},
          {"predicted_n", timings.new_tokens},
          {"predicted_ms", timings.decode_ms},
          {"predicted_per_second", per_second(timings.new_tokens, timings.decode_ms)}};
}

Json finish_reason_json(FinishReason reason) {
  switch (reason) {
    case FinishReason::none:
      return nullptr;
    case FinishReason::length:
      return "length";
    case FinishReason::stop:
    case FinishReason::cancelled:
    case FinishReason::error:
      break;
  }
  return "stop";
}

std::string shown_token(const Tokenizer& tokenizer, TokenId token) {
  std::string bytes = tokenizer.token_bytes(token);
  if (bytes.empty()) return std::string(tokenizer.token_text(token));
  if (is_valid_utf8(bytes)) return bytes;
  std::string shown = "bytes:";
  for (const char c : bytes) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return shown;
}

std::string random_id(std::string_view prefix) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  thread_local std::mt19937_64 generator{std::random_device{}()};
  std::uniform_int_distribution<size_t> letter(0, kAlphabet.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 24; ++i) id += kAlphabet[letter(generator)];
  return id;
}

Json usage_schema() {
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  const auto details = [&](const char* name) {
    return Json{{"type", "object"}, {"properties", {{name, count}}}, {"required", Json::array({name})}};
  };
  return {{"type", "object"},
          {"properties",
           {{"prompt_tokens", count},
            {"completion_tokens", count},
            {"total_tokens", count},
            {"prompt_tokens_details", details("cached_tokens")},
            {"completion_tokens_details", details("reasoning_tokens")}}},
          {"required", Json::array({"prompt_tokens", "total_tokens"})}};
}

Json timings_schema() {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  for (const char* name : {"queue_ms", "prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", "predicted_ms",
                           "predicted_per_second"}) {
    schema["properties"][name] = {{"type", "number"}, {"minimum", 0}};
    schema["required"].push_back(name);
  }
  return schema;
}

}  // namespace kedge::serve
