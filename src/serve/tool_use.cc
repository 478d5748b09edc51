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
  if (!template_knows_tools(chat_template->source())) tell_of_tools(request, syntax);
  return std::optional(syntax);
}

}  // namespace kedge::serve
