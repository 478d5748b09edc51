#include "serve/tool_use.h"

#include <fmt/format.h>

#include "text/chat_template.h"

namespace kedge::serve {

namespace {

const Json& any_arguments() {
  static const Json kSchema = {{"type", "object"}};
  return kSchema;
}

/// A schema that can't be kept to is passed over, as OpenAI does unless a tool is strict.
ApiResult<Json> parameters_of(const Json& function, const std::string& path, ServedModel& model) {
  if (!function.contains("parameters") || function["parameters"].is_null()) return any_arguments();
  const Json& schema = function["parameters"];
  if (!schema.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be a JSON Schema; found {}", path, describe(schema)));
  }
  if (schema.empty()) return any_arguments();
  Json object = schema;
  if (!object.contains("type")) object["type"] = "object";
  const Status prepared = model.engine().prepare({ConstraintKind::json_schema, to_text(object)});
  if (prepared.ok()) return object;
  if (!function.contains("strict") || function["strict"] != true) return any_arguments();
  return wrong_field(path, fmt::format("'{}': {}", path, prepared.error().message));
}

/// Phi-4-mini's template reads the tools from the system message, as text.
void put_into_system_message(ChatRequest& request) {
  Json functions = Json::array();
  for (const Json& tool : request.tools) functions.push_back(tool["function"]);
  if (request.messages.empty() || request.messages[0]["role"] != "system") {
    request.messages.insert(request.messages.begin(), Json{{"role", "system"}, {"content", ""}});
  }
  request.messages[0]["tools"] = to_text(functions);
}

/// Templates that know nothing of tools refuse their messages: calls become text, results become the user's words.
void write_out_calls(Json& messages, ToolSyntax syntax) {
  Json plain = Json::array();
  for (Json& message : messages) {
    const bool result = message["role"] == "tool" || message["role"] == "function";
    std::string text = message["content"].get<std::string>();
    if (message.contains("tool_calls")) {
      if (!text.empty()) text += "\n";
      text += calls_text(syntax, message["tool_calls"]);
    }
    if (result) text = "Result of the call: " + text;
    const Json role = result ? Json("user") : message["role"];
    if (!plain.empty() && plain.back()["role"] == role && role == "user") {
      plain.back()["content"] = plain.back()["content"].get<std::string>() + "\n" + text;
    } else {
      plain.push_back({{"role", role}, {"content", text}});
    }
  }
  messages = std::move(plain);
}

void tell_of_tools(ChatRequest& request, ToolSyntax syntax) {
  for (Json& message : request.messages) {
    if (message["role"] != "user") continue;
    message["content"] = tool_instructions(syntax, request.tools) + "\n\n" + message["content"].get<std::string>();
    return;
  }
}

}  // namespace

ApiResult<std::optional<ToolSyntax>> prepare_tools(ChatRequest& request, ServedModel& model) {
  if (request.tool_choice == ToolChoice::none) request.tools = nullptr;
  const text::ChatTemplate* chat_template = model.engine().chat_template();
  if (!request.tools.is_array() || chat_template == nullptr) return std::optional<ToolSyntax>();
  const ToolSyntax syntax = detect_tool_syntax(chat_template->source());
  std::vector<Tool> tools;
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const Json& function = request.tools[i]["function"];
    const std::string name = function["name"].get<std::string>();
    if (request.tool_choice == ToolChoice::named && name != request.tool_name) continue;
    KEDGE_ASSIGN(Json parameters, parameters_of(function, item_path("tools", i) + ".function.parameters", model));
    tools.push_back({name, std::move(parameters)});
  }
  ToolRules rules;
  rules.needed = request.tool_choice == ToolChoice::required || request.tool_choice == ToolChoice::named;
  rules.parallel = request.parallel_tool_calls && request.tool_choice != ToolChoice::named;
  rules.call_ids = chat_template->source().find("[CALL_ID]") != std::string::npos;
  Request& engine_request = request.options.request;
  if (engine_request.constraint && !rules.needed) rules.text = format_of(*engine_request.constraint);
  engine_request.constraint = tool_constraint(syntax, tools, rules);
  engine_request.skip_special = false;  // some marks of calls are special tokens
  request.options.constraint_field = "tools";
  if (chat_template->source().find("message['tools']") != std::string::npos) {
    put_into_system_message(request);
  } else if (!template_knows_tools(chat_template->source())) {
    tell_of_tools(request, syntax);
    write_out_calls(request.messages, syntax);
  }
  return std::optional(syntax);
}

}  // namespace kedge::serve
