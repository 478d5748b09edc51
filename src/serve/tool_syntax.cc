#include "serve/tool_syntax.h"

namespace kedge::serve {

namespace {

bool has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

Json text_format(std::string_view value) {
  return {{"type", "const_string"}, {"value", value}};
}

Json token_format(std::string_view token) {
  return {{"type", "token"}, {"token", token}};
}

Json schema_format(const Json& schema) {
  return {{"type", "json_schema"}, {"json_schema", schema}};
}

Json sequence_format(Json elements) {
  return {{"type", "sequence"}, {"elements", std::move(elements)}};
}

Json either_format(Json elements) {
  return {{"type", "or"}, {"elements", std::move(elements)}};
}

Json tag_format(const Json& begin, const Json& content, const Json& end) {
  return {{"type", "tag"}, {"begin", begin}, {"content", content}, {"end", end}};
}

/// {"name": "f", "arguments": {...}} for each tool.
Json call_tags(const std::vector<Tool>& tools, std::string_view arguments_key) {
  Json tags = Json::array();
  for (const Tool& tool : tools) {
    const std::string begin = "{\"name\": " + to_text(Json(tool.name)) + ", \"" + std::string(arguments_key) + "\": ";
    tags.push_back(tag_format(begin, schema_format(tool.parameters), "}"));
  }
  return tags;
}

Json separated_format(Json tags, std::string_view separator, const ToolRules& rules) {
  return {{"type", "tags_with_separator"},
          {"tags", std::move(tags)},
          {"separator", separator},
          {"at_least_one", true},
          {"stop_after_first", !rules.parallel}};
}

/// Text without the marks, and the tags that they begin.
Json triggered_format(const Json& trigger, Json tags, bool once) {
  return {{"type", "triggered_tags"},
          {"triggers", Json::array({trigger})},
          {"tags", std::move(tags)},
          {"stop_after_first", once}};
}

/// Text that does not begin with `first`, the character that a call begins with.
Json other_text(std::string_view first) {
  const std::string any = "[\\u0000-\\uFFFF\\u{10000}-\\u{10FFFF}]*";
  return {{"type", "regex"}, {"pattern", "\\s*([^\\s\\" + std::string(first) + "]" + any + ")?"}};
}

/// Either calls or text; calls at the answer's start alone.
Json at_start(const Json& calls, std::string_view first, const ToolRules& rules) {
  if (rules.needed) return calls;
  return either_format(Json::array({calls, rules.text.is_null() ? other_text(first) : rules.text}));
}

/// Calls behind a mark that may come anywhere.
Json behind_mark(const Json& calls, const Json& trigger, Json tags, bool once, const ToolRules& rules) {
  if (rules.needed) return calls;
  if (!rules.text.is_null()) return either_format(Json::array({calls, rules.text}));
  return triggered_format(trigger, std::move(tags), once);
}

Json hermes_format(const std::vector<Tool>& tools, const ToolRules& rules) {
  const Json begin = token_format("<tool_call>"), end = token_format("</tool_call>");
  Json tags = Json::array();
  for (const Json& call : call_tags(tools, "arguments")) {
    tags.push_back(tag_format(begin, sequence_format(Json::array({text_format("\n"), call, text_format("\n")})), end));
  }
  return behind_mark(separated_format(tags, "\n", rules), begin, tags, !rules.parallel, rules);
}

Json list_format(const Json& begin, const std::string& open, const Json& end, const std::vector<Tool>& tools,
                 const ToolRules& rules) {
  const Json list = sequence_format(Json::array({{{"type", "regex"}, {"pattern", open}},
                                                 separated_format(call_tags(tools, "arguments"), ", ", rules),
                                                 text_format("]")}));
  const Json tag = tag_format(begin, list, end);
  return behind_mark(tag, begin, Json::array({tag}), true, rules);
}

Json mistral_args_format(const std::vector<Tool>& tools, const ToolRules& rules) {
  const Json begin = token_format("[TOOL_CALLS]"), arguments = token_format("[ARGS]");
  Json tags = Json::array();
  for (const Tool& tool : tools) {
    Json elements = Json::array({text_format(tool.name)});
    if (rules.call_ids) {
      elements.push_back(
          either_format(Json::array({sequence_format(Json::array({token_format("[CALL_ID]"),
                                                                  {{"type", "regex"}, {"pattern", "[a-zA-Z0-9]{9}"}}})),
                                     text_format("")})));
    }
    elements.push_back(arguments);
    elements.push_back(schema_format(tool.parameters));
    tags.push_back(tag_format(begin, sequence_format(std::move(elements)), ""));
  }
  return behind_mark(separated_format(tags, "", rules), begin, tags, !rules.parallel, rules);
}

Json llama_format(const std::vector<Tool>& tools, const ToolRules& rules) {
  const Json call = {{"type", "or"}, {"elements", call_tags(tools, "parameters")}};
  const Json calls =
      either_format(Json::array({call, sequence_format(Json::array({token_format("<|python_tag|>"), call}))}));
  return at_start(calls, "{", rules);
}

Json pythonic_format(const std::vector<Tool>& tools, const ToolRules& rules) {
  Json tags = Json::array();
  for (const Tool& tool : tools) {
    tags.push_back(tag_format(tool.name + "(", {{"type", "keyword_arguments"}, {"json_schema", tool.parameters}}, ")"));
  }
  return at_start(
      sequence_format(Json::array({text_format("["), separated_format(tags, ", ", rules), text_format("]")})), "[",
      rules);
}

Json make_format(ToolSyntax syntax, const std::vector<Tool>& tools, const ToolRules& rules) {
  switch (syntax) {
    case ToolSyntax::hermes:
      break;
    case ToolSyntax::llama_json:
      return llama_format(tools, rules);
    case ToolSyntax::pythonic:
      return pythonic_format(tools, rules);
    case ToolSyntax::mistral_list:
      return list_format(token_format("[TOOL_CALLS]"), " ?\\[", "", tools, rules);
    case ToolSyntax::mistral_args:
      return mistral_args_format(tools, rules);
    case ToolSyntax::phi:
      return list_format(token_format("<|tool_call|>"), "\\[", token_format("<|/tool_call|>"), tools, rules);
    case ToolSyntax::functools:
      return list_format("functools", "\\[", "", tools, rules);
  }
  return hermes_format(tools, rules);
}

}  // namespace

ToolSyntax detect_tool_syntax(std::string_view source) {
  if (has(source, "[ARGS]")) return ToolSyntax::mistral_args;
  if (has(source, "[TOOL_CALLS]")) return ToolSyntax::mistral_list;
  if (has(source, "functools[")) return ToolSyntax::functools;
  if (has(source, "<|tool_call|>") || has(source, "<|tool|>")) return ToolSyntax::phi;
  if (has(source, "<tool_call>")) return ToolSyntax::hermes;
  if (has(source, "func_name1(") || has(source, "<start_of_turn>")) return ToolSyntax::pythonic;
  if (has(source, "<|python_tag|>") || has(source, "\"parameters\": ")) return ToolSyntax::llama_json;
  return ToolSyntax::hermes;
}

bool template_knows_tools(std::string_view source) {
  return has(source, "tools");
}

std::string tool_instructions(ToolSyntax syntax, const Json& tools) {
  std::string text = "You may call functions. These are described by JSON Schemas, one a line:\n";
  for (const Json& tool : tools) text += to_text(tool.contains("function") ? tool["function"] : tool) + "\n";
  if (syntax == ToolSyntax::pythonic) {
    return text + "To call some, answer with nothing but [name(key=value, ...), ...].";
  }
  return text +
         "To call one, answer with\n<tool_call>\n{\"name\": NAME, \"arguments\": ARGUMENTS}\n</tool_call>\nand nothing "
         "else.";
}

std::string calls_text(ToolSyntax syntax, const Json& calls) {
  std::string text;
  for (const Json& call : calls) {
    const Json& function = call["function"];
    const Json name = function.value("name", Json(""));
    const Json arguments = function.value("arguments", Json::object());
    if (syntax != ToolSyntax::pythonic) {
      text += text.empty() ? "" : "\n";
      text += "<tool_call>\n" + to_text({{"name", name}, {"arguments", arguments}}) + "\n</tool_call>";
      continue;
    }
    text += text.empty() ? "" : ", ";
    text += (name.is_string() ? name.get<std::string>() : std::string()) + "(";
    const size_t begin = text.size();
    if (arguments.is_object()) {
      for (const auto& [key, value] : arguments.items()) {
        text += (text.size() == begin ? "" : ", ") + key + "=" + to_text(value);
      }
    }
    text += ")";
  }
  return syntax == ToolSyntax::pythonic ? "[" + text + "]" : text;
}

Constraint tool_constraint(ToolSyntax syntax, const std::vector<Tool>& tools, const ToolRules& rules) {
  const Json tag = {{"type", "structural_tag"}, {"format", make_format(syntax, tools, rules)}};
  return {ConstraintKind::structural_tag, to_text(tag)};
}

Json format_of(const Constraint& constraint) {
  switch (constraint.kind) {
    case ConstraintKind::json_object:
      return schema_format({{"type", "object"}});
    case ConstraintKind::regex:
      return {{"type", "regex"}, {"pattern", constraint.source}};
    case ConstraintKind::gbnf:
      return {{"type", "grammar"}, {"grammar", constraint.source}};
    default:
      break;
  }
  const Result<Json> source = parse_json(constraint.source, "constraint");
  if (!source.ok()) return nullptr;
  if (constraint.kind == ConstraintKind::json_schema) return schema_format(source.value());
  if (constraint.kind == ConstraintKind::structural_tag) return source.value().value("format", Json());
  Json choices = Json::array();
  for (const Json& choice : source.value()) choices.push_back(text_format(choice.get<std::string>()));
  return either_format(std::move(choices));
}

}  // namespace kedge::serve
