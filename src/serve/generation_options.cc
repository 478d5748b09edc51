#include "serve/generation_options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "serve/beam_fields.h"
#include "serve/constraint_fields.h"

namespace kedge::serve {

namespace {

constexpr int64_t kSlotMax = (1 << 14) - 1;  // of any engine

using Options = GenerationOptions;

ApiStatus read_stop(const Json& value, const std::string& path, Options& options) {
  std::vector<std::string>& stops = options.request.stop_strings;
  if (value.is_string()) {
    stops.push_back(value.get<std::string>());
  } else if (value.is_array() && value.size() <= kStopStringsMax) {
    for (size_t i = 0; i < value.size(); ++i) {
      KEDGE_ASSIGN(std::string text, read_string(value[i], item_path(path, i)));
      stops.push_back(std::move(text));
    }
  } else {
    return wrong_field(path, fmt::format("'{}' must be a string or an array of at most {} strings; found {}", path,
                                         kStopStringsMax, describe(value)));
  }
  for (const std::string& text : stops) {
    if (text.empty()) return wrong_field(path, fmt::format("'{}' must not hold an empty string", path));
  }
  return Done{};
}

Json stop_schema() {
  const Json text = {{"type", "string"}, {"minLength", 1}};
  return {{"anyOf", Json::array({text, {{"type", "array"}, {"items", text}, {"maxItems", kStopStringsMax}}})},
          {"description", "The answer ends before the first of these texts."}};
}

ApiStatus read_logit_bias(const Json& value, const std::string& path, Options& options) {
  if (!value.is_object() || value.size() > kLogitBiasMax) {
    return wrong_field(path, fmt::format("'{}' must be an object of at most {} token ids and biases; found {}", path,
                                         kLogitBiasMax, describe(value)));
  }
  for (const auto& [key, bias] : value.items()) {
    TokenId token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0) {
      return wrong_field(path, fmt::format("'{}' must have token ids as keys; found \"{}\"", path, key));
    }
    KEDGE_ASSIGN(const double number, read_number(bias, member_path(path, key), {-100, 100}));
    options.request.sampling.logit_bias.emplace_back(token, static_cast<float>(number));
  }
  return Done{};
}

Json logit_bias_schema() {
  return {{"type", "object"},
          {"patternProperties", {{"^(0|[1-9][0-9]{0,8})$", number_schema({-100, 100}, "Added to the token's logit.")}}},
          {"additionalProperties", false},
          {"maxProperties", kLogitBiasMax},
          {"description", "Token ids (as strings) and what is added to their logits."}};
}

ApiStatus read_stream_options(const Json& value, const std::string& path, Options& options) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  const auto usage = value.find("include_usage");
  if (usage == value.end() || usage->is_null()) return Done{};
  KEDGE_ASSIGN(options.include_usage, read_boolean(*usage, member_path(path, "include_usage")));
  return Done{};
}

Field<Options> custom(std::string name, Json schema, ApiStatus (*read)(const Json&, const std::string&, Options&)) {
  return {std::move(name), false, std::move(schema), read};
}

/// vLLM's name, NIM's, and llama-server's two.
Fields<Options> reasoning_fields() {
  Fields<Options> fields;
  for (const char* name :
       {"thinking_token_budget", "max_thinking_tokens", "reasoning_budget_tokens", "thinking_budget_tokens"}) {
    fields.push_back(integer_field<Options>(
        name, -1, kNewTokensMax, "Tokens of reasoning, behind which the answer must begin; -1: as many as it takes.",
        [](Options& o, int64_t n) { o.reasoning_tokens_max = n; }));
  }
  return fields;
}

// 0 is what some clients send for "greedy"; the smallest nucleus is that.
float nucleus(float top_p) {
  return top_p > 0 ? top_p : std::numeric_limits<float>::min();
}

Fields<Options> basic_fields() {
  Json stream_options = {{"type", "object"},
                         {"properties", {{"include_usage", {{"type", Json::array({"boolean", "null"})}}}}},
                         {"description", "include_usage: a last chunk tells how many tokens were read and written."}};
  return {
      string_field<Options>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Options& o, std::string name) { o.model = std::move(name); }),
      boolean_field<Options>("stream", "Send the answer as server-sent events while it is made.",
                             [](Options& o, bool on) { o.stream = on; }),
      custom("stream_options", std::move(stream_options), read_stream_options),
      integer_field<Options>("max_tokens", 0, kNewTokensMax, "The most tokens of an answer.",
                             [](Options& o, int64_t n) { o.new_tokens_max = static_cast<uint32_t>(n); }),
      integer_field<Options>("max_completion_tokens", 0, kNewTokensMax, "The same as max_tokens; wins over it.",
                             [](Options& o, int64_t n) { o.completion_tokens_max = static_cast<uint32_t>(n); }),
      integer_field<Options>("n", 1, kSequencesMax, "How many answers to each prompt.",
                             [](Options& o, int64_t n) { o.request.sequence_count = static_cast<uint32_t>(n); }),
      custom("stop", stop_schema(), read_stop),
      {"stop_token_ids", false,
       token_ids_schema(0, kStopTokensMax, "The answer ends before the first of these tokens."),
       [](const Json& value, const std::string& path, Options& o) -> ApiStatus {
         KEDGE_ASSIGN(o.request.stop_tokens, read_token_ids(value, path, kStopTokensMax));
         return Done{};
       }},
      boolean_field<Options>("include_stop_str_in_output", "Keep the stop string at the answer's end.",
                             [](Options& o, bool on) { o.request.include_stop_string = on; }),
      boolean_field<Options>("ignore_eos", "Go on past the model's own end of an answer.",
                             [](Options& o, bool on) { o.request.ignore_eos = on; }),
      boolean_field<Options>("skip_special_tokens", "Special tokens leave no text (the default).",
                             [](Options& o, bool on) { o.request.skip_special = on; }),
      integer_field<Options>("priority", -kPriorityMax, kPriorityMax, "Lower ones go first; 0 is the rule.",
                             [](Options& o, int64_t n) { o.request.priority = static_cast<int32_t>(n); }),
      integer_field<Options>("id_slot", -1, kSlotMax, "The slot that remembers the prompt (GET /slots); -1: any.",
                             [](Options& o, int64_t n) { o.request.slot = static_cast<int32_t>(n); }),
      string_field<Options>("cache_salt",
                            "Keys and values of the prompt are shared only with requests of the same salt.",
                            [](Options& o, std::string salt) { o.request.cache_salt = std::move(salt); }),
  };
}

Fields<Options> sampling_fields() {
  return {
      number_field<Options>("temperature", {0, 2}, "0 takes the likeliest token each time.",
                            [](Options& o, float x) { o.request.sampling.temperature = x; }),
      number_field<Options>("top_p", {0, 1}, "Sample from the smallest set of tokens with this total probability.",
                            [](Options& o, float x) { o.request.sampling.top_p = nucleus(x); }),
      integer_field<Options>(
          "top_k", -1, kTokenIdMax, "Sample from this many likeliest tokens; 0 and -1: all.",
          [](Options& o, int64_t n) { o.request.sampling.top_k = static_cast<int32_t>(std::max<int64_t>(n, 0)); }),
      number_field<Options>(
          "min_p", {.min = 0, .max = 1, .excludes_max = true},
          "Drop tokens below this share of the likeliest one's probability.",
          [](Options& o, float x) { o.request.sampling.min_p = std::min(x, std::nextafter(1.0F, 0.0F)); }),
      number_field<Options>("typical_p", {0, 1}, "Locally typical sampling; 1 turns it off.",
                            [](Options& o, float x) { o.request.sampling.typical_p = nucleus(x); }),
      number_field<Options>("repetition_penalty", {0.1, 10}, "Above 1, tokens of prompt and answer become less likely.",
                            [](Options& o, float x) { o.request.sampling.repetition_penalty = x; }),
      number_field<Options>("presence_penalty", {-2, 2}, "Taken from the logits of tokens that the answer has.",
                            [](Options& o, float x) { o.request.sampling.presence_penalty = x; }),
      number_field<Options>("frequency_penalty", {-2, 2}, "The same, once for each time that the answer has it.",
                            [](Options& o, float x) { o.request.sampling.frequency_penalty = x; }),
      integer_field<Options>("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
                             "The same seed and request give the same answer.",
                             [](Options& o, int64_t n) { o.request.sampling.seed = static_cast<uint64_t>(n); }),
      custom("logit_bias", logit_bias_schema(), read_logit_bias),
  };
}

}  // namespace

const Fields<GenerationOptions>& generation_fields() {
  static const Fields<Options> kFields = [] {
    Fields<Options> fields = basic_fields();
    for (Field<Options>& field : sampling_fields()) fields.push_back(std::move(field));
    for (Field<Options>& field : beam_fields()) fields.push_back(std::move(field));
    for (Field<Options>& field : reasoning_fields()) fields.push_back(std::move(field));
    for (Field<Options>& field : constraint_fields()) fields.push_back(std::move(field));
    return fields;
  }();
  return kFields;
}

ApiStatus read_reasoning_tokens(const Json& value, const std::string& path, GenerationOptions& options) {
  KEDGE_ASSIGN(options.reasoning_tokens_max, read_integer(value, path, -1, kNewTokensMax));
  return Done{};
}

ApiStatus check_token_ids(const Request& request, int64_t vocabulary_size) {
  const auto refuse = [&](std::string_view param, TokenId token) {
    return wrong_field(param, fmt::format("'{}' has the token id {}; the model's vocabulary ends at {}", param, token,
                                          vocabulary_size - 1));
  };
  for (const TokenId token : request.stop_tokens) {
    if (token >= vocabulary_size) return refuse("stop_token_ids", token);
  }
  for (const auto& [token, bias] : request.sampling.logit_bias) {
    if (token >= vocabulary_size) return refuse("logit_bias", token);
  }
  return Done{};
}

ApiResult<std::vector<TokenId>> read_token_ids(const Json& value, std::string_view path, size_t count_max) {
  if (!value.is_array() || value.size() > count_max) {
    return wrong_field(path, fmt::format("'{}' must be an array of at most {} token ids; found {}", path, count_max,
                                         value.is_array() ? fmt::format("{} of them", value.size()) : describe(value)));
  }
  std::vector<TokenId> ids;
  ids.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(const int64_t id, read_integer(value[i], item_path(path, i), 0, kTokenIdMax));
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

Json token_ids_schema(size_t count_min, size_t count_max, std::string_view description) {
  Json schema = {{"type", "array"},
                 {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", kTokenIdMax}}},
                 {"maxItems", count_max},
                 {"description", description}};
  if (count_min > 0) schema["minItems"] = count_min;
  return schema;
}

}  // namespace kedge::serve
