#pragma once
// The body of POST /v1/chat/completions.

#include <string>
#include <string_view>

#include "serve/generation_options.h"

namespace kedge::serve {

inline constexpr size_t kMessagesMax = 4096;
inline constexpr size_t kToolsMax = 128;

enum class ToolChoice : uint8_t { automatic, none, required, named };

struct ChatRequest {
  GenerationOptions options;
  Json messages = Json::array();  // content flattened to text, as templates want it
  Json tools = nullptr;           // an array, or null
  ToolChoice tool_choice = ToolChoice::automatic;
  std::string tool_name;  // named: one of the tools'
  bool parallel_tool_calls = true;
  Json template_variables = Json::object();  // chat_template_kwargs
  bool add_generation_prompt = true;
  bool logprobs = false;
  int32_t top_logprobs = 0;
};

ApiResult<ChatRequest> read_chat_request(const Json& body);

/// A list of tools in another protocol's form, each of which `read` turns into OpenAI's.
ApiResult<Json> read_tool_list(const Json& value, const std::string& path,
                               ApiResult<Json> (*read)(const Json& tool, const std::string& path));

/// The request's JSON Schema.
Json chat_request_schema();

/// The object that a chat template is rendered with. `template_source` decides whether the role "developer" stays.
struct TemplateContext {
  std::string bos_token, eos_token;  // empty: the model has none
  std::string date;                  // YYYY-MM-DD
  std::string_view template_source;
};
Json template_variables(const ChatRequest& request, const TemplateContext& context);

}  // namespace kedge::serve
