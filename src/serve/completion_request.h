#pragma once
// The body of POST /v1/completions.

#include <string>
#include <variant>
#include <vector>

#include "serve/generation_options.h"

namespace kedge::serve {

inline constexpr size_t kPromptsMax = 256;
inline constexpr size_t kPromptTokensMax = size_t{1} << 24;

/// A text, or ids that are used as they are.
using Prompt = std::variant<std::string, std::vector<TokenId>>;

/// A text, an id list, or a list of either. `field`'s error names what is wrong.
ApiResult<std::vector<Prompt>> read_prompts(const Json& value, const std::string& path, size_t count_max);
Json prompts_schema(size_t count_max, std::string_view description);

struct CompletionRequest {
  GenerationOptions options;
  std::vector<Prompt> prompts;
  bool echo = false;
  int32_t logprobs = -1;  // -1: none
};

ApiResult<CompletionRequest> read_completion_request(const Json& body);

/// The request's JSON Schema.
Json completion_request_schema();

}  // namespace kedge::serve
