#include "serve/chat_request.h"

#include <fmt/format.h>

#include <array>

#include "serve/cache_control.h"

namespace kedge::serve {

namespace {

const std::vector<std::string>& roles() {
  static const std::vector<std::string> kRoles = {"system", "developer", "user", "assistant", "tool", "function"};
  return kRoles;
}

// Joined by line breaks: parts are written as paragraphs, and templates take one text.
ApiResult<std::string> read_parts(const Json& parts, const std::string& path) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string part_path = item_path(path, i);
    const Json& part = parts[i];
    if (part.is_string()) {
      text += (i == 0 ? "" : "\n") + part.get<std::string>();
      continue;
    }
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      return wrong_field(part_path,
                         fmt::format("'{}' must be an object with a 'type'; found {}", part_path, describe(part)));
    }
    const std::string type = part["type"].get<std::string>();
    if (type != "text") {
      return wrong_field(member_path(part_path, "type"),
                         fmt::format("'{}' is of type \"{}\"; this model reads only text", part_path, type));
    }
    if (!part.contains("text")) return missing_field(member_path(part_path, "text"));
    KEDGE_ASSIGN(const std::string piece, read_string(part["text"], member_path(part_path, "text")));
    text += (i == 0 ? "" : "\n") + piece;
  }
  return text;
}

ApiResult<std::string> read_content(const Json& message, const std::string& role, const std::string& path) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    if (role == "assistant" || role == "function" || role == "tool")
      return std::string();  // it may hold tool calls only
    return missing_field(path);
  }
  if (content->is_string()) return content->get<std::string>();
  if (content->is_array()) return read_parts(*content, path);
  return wrong_field(
      path, fmt::format("'{}' must be a string or an array of content parts; found {}", path, describe(*content)));
}

// On the wire the arguments of a call are JSON in a string; templates want the object.
ApiStatus decode_tool_calls(Json& calls, const std::string& path) {
  if (!calls.is_array()) {
    return wrong_field(path, fmt::format("'{}' must be an array; found {}", path, describe(calls)));
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string call_path = item_path(path, i);
    Json& call = calls[i];
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) {
      return wrong_field(call_path, fmt::format("'{}' must be an object with a 'function'", call_path));
    }
    Json& function = call["function"];
    const auto arguments = function.find("arguments");
    if (arguments == function.end() || !arguments->is_string()) continue;
    Result<Json> decoded = parse_json(arguments->get<std::string>(), call_path + ".function.arguments");
    if (decoded.ok() && decoded.value().is_object()) *arguments = std::move(decoded).value();
  }
  return Done{};
}

ApiResult<Json> read_message(const Json& value, const std::string& path) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  if (!value.contains("role")) return missing_field(member_path(path, "role"));
  KEDGE_ASSIGN(const std::string role, read_choice(value["role"], member_path(path, "role"), roles()));
  Json message = value;
  KEDGE_ASSIGN(message["content"], read_content(value, role, member_path(path, "content")));
  const auto calls = message.find("tool_calls");
  if (calls != message.end() && calls->is_null()) {
    message.erase("tool_calls");
  } else if (calls != message.end()) {
    KEDGE_TRY(decode_tool_calls(*calls, member_path(path, "tool_calls")));
  }
  return message;
}

ApiStatus read_messages(const Json& value, const std::string& path, ChatRequest& request) {
  if (!value.is_array() || value.empty() || value.size() > kMessagesMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of 1 to {} messages; found {}", path, kMessagesMax,
                                         value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(Json message, read_message(value[i], item_path(path, i)));
    request.messages.push_back(std::move(message));
  }
  return Done{};
}

ApiStatus read_tools(const Json& value, const std::string& path, ChatRequest& request) {
  if (!value.is_array() || value.size() > kToolsMax) {
    return wrong_field(
        path, fmt::format("'{}' must be an array of at most {} tools; found {}", path, kToolsMax, describe(value)));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    const Json& tool = value[i];
    const bool is_function = tool.is_object() && tool.contains("type") && tool["type"] == "function" &&
                             tool.contains("function") && tool["function"].is_object() &&
                             tool["function"].contains("name") && tool["function"]["name"].is_string();
    const bool named = is_function && !tool["function"]["name"].get_ref<const std::string&>().empty();
    if (!named) {
      return wrong_field(item_path(path, i), fmt::format("'{}' must be {{\"type\": \"function\", \"function\": "
                                                         "{{\"name\": ..., ...}}}}",
                                                         item_path(path, i)));
    }
  }
  if (!value.empty()) request.tools = value;
  return Done{};
}

ApiStatus read_tool_choice(const Json& value, const std::string& path, ChatRequest& request) {
  if (value.is_string()) {
    KEDGE_ASSIGN(const std::string choice, read_choice(value, path, {"auto", "none", "required"}));
    request.tool_choice = choice == "none"       ? ToolChoice::none
                          : choice == "required" ? ToolChoice::required
                                                 : ToolChoice::automatic;
    return Done{};
  }
  const bool names = value.is_object() && value.contains("function") && value["function"].is_object() &&
                     value["function"].contains("name") && value["function"]["name"].is_string();
  if (!names) {
    return wrong_field(path, fmt::format("'{}' must be \"auto\", \"none\", \"required\" or {{\"type\": \"function\", "
                                         "\"function\": {{\"name\": ...}}}}; found {}",
                                         path, describe(value)));
  }
  request.tool_choice = ToolChoice::named;
  request.tool_name = value["function"]["name"].get<std::string>();
  return Done{};
}

/// What tool_choice asks for must be among the tools.
ApiStatus check_tool_choice(const ChatRequest& request) {
  const bool needed = request.tool_choice == ToolChoice::required || request.tool_choice == ToolChoice::named;
  if (!needed) return Done{};
  if (!request.tools.is_array())
    return wrong_field("tool_choice", "'tool_choice' asks for a call, and there are no 'tools'");
  if (request.tool_choice == ToolChoice::required) return Done{};
  for (const Json& tool : request.tools) {
    if (tool["function"]["name"] == request.tool_name) return Done{};
  }
  return wrong_field("tool_choice",
                     fmt::format("'tool_choice' names \"{}\", which is not one of the 'tools'", request.tool_name));
}

ApiStatus read_template_variables(const Json& value, const std::string& path, ChatRequest& request) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  request.template_variables = value;
  return Done{};
}

Json message_schema() {
  const Json part = {{"type", "object"},
                     {"properties", {{"type", {{"const", "text"}}}, {"text", {{"type", "string"}}}}},
                     {"required", Json::array({"type", "text"})}};
  const Json text = Json::array({{{"type", "string"}}, {{"type", "array"}, {"items", part}}});
  Json nullable = text;
  nullable.push_back({{"type", "null"}});
  const Json call = {{"type", "object"},
                     {"properties", {{"function", {{"type", "object"}}}}},
                     {"required", Json::array({"function"})}};
  const auto kind = [](Json role_names, Json content, Json required_names) {
    return Json{
        {"type", "object"},
        {"properties", {{"role", {{"enum", std::move(role_names)}}}, {"content", {{"anyOf", std::move(content)}}}}},
        {"required", std::move(required_names)}};
  };
  Json asked = kind(Json::array({"system", "developer", "user"}), text, Json::array({"role", "content"}));
  Json answered = kind(Json::array({"assistant", "tool", "function"}), nullable, Json::array({"role"}));
  for (Json* message : {&asked, &answered}) {
    (*message)["properties"]["tool_calls"] = {{"type", Json::array({"array", "null"})}, {"items", call}};
  }
  return {{"anyOf", Json::array({std::move(asked), std::move(answered)})}};
}

Json tool_schema() {
  const Json function = {
      {"type", "object"}, {"properties", {{"name", {{"type", "string"}}}}}, {"required", Json::array({"name"})}};
  return {{"type", "object"},
          {"properties", {{"type", {{"const", "function"}}}, {"function", function}}},
          {"required", Json::array({"type", "function"})}};
}

const Fields<ChatRequest>& chat_fields() {
  static const Fields<ChatRequest> kFields = {
      required(Field<ChatRequest>{"messages",
                                  false,
                                  {{"type", "array"},
                                   {"items", message_schema()},
                                   {"minItems", 1},
                                   {"maxItems", kMessagesMax},
                                   {"description", "The conversation so far."}},
                                  read_messages}),
      {"tools",
       false,
       {{"type", "array"},
        {"items", tool_schema()},
        {"maxItems", kToolsMax},
        {"description", "Functions that the model's chat template is told of."}},
       read_tools},
      {"tool_choice",
       false,
       {{"anyOf", Json::array({{{"enum", Json::array({"auto", "none", "required"})}},
                               {{"type", "object"},
                                {"properties",
                                 {{"type", {{"const", "function"}}},
                                  {"function",
                                   {{"type", "object"},
                                    {"properties", {{"name", {{"type", "string"}}}}},
                                    {"required", Json::array({"name"})}}}}},
                                {"required", Json::array({"type", "function"})}}})},
        {"description",
         "Whether functions may be called (auto), must be (required, or one by name) or are not (none)."}},
       read_tool_choice},
      boolean_field<ChatRequest>("parallel_tool_calls", "Several functions may be called at once (the default).",
                                 [](ChatRequest& r, bool on) { r.parallel_tool_calls = on; }),
      {"chat_template_kwargs",
       false,
       {{"type", "object"}, {"description", "Further variables for the chat template."}},
       read_template_variables},
      boolean_field<ChatRequest>("add_generation_prompt", "End the prompt with the opening of an answer (the default).",
                                 [](ChatRequest& r, bool on) { r.add_generation_prompt = on; }),
      boolean_field<ChatRequest>("logprobs", "Give each token's log-probability.",
                                 [](ChatRequest& r, bool on) { r.logprobs = on; }),
      integer_field<ChatRequest>("top_logprobs", 0, kTopLogprobsMax, "And those of this many likeliest tokens.",
                                 [](ChatRequest& r, int64_t n) { r.top_logprobs = static_cast<int32_t>(n); }),
  };
  return kFields;
}

}  // namespace

ApiResult<ChatRequest> read_chat_request(const Json& body) {
  ChatRequest request;
  KEDGE_TRY(read_fields(body, generation_fields(), request.options));
  KEDGE_TRY(read_fields(body, chat_fields(), request));
  KEDGE_TRY(check_tool_choice(request));
  if (request.top_logprobs > 0 && !request.logprobs) {
    return wrong_field("top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
  }
  request.options.request.top_logprobs = request.logprobs ? request.top_logprobs : -1;
  KEDGE_TRY(read_cache_marks(body, request.options.request));
  return request;
}

ApiResult<Json> read_tool_list(const Json& value, const std::string& path,
                               ApiResult<Json> (*read)(const Json& tool, const std::string& path)) {
  if (!value.is_array() || value.size() > kToolsMax) {
    return wrong_field(
        path, fmt::format("'{}' must be an array of at most {} tools; found {}", path, kToolsMax, describe(value)));
  }
  Json tools = Json::array();
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(Json tool, read(value[i], item_path(path, i)));
    tools.push_back(std::move(tool));
  }
  return tools.empty() ? Json(nullptr) : std::move(tools);
}

Json chat_request_schema() {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(schema, chat_fields());
  add_properties(schema, generation_fields());
  // As read_chat_request has it: top_logprobs above 0 only with logprobs.
  schema["if"] = {{"properties", {{"top_logprobs", {{"type", "integer"}, {"minimum", 1}}}}},
                  {"required", Json::array({"top_logprobs"})}};
  schema["then"] = {{"properties", {{"logprobs", {{"const", true}}}}}, {"required", Json::array({"logprobs"})}};
  return schema;
}

Json template_variables(const ChatRequest& request, const TemplateContext& context) {
  Json variables = request.template_variables;
  variables["messages"] = request.messages;
  if (context.template_source.find("developer") == std::string_view::npos) {
    for (Json& message : variables["messages"]) {
      if (message["role"] == "developer") message["role"] = "system";
    }
  }
  variables["tools"] = request.tools;
  variables["add_generation_prompt"] = request.add_generation_prompt;
  if (!context.bos_token.empty()) variables["bos_token"] = context.bos_token;
  if (!context.eos_token.empty()) variables["eos_token"] = context.eos_token;
  if (!variables.contains("strftime_now")) variables["strftime_now"] = context.date;
  return variables;
}

}  // namespace kedge::serve
