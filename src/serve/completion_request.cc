#include "serve/completion_request.h"

#include <fmt/format.h>

namespace kedge::serve {

namespace {

ApiResult<Prompt> read_prompt(const Json& value, const std::string& path) {
  Prompt prompt;
  if (value.is_string()) {
    prompt = value.get<std::string>();
    return prompt;
  }
  KEDGE_ASSIGN(std::vector<TokenId> ids, read_token_ids(value, path, kPromptTokensMax));
  if (ids.empty()) return wrong_field(path, fmt::format("'{}' must hold at least one token id", path));
  prompt = std::move(ids);
  return prompt;
}

ApiStatus read_suffix(const Json& value, const std::string& path, CompletionRequest&) {
  if (value.is_string() && value.get<std::string>().empty()) return Done{};
  return wrong_field(path, "'suffix' is not supported: filling in the middle needs a model trained for it");
}

const Fields<CompletionRequest>& completion_fields() {
  using Request = CompletionRequest;
  static const Fields<Request> kFields = {
      required(Field<Request>{"prompt", false, prompts_schema(kPromptsMax, "A text, token ids, or a list of either."),
                              [](const Json& value, const std::string& path, Request& request) -> ApiStatus {
                                KEDGE_ASSIGN(request.prompts, read_prompts(value, path, kPromptsMax));
                                return Done{};
                              }}),
      boolean_field<Request>("echo", "Begin the answer with the prompt.", [](Request& r, bool on) { r.echo = on; }),
      integer_field<Request>("logprobs", 0, kTopLogprobsMax,
                             "Give each token's log-probability, and those of this many likeliest tokens.",
                             [](Request& r, int64_t n) { r.logprobs = static_cast<int32_t>(n); }),
      {"suffix", false, {{"type", "string"}, {"maxLength", 0}, {"description", "Not supported."}}, read_suffix},
  };
  return kFields;
}

}  // namespace

ApiResult<std::vector<Prompt>> read_prompts(const Json& value, const std::string& path, size_t count_max) {
  std::vector<Prompt> prompts;
  const bool is_list = value.is_array() && !value.empty() && (value[0].is_string() || value[0].is_array());
  if (!is_list) {
    if (!value.is_string() && (!value.is_array() || value.empty())) {
      return wrong_field(path, fmt::format("'{}' must be a string, a list of strings, a list of token ids or a list of "
                                           "such lists, not empty; found {}",
                                           path, describe(value)));
    }
    KEDGE_ASSIGN(Prompt prompt, read_prompt(value, path));
    prompts.push_back(std::move(prompt));
    return prompts;
  }
  if (value.size() > count_max) {
    return wrong_field(
        path, fmt::format("'{}' has {} entries; at most {} are allowed in one request", path, value.size(), count_max));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i].is_string() != value[0].is_string()) {
      return wrong_field(item_path(path, i), fmt::format("'{}' mixes texts and token ids", path));
    }
    KEDGE_ASSIGN(Prompt prompt, read_prompt(value[i], item_path(path, i)));
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Json prompts_schema(size_t count_max, std::string_view description) {
  const Json text = {{"type", "string"}};
  const Json ids = token_ids_schema(1, kPromptTokensMax, "Token ids, used as they are.");
  const auto list = [&](const Json& items) {
    return Json{{"type", "array"}, {"items", items}, {"minItems", 1}, {"maxItems", count_max}};
  };
  return {{"anyOf", Json::array({text, list(text), ids, list(ids)})}, {"description", description}};
}

ApiResult<CompletionRequest> read_completion_request(const Json& body) {
  CompletionRequest request;
  KEDGE_TRY(read_fields(body, generation_fields(), request.options));
  KEDGE_TRY(read_fields(body, completion_fields(), request));
  Request& engine_request = request.options.request;
  engine_request.top_logprobs = request.logprobs;
  engine_request.prompt_logprobs = request.echo && request.logprobs >= 0;
  return request;
}

Json completion_request_schema() {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(schema, completion_fields());
  add_properties(schema, generation_fields());
  return schema;
}

}  // namespace kedge::serve
