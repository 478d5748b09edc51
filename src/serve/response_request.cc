#include "serve/response_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "serve/constraint_fields.h"

namespace kedge::serve {

namespace {

using Target = ResponseRequest;

ApiError not_an(const char* what, const Json& value, const std::string& path) {
  return wrong_field(path, fmt::format("'{}' must be {}; found {}", path, what, describe(value)));
}

ApiStatus read_input(const Json& value, const std::string& path, Target& target) {
  if (value.is_string()) {
    target.input.push_back({{"type", "message"}, {"role", "user"}, {"content", value}});
    return Done{};
  }
  if (!value.is_array() || value.empty() || value.size() > kResponseItemsMax) {
    return wrong_field(
        path, fmt::format("'{}' must be a string or an array of 1 to {} items; found {}", path, kResponseItemsMax,
                          value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  Json unused = Json::array();
  KEDGE_TRY(add_item_messages(value, path, unused));
  target.input = value;
  for (Json& item : target.input) {
    if (!item.contains("type")) item["type"] = "message";
  }
  return Done{};
}

ApiResult<Json> read_tool(const Json& tool, const std::string& path) {
  if (!tool.is_object()) return not_an("an object", tool, path);
  const std::string type_path = member_path(path, "type"), name_path = member_path(path, "name");
  if (!tool.contains("type")) return missing_field(type_path);
  KEDGE_ASSIGN(const std::string type, read_string(tool["type"], type_path));
  if (type != "function") {
    return wrong_field(type_path, fmt::format("'{}' is \"{}\"; this server calls only \"function\" tools, which the "
                                              "client runs",
                                              type_path, type));
  }
  KEDGE_ASSIGN(const std::string name, member_string(tool, "name", path));
  if (name.empty()) return wrong_field(name_path, fmt::format("'{}' must not be empty", name_path));
  Json function = {{"name", name}};
  for (const char* member : {"description", "parameters", "strict"}) {
    if (tool.contains(member) && !tool[member].is_null()) function[member] = tool[member];
  }
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

ApiStatus read_tools(const Json& value, const std::string& path, Target& target) {
  KEDGE_ASSIGN(target.chat.tools, read_tool_list(value, path, read_tool));
  target.echo["tools"] = value;
  return Done{};
}

ToolChoice choice_of(const std::string& text) {
  if (text == "none") return ToolChoice::none;
  return text == "required" ? ToolChoice::required : ToolChoice::automatic;
}

ApiStatus read_tool_choice(const Json& value, const std::string& path, Target& target) {
  target.echo["tool_choice"] = value;
  if (value.is_string()) {
    KEDGE_ASSIGN(const std::string choice, read_choice(value, path, {"auto", "none", "required"}));
    target.chat.tool_choice = choice_of(choice);
    return Done{};
  }
  if (!value.is_object() || !value.contains("type")) {
    return not_an("\"auto\", \"none\", \"required\" or an object with a 'type'", value, path);
  }
  KEDGE_ASSIGN(const std::string type,
               read_choice(value["type"], member_path(path, "type"), {"function", "allowed_tools"}));
  if (type == "allowed_tools") {
    const std::string mode_path = member_path(path, "mode");
    if (!value.contains("mode")) return missing_field(mode_path);
    KEDGE_ASSIGN(const std::string mode, read_choice(value["mode"], mode_path, {"auto", "required"}));
    target.chat.tool_choice = choice_of(mode);
    if (value.contains("tools") && value["tools"].is_array()) return Done{};
    return missing_field(member_path(path, "tools"));
  }
  if (!value.contains("name")) return missing_field(member_path(path, "name"));
  KEDGE_ASSIGN(target.chat.tool_name, read_string(value["name"], member_path(path, "name")));
  target.chat.tool_choice = ToolChoice::named;
  return Done{};
}

ApiStatus read_text_options(const Json& value, const std::string& path, Target& target) {
  if (!value.is_object()) return not_an("an object", value, path);
  if (value.contains("format") && !value["format"].is_null()) {
    KEDGE_TRY(read_text_format(value["format"], member_path(path, "format"), target.chat.options));
    target.echo["text"]["format"] = value["format"];
  }
  if (!value.contains("verbosity") || value["verbosity"].is_null()) return Done{};
  KEDGE_ASSIGN(target.echo["text"]["verbosity"],
               read_choice(value["verbosity"], member_path(path, "verbosity"), {"low", "medium", "high"}));
  return Done{};
}

ApiStatus read_metadata(const Json& value, const std::string& path, Target& target) {
  if (!value.is_object() || value.size() > kMetadataMax) {
    return wrong_field(path, fmt::format("'{}' must be an object of at most {} strings; found {}", path, kMetadataMax,
                                         describe(value)));
  }
  for (const auto& [key, text] : value.items()) {
    if (key.size() > kMetadataKeyMax || !text.is_string() ||
        text.get_ref<const std::string&>().size() > kMetadataValueMax) {
      return wrong_field(path,
                         fmt::format("'{}' must have keys of at most {} bytes and strings of at most {} as values; "
                                     "found {}",
                                     path, kMetadataKeyMax, kMetadataValueMax, describe(text)));
    }
  }
  target.echo["metadata"] = value;
  return Done{};
}

ApiStatus read_reasoning(const Json& value, const std::string& path, Target& target) {
  if (!value.is_object()) return not_an("an object", value, path);
  if (value.contains("effort") && !value["effort"].is_null()) {
    KEDGE_ASSIGN(const std::string effort, read_string(value["effort"], member_path(path, "effort")));
    target.chat.template_variables["reasoning_effort"] = effort;  // for templates that know it
  }
  target.echo["reasoning"] = value;
  return Done{};
}

ApiStatus read_include(const Json& value, const std::string& path, Target& target) {
  if (!value.is_array()) return not_an("an array of strings", value, path);
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(const std::string name, read_string(value[i], item_path(path, i)));
    target.chat.logprobs = target.chat.logprobs || name == "message.output_text.logprobs";
  }
  return Done{};
}

ApiStatus refuse_conversation(const Json&, const std::string& path, Target&) {
  return wrong_field(path, "'conversation' is not kept here; go on from a response by 'previous_response_id'");
}

Json item_schema() {
  const Json text = {{"type", "string"}};
  const Json part = {
      {"type", "object"},
      {"properties", {{"type", {{"enum", Json::array({"input_text", "output_text", "text"})}}}, {"text", text}}},
      {"required", Json::array({"type", "text"})}};
  const Json content = {{"anyOf", Json::array({text, {{"type", "array"}, {"items", part}}})}};
  const auto kind = [](Json type, Json properties, Json names) {
    properties["type"] = std::move(type);
    return Json{{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(names)}};
  };
  const Json roles = {{"enum", Json::array({"user", "assistant", "system", "developer"})}};
  return {{"anyOf",
           Json::array(
               {kind({{"const", "message"}}, {{"role", roles}, {"content", content}}, Json::array({"role", "content"})),
                kind({{"const", "function_call"}}, {{"call_id", text}, {"name", text}, {"arguments", text}},
                     Json::array({"type", "call_id", "name", "arguments"})),
                kind({{"const", "function_call_output"}}, {{"call_id", text}, {"output", content}},
                     Json::array({"type", "call_id", "output"})),
                kind({{"const", "reasoning"}}, Json::object(), Json::array({"type"}))})}};
}

Json input_schema() {
  const Json items = {{"type", "array"}, {"items", item_schema()}, {"minItems", 1}, {"maxItems", kResponseItemsMax}};
  return {{"anyOf", Json::array({{{"type", "string"}}, items})},
          {"description", "The text or the items to answer; they follow those of the previous response."}};
}

Json tools_schema() {
  const Json tool = {{"type", "object"},
                     {"properties",
                      {{"type", {{"const", "function"}}},
                       {"name", {{"type", "string"}, {"minLength", 1}}},
                       {"description", {{"type", Json::array({"string", "null"})}}},
                       {"parameters", {{"type", Json::array({"object", "null"})}}},
                       {"strict", {{"type", Json::array({"boolean", "null"})}}}}},
                     {"required", Json::array({"type", "name"})}};
  return {{"type", "array"}, {"items", tool}, {"maxItems", kToolsMax}, {"description", "What may be called."}};
}

Json tool_choice_schema() {
  const Json named = {{"type", "object"},
                      {"properties", {{"type", {{"const", "function"}}}, {"name", {{"type", "string"}}}}},
                      {"required", Json::array({"type", "name"})}};
  const Json allowed = {{"type", "object"},
                        {"properties",
                         {{"type", {{"const", "allowed_tools"}}},
                          {"mode", {{"enum", Json::array({"auto", "required"})}}},
                          {"tools", {{"type", "array"}, {"items", named}}}}},
                        {"required", Json::array({"type", "mode", "tools"})}};
  return {{"anyOf", Json::array({{{"enum", Json::array({"auto", "none", "required"})}}, named, allowed})},
          {"description", "Whether tools may be called (auto), must be (required, or one by name) or are not (none)."}};
}

Json text_options_schema() {
  const auto kind = [](const char* type) {
    return Json{{"type", "object"}, {"properties", {{"type", {{"const", type}}}}}, {"required", Json::array({"type"})}};
  };
  Json with_schema = kind("json_schema");
  with_schema["properties"]["name"] = {{"type", "string"}};
  with_schema["properties"]["schema"] = {{"type", "object"}};
  with_schema["required"].push_back("schema");
  const Json format = {{"anyOf", Json::array({kind("text"), kind("json_object"), with_schema, {{"type", "null"}}})}};
  return {
      {"type", "object"},
      {"properties", {{"format", format}, {"verbosity", {{"enum", Json::array({"low", "medium", "high", nullptr})}}}}},
      {"description", "What the answer must look like. 'verbosity' is taken and changes nothing."}};
}

Field<Target> row(std::string name, Json schema, ApiStatus (*read)(const Json&, const std::string&, Target&)) {
  return {std::move(name), false, std::move(schema), read};
}

/// A text that is only told again.
Field<Target> echoed(const char* name, const char* description) {
  return string_field<Target>(name, description,
                              [name](Target& t, std::string text) { t.echo[name] = std::move(text); });
}

Fields<Target> conversation_fields() {
  const Json object = {{"type", "object"}};
  return {
      required(row("input", input_schema(), read_input)),
      string_field<Target>("instructions",
                           "The system's message; not kept for the response that goes on from this one.",
                           [](Target& t, std::string text) { t.instructions = std::move(text); }),
      string_field<Target>("previous_response_id", "The response whose conversation goes on.",
                           [](Target& t, std::string id) { t.previous_id = std::move(id); }),
      row("conversation", {{"type", "null"}, {"description", "Not kept here."}}, refuse_conversation),
      row("tools", tools_schema(), read_tools),
      row("tool_choice", tool_choice_schema(), read_tool_choice),
      boolean_field<Target>("parallel_tool_calls", "Several functions may be called at once (the default).",
                            [](Target& t, bool on) { t.chat.parallel_tool_calls = on; }),
      row("text", text_options_schema(), read_text_options),
      row("reasoning",
          {{"type", "object"},
           {"properties", {{"effort", {{"type", Json::array({"string", "null"})}}}}},
           {"description", "effort: told to chat templates that know it, as reasoning_effort."}},
          read_reasoning),
      choice_field<Target>("truncation", {"auto", "disabled"},
                           "auto: the oldest messages go where the context is full.",
                           [](Target& t, std::string name) { t.echo["truncation"] = std::move(name); }),
  };
}

Fields<Target> answer_fields() {
  const Json names = {{"type", "array"}, {"items", {{"type", "string"}}}};
  return {
      integer_field<Target>("max_output_tokens", 1, kNewTokensMax, "The most tokens of the answer.",
                            [](Target& t, int64_t n) { t.chat.options.new_tokens_max = static_cast<uint32_t>(n); }),
      integer_field<Target>("top_logprobs", 0, kTopLogprobsMax, "Log-probabilities of this many likeliest tokens.",
                            [](Target& t, int64_t n) { t.chat.top_logprobs = static_cast<int32_t>(n); }),
      row("include", names, read_include),
      boolean_field<Target>("store", "Keep the response for a while (the default).",
                            [](Target& t, bool on) { t.store = on; }),
      boolean_field<Target>("background", "Answer at once; the response is asked for later.",
                            [](Target& t, bool on) { t.background = on; }),
      row("metadata",
          {{"type", "object"},
           {"additionalProperties", {{"type", "string"}, {"maxLength", 512}}},
           {"propertyNames", {{"maxLength", 64}}},
           {"maxProperties", kMetadataMax},
           {"description", "Told again with the response."}},
          read_metadata),
      echoed("user", "Told again with the response."),
      echoed("safety_identifier", "Told again with the response."),
      echoed("prompt_cache_key", "Told again; prompts that begin alike are found without it."),
  };
}

/// Fields of chat requests that mean the same here.
const Fields<GenerationOptions>& shared_fields() {
  static const Fields<GenerationOptions> kFields = [] {
    static constexpr std::array kOthers = {"stream_options", "max_tokens",     "max_completion_tokens", "n",
                                           "best_of",        "response_format"};
    Fields<GenerationOptions> fields;
    for (const Field<GenerationOptions>& field : generation_fields()) {
      if (std::find(kOthers.begin(), kOthers.end(), field.name) == kOthers.end()) fields.push_back(field);
    }
    return fields;
  }();
  return kFields;
}

const Fields<Target>& own_fields() {
  static const Fields<Target> kFields = [] {
    Fields<Target> fields = conversation_fields();
    for (Field<Target>& field : answer_fields()) fields.push_back(std::move(field));
    return fields;
  }();
  return kFields;
}

bool has_tool(const ChatRequest& chat, const Json& name) {
  return chat.tools.is_array() && std::any_of(chat.tools.begin(), chat.tools.end(),
                                              [&](const Json& tool) { return tool["function"]["name"] == name; });
}

/// tool_choice: allowed_tools leaves only these.
ApiStatus keep_allowed(const Json& allowed, ChatRequest& chat) {
  const std::string path = "tool_choice.tools";
  Json kept = Json::array();
  for (size_t i = 0; i < allowed.size(); ++i) {
    const bool named = allowed[i].is_object() && allowed[i].contains("name") && has_tool(chat, allowed[i]["name"]);
    if (!named)
      return wrong_field(item_path(path, i), fmt::format("'{}' is not one of the 'tools'", item_path(path, i)));
    for (const Json& tool : chat.tools) {
      if (tool["function"]["name"] == allowed[i]["name"]) kept.push_back(tool);
    }
  }
  if (kept.empty()) return wrong_field(path, fmt::format("'{}' must not be empty", path));
  chat.tools = std::move(kept);
  return Done{};
}

ApiStatus check_tools(ResponseRequest& request) {
  ChatRequest& chat = request.chat;
  const auto choice = request.echo.find("tool_choice");
  if (choice == request.echo.end()) return Done{};
  if (choice->is_object() && choice->contains("tools")) return keep_allowed((*choice)["tools"], chat);
  if (chat.tool_choice == ToolChoice::required && !chat.tools.is_array()) {
    return wrong_field("tool_choice", "'tool_choice' asks for a call, and there are no 'tools'");
  }
  if (chat.tool_choice == ToolChoice::named && !has_tool(chat, chat.tool_name)) {
    return wrong_field("tool_choice.name",
                       fmt::format("'tool_choice.name' is \"{}\", which is not one of the 'tools'", chat.tool_name));
  }
  return Done{};
}

}  // namespace

ApiResult<ResponseRequest> read_response_request(const Json& body, bool counts_only) {
  ResponseRequest request;
  GenerationOptions& options = request.chat.options;
  KEDGE_TRY(read_fields(body, shared_fields(), options));
  KEDGE_TRY(read_fields(body, own_fields(), request));
  KEDGE_TRY(check_tools(request));
  request.drops_oldest = request.echo.value("truncation", "") == "auto";
  if (request.chat.logprobs || request.chat.top_logprobs > 0) {
    request.chat.logprobs = true;
    options.request.top_logprobs = request.chat.top_logprobs;
  }
  if (!request.background || counts_only) return request;
  if (options.stream)
    return wrong_field("stream", "'stream' and 'background' can't both be true: ask for the response");
  if (!request.store) return wrong_field("store", "'background' needs 'store', or the response could not be asked for");
  return request;
}

Json response_request_schema(bool counts_only) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(schema, own_fields());
  add_properties(schema, shared_fields());
  if (counts_only) return schema;
  // As read_response_request has it: background neither streams nor goes unstored.
  schema["if"] = {{"properties", {{"background", {{"const", true}}}}}, {"required", Json::array({"background"})}};
  schema["then"] = {
      {"properties",
       {{"stream", {{"enum", Json::array({false, nullptr})}}}, {"store", {{"enum", Json::array({true, nullptr})}}}}}};
  return schema;
}

}  // namespace kedge::serve
