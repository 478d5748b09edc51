#include "serve/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "serve/answer_schema.h"
#include "serve/cache_control.h"

namespace kedge::serve {

namespace {

Json block_schema(const char* type, Json properties, const std::vector<std::string>& required_names);

ApiResult<std::string> block_type(const Json& block, const std::string& path) {
  if (!block.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object with a 'type'; found {}", path, describe(block)));
  }
  if (!block.contains("type")) return missing_field(member_path(path, "type"));
  return read_string(block["type"], member_path(path, "type"));
}

ApiError unknown_block(const std::string& type, const std::string& path) {
  return wrong_field(member_path(path, "type"),
                     fmt::format("'{}' is of type \"{}\", which is not read here", path, type));
}

void add_line(std::string& text, const std::string& more) {
  if (!text.empty()) text += "\n";
  text += more;
}

/// A string, or blocks that are all text.
ApiResult<std::string> read_text(const Json& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) {
    return wrong_field(path,
                       fmt::format("'{}' must be a string or an array of blocks; found {}", path, describe(value)));
  }
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string block_path = item_path(path, i);
    KEDGE_ASSIGN(const std::string type, block_type(value[i], block_path));
    if (type != "text") return unknown_block(type, block_path);
    KEDGE_ASSIGN(const std::string piece, member_string(value[i], "text", block_path));
    add_line(text, piece);
  }
  return text;
}

/// One message's blocks become one message or, with results of calls, several.
class MessageReader {
 public:
  explicit MessageReader(Json& messages) : messages_(messages) {}

  ApiStatus read(const Json& message, const std::string& path) {
    if (!message.is_object()) {
      return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(message)));
    }
    if (!message.contains("role")) return missing_field(member_path(path, "role"));
    KEDGE_ASSIGN(role_, read_choice(message["role"], member_path(path, "role"), {"user", "assistant"}));
    const std::string content_path = member_path(path, "content");
    if (!message.contains("content")) return missing_field(content_path);
    const Json& content = message["content"];
    text_.clear();
    calls_ = Json::array();
    bool has_results = false;
    if (!content.is_array()) {
      KEDGE_ASSIGN(text_, read_text(content, content_path));
    } else {
      for (size_t i = 0; i < content.size(); ++i) {
        KEDGE_TRY(read_block(content[i], item_path(content_path, i)));
        has_results = has_results || content[i]["type"] == "tool_result";
      }
    }
    if (!text_.empty() || !has_results) end_message();
    return Done{};
  }

 private:
  ApiStatus read_block(const Json& block, const std::string& path) {
    KEDGE_ASSIGN(const std::string type, block_type(block, path));
    if (type == "text") {
      KEDGE_ASSIGN(const std::string piece, member_string(block, "text", path));
      add_line(text_, piece);
      return Done{};
    }
    if (role_ == "user" && type == "tool_result") return read_result(block, path);
    if (role_ == "assistant" && type == "tool_use") return read_call(block, path);
    // What a model thought is not told it again.
    if (role_ == "assistant" && (type == "thinking" || type == "redacted_thinking")) return Done{};
    return unknown_block(type, path);
  }

  ApiStatus read_result(const Json& block, const std::string& path) {
    KEDGE_ASSIGN(const std::string id, member_string(block, "tool_use_id", path));
    std::string text;
    if (block.contains("content") && !block["content"].is_null()) {
      KEDGE_ASSIGN(text, read_text(block["content"], member_path(path, "content")));
    }
    if (!text_.empty()) end_message();
    Json result = {{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(text)}};
    if (const auto name = names_.find(id); name != names_.end()) result["name"] = name->second;
    messages_.push_back(std::move(result));
    return Done{};
  }

  ApiStatus read_call(const Json& block, const std::string& path) {
    KEDGE_ASSIGN(const std::string id, member_string(block, "id", path));
    KEDGE_ASSIGN(const std::string name, member_string(block, "name", path));
    if (!block.contains("input")) return missing_field(member_path(path, "input"));
    if (!block["input"].is_object()) {
      const std::string input = member_path(path, "input");
      return wrong_field(input, fmt::format("'{}' must be an object; found {}", input, describe(block["input"])));
    }
    names_[id] = name;
    calls_.push_back({{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", block["input"]}}}});
    return Done{};
  }

  void end_message() {
    Json message = {{"role", role_}, {"content", std::exchange(text_, {})}};
    if (!calls_.empty()) message["tool_calls"] = std::exchange(calls_, Json::array());
    messages_.push_back(std::move(message));
  }

  Json& messages_;
  std::map<std::string, std::string> names_;  // of the calls so far, by id
  std::string role_, text_;
  Json calls_;
};

ApiStatus read_messages(const Json& value, const std::string& path, ChatRequest& request) {
  if (!value.is_array() || value.empty() || value.size() > kMessagesMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of 1 to {} messages; found {}", path, kMessagesMax,
                                         value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  MessageReader reader(request.messages);
  for (size_t i = 0; i < value.size(); ++i) KEDGE_TRY(reader.read(value[i], item_path(path, i)));
  if (value.back()["role"] == "user") return Done{};
  const std::string role = member_path(item_path(path, value.size() - 1), "role");
  return wrong_field(role, fmt::format("'{}' must be \"user\": the beginning of an answer can't be given", role));
}

ApiStatus read_system(const Json& value, const std::string& path, ChatRequest& request) {
  KEDGE_ASSIGN(std::string text, read_text(value, path));
  if (text.empty()) return Done{};
  request.messages.insert(request.messages.begin(), Json{{"role", "system"}, {"content", std::move(text)}});
  return Done{};
}

ApiStatus read_stops(const Json& value, const std::string& path, ChatRequest& request) {
  if (!value.is_array() || value.size() > kStopStringsMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of at most {} strings; found {}", path, kStopStringsMax,
                                         describe(value)));
  }
  Request& engine = request.options.request;
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(std::string text, read_string(value[i], item_path(path, i)));
    if (text.empty()) return wrong_field(item_path(path, i), fmt::format("'{}' must not be empty", item_path(path, i)));
    engine.stop_strings.push_back(std::move(text));
  }
  engine.include_stop_string = !value.empty();  // so that the answer tells which one it was
  return Done{};
}

ApiResult<Json> read_tool(const Json& value, const std::string& path) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  if (value.contains("type") && !value["type"].is_null()) {
    KEDGE_TRY(read_choice(value["type"], member_path(path, "type"), {"custom"}));
  }
  KEDGE_ASSIGN(const std::string name, member_string(value, "name", path));
  const std::string schema_path = member_path(path, "input_schema");
  if (name.empty()) return wrong_field(member_path(path, "name"), fmt::format("'{}.name' must not be empty", path));
  if (!value.contains("input_schema")) return missing_field(schema_path);
  if (!value["input_schema"].is_object()) {
    return wrong_field(
        schema_path, fmt::format("'{}' must be a JSON Schema; found {}", schema_path, describe(value["input_schema"])));
  }
  Json function = {{"name", name}};
  if (value.contains("description") && !value["description"].is_null()) {
    KEDGE_ASSIGN(function["description"], member_string(value, "description", path));
  }
  function["parameters"] = value["input_schema"];
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

ApiStatus read_tools(const Json& value, const std::string& path, ChatRequest& request) {
  KEDGE_ASSIGN(request.tools, read_tool_list(value, path, read_tool));
  return Done{};
}

ApiStatus read_tool_choice(const Json& value, const std::string& path, ChatRequest& request) {
  KEDGE_ASSIGN(const std::string given, block_type(value, path));
  KEDGE_ASSIGN(const std::string type, read_choice(given, member_path(path, "type"), {"auto", "any", "tool", "none"}));
  if (value.contains("disable_parallel_tool_use") && !value["disable_parallel_tool_use"].is_null()) {
    KEDGE_ASSIGN(const bool single,
                 read_boolean(value["disable_parallel_tool_use"], member_path(path, "disable_parallel_tool_use")));
    request.parallel_tool_calls = !single;
  }
  if (type == "any") request.tool_choice = ToolChoice::required;
  if (type == "none") request.tool_choice = ToolChoice::none;
  if (type != "tool") return Done{};
  request.tool_choice = ToolChoice::named;
  KEDGE_ASSIGN(request.tool_name, member_string(value, "name", path));
  return Done{};
}

/// What tool_choice asks for must be among the tools.
ApiStatus check_tool_choice(const ChatRequest& request) {
  if (request.tool_choice == ToolChoice::automatic || request.tool_choice == ToolChoice::none) return Done{};
  if (!request.tools.is_array()) {
    return wrong_field("tool_choice", "'tool_choice' asks for a call, and there are no 'tools'");
  }
  if (request.tool_choice == ToolChoice::required) return Done{};
  for (const Json& tool : request.tools) {
    if (tool["function"]["name"] == request.tool_name) return Done{};
  }
  return wrong_field("tool_choice.name",
                     fmt::format("'tool_choice.name' is \"{}\", which is not one of the 'tools'", request.tool_name));
}

/// {"type": "enabled", "budget_tokens": n}; "disabled" is a budget of 0, "adaptive" none.
ApiStatus read_thinking(const Json& value, const std::string& path, ChatRequest& request) {
  KEDGE_ASSIGN(const std::string given, block_type(value, path));
  KEDGE_ASSIGN(const std::string type,
               read_choice(given, member_path(path, "type"), {"enabled", "disabled", "adaptive"}));
  if (type == "disabled") request.options.reasoning_tokens_max = 0;
  if (type != "enabled") return Done{};
  if (!value.contains("budget_tokens")) return missing_field(member_path(path, "budget_tokens"));
  KEDGE_ASSIGN(request.options.reasoning_tokens_max,
               read_integer(value["budget_tokens"], member_path(path, "budget_tokens"), 0, kNewTokensMax));
  return Done{};
}

Json thinking_schema() {
  const Json enabled =
      block_schema("enabled", {{"budget_tokens", {{"type", "integer"}, {"minimum", 0}, {"maximum", kNewTokensMax}}}},
                   {"budget_tokens"});
  return {{"anyOf", Json::array({enabled, block_schema("disabled", Json::object(), {}),
                                 block_schema("adaptive", Json::object(), {})})},
          {"description", "How many tokens of reasoning come before the answer at most."}};
}

Json text_schema() {
  const Json text = {{"type", "string"}};
  const Json block = {
      {"type", "object"},
      {"properties", {{"type", {{"const", "text"}}}, {"text", text}, {"cache_control", cache_control_schema()}}},
      {"required", Json::array({"type", "text"})}};
  return {{"anyOf", Json::array({text, {{"type", "array"}, {"items", block}}})}};
}

Json block_schema(const char* type, Json properties, const std::vector<std::string>& required_names) {
  properties["type"] = {{"const", type}};
  properties["cache_control"] = cache_control_schema();
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}, {"required", Json::array({"type"})}};
  for (const std::string& name : required_names) schema["required"].push_back(name);
  return schema;
}

Json messages_schema() {
  const Json text = {{"type", "string"}};
  const Json words = block_schema("text", {{"text", text}}, {"text"});
  Json result_text = text_schema();
  result_text["anyOf"].push_back({{"type", "null"}});
  const Json result =
      block_schema("tool_result", {{"tool_use_id", text}, {"content", std::move(result_text)}}, {"tool_use_id"});
  const Json call = block_schema("tool_use", {{"id", text}, {"name", text}, {"input", {{"type", "object"}}}},
                                 {"id", "name", "input"});
  const auto message = [&](const char* role, Json blocks) {
    const Json list = {{"type", "array"}, {"items", {{"anyOf", std::move(blocks)}}}};
    return object_schema({{"role", {{"const", role}}}, {"content", {{"anyOf", Json::array({text, list})}}}});
  };
  const Json user = message("user", Json::array({words, result}));
  const Json assistant = message("assistant", Json::array({words, call, block_schema("thinking", Json::object(), {}),
                                                           block_schema("redacted_thinking", Json::object(), {})}));
  return {{"type", "array"},
          {"items", {{"anyOf", Json::array({user, assistant})}}},
          {"minItems", 1},
          {"maxItems", kMessagesMax},
          {"description", "The conversation so far; the last message is the user's."}};
}

Json tools_schema() {
  const Json text_or_null = {{"type", Json::array({"string", "null"})}};
  const Json name = {{"type", "string"}, {"minLength", 1}};
  const Json tool = {{"type", "object"},
                     {"properties",
                      {{"type", {{"enum", Json::array({"custom", nullptr})}}},
                       {"name", name},
                       {"description", text_or_null},
                       {"input_schema", {{"type", "object"}}},
                       {"cache_control", cache_control_schema()}}},
                     {"required", Json::array({"name", "input_schema"})}};
  return {{"type", "array"}, {"items", tool}, {"maxItems", kToolsMax}, {"description", "What may be called."}};
}

Json tool_choice_schema() {
  const Json single = {{"type", Json::array({"boolean", "null"})}};
  return {{"type", "object"},
          {"properties",
           {{"type", {{"enum", Json::array({"auto", "any", "tool", "none"})}}},
            {"name", {{"type", "string"}}},
            {"disable_parallel_tool_use", single}}},
          {"required", Json::array({"type"})},
          {"description", "Whether tools may be called (auto), must be (any, or one by name) or are not (none)."}};
}

Fields<ChatRequest> conversation_fields() {
  const Json stop = {{"type", "string"}, {"minLength", 1}};
  return {
      string_field<ChatRequest>("model", "A name from /v1/models; may be left out when there is only one.",
                                [](ChatRequest& r, std::string name) { r.options.model = std::move(name); }),
      required(Field<ChatRequest>{"messages", false, messages_schema(), read_messages}),
      {"system", false, text_schema(), read_system},
      {"tools", false, tools_schema(), read_tools},
      {"tool_choice", false, tool_choice_schema(), read_tool_choice},
      {"thinking", false, thinking_schema(), read_thinking},
      boolean_field<ChatRequest>("stream", "Send the answer as server-sent events while it is made.",
                                 [](ChatRequest& r, bool on) { r.options.stream = on; }),
      {"stop_sequences",
       false,
       {{"type", "array"}, {"items", stop}, {"maxItems", kStopStringsMax}, {"description", "They end an answer."}},
       read_stops},
  };
}

Fields<ChatRequest> sampling_fields() {
  return {
      number_field<ChatRequest>("temperature", {0, 2}, "0 takes the likeliest token each time.",
                                [](ChatRequest& r, float t) { r.options.request.sampling.temperature = t; }),
      number_field<ChatRequest>("top_p", {0, 1}, "Sample from the smallest set of tokens with this total probability.",
                                [](ChatRequest& r, float p) {
                                  r.options.request.sampling.top_p = std::max(p, std::numeric_limits<float>::min());
                                }),
      integer_field<ChatRequest>(
          "top_k", 0, kNewTokensMax, "Sample from so many of the likeliest tokens; 0: from all.",
          [](ChatRequest& r, int64_t k) { r.options.request.sampling.top_k = static_cast<int32_t>(k); }),
  };
}

const Fields<ChatRequest>& fields_of(bool counts_only) {
  static const auto kMake = [](bool counts) {
    Fields<ChatRequest> fields = conversation_fields();
    for (Field<ChatRequest>& field : sampling_fields()) fields.push_back(std::move(field));
    Field<ChatRequest> most = integer_field<ChatRequest>(
        "max_tokens", 1, kNewTokensMax, "The most tokens of an answer.",
        [](ChatRequest& r, int64_t n) { r.options.new_tokens_max = static_cast<uint32_t>(n); });
    most.required = !counts;
    fields.push_back(std::move(most));
    return fields;
  };
  static const Fields<ChatRequest> kWhole = kMake(false), kCounts = kMake(true);
  return counts_only ? kCounts : kWhole;
}

}  // namespace

ApiResult<ChatRequest> read_anthropic_request(const Json& body, bool counts_only) {
  ChatRequest request;
  KEDGE_TRY(read_fields(body, fields_of(counts_only), request));
  KEDGE_TRY(check_tool_choice(request));
  KEDGE_TRY(read_cache_marks(body, request.options.request));
  return request;
}

Json anthropic_request_schema(bool counts_only) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(schema, fields_of(counts_only));
  schema["properties"]["cache_control"] = cache_control_schema();
  return schema;
}

}  // namespace kedge::serve
