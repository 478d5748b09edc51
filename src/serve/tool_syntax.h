#pragma once
// How models write calls of tools: each family in its own way, which its chat template shows.

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/constraint.h"

namespace kedge::serve {

enum class ToolSyntax : uint8_t {
  hermes,        // <tool_call>{"name", "arguments"}</tool_call> (Hermes, Qwen)
  llama_json,    // {"name", "parameters"}, <|python_tag|> may come first (Llama 3.x); one call
  pythonic,      // [name(key=value), ...] (Llama 3.2 and 4, Gemma)
  mistral_list,  // [TOOL_CALLS][{"name", "arguments"}, ...]
  mistral_args,  // [TOOL_CALLS]name[ARGS]{...}, [CALL_ID] between them with some
  phi,           // <|tool_call|>[{"name", "arguments"}, ...]<|/tool_call|>
  functools      // functools[{"name", "arguments"}, ...] (Phi-4-mini's other template)
};

ToolSyntax detect_tool_syntax(std::string_view template_source);

/// Whether the template tells the model of tools at all; if not, `tool_instructions` must.
bool template_knows_tools(std::string_view template_source);
std::string tool_instructions(ToolSyntax syntax, const Json& tools);

/// Calls that a model made, as it wrote them where its template knows no tools: pythonic, or as Hermes does.
std::string calls_text(ToolSyntax syntax, const Json& calls);

struct Tool {
  std::string name;
  Json parameters;  // a JSON Schema
};

struct ToolRules {
  bool needed = false;    // a call must come; else text may come as well, or instead
  bool parallel = true;   // more than one may
  Json text = nullptr;    // not null: a format that text without calls must have
  bool call_ids = false;  // mistral_args: the template writes [CALL_ID]
};

/// Answers that call these tools as the syntax has it. REQUIRES: some tools.
Constraint tool_constraint(ToolSyntax syntax, const std::vector<Tool>& tools, const ToolRules& rules);

/// The same demand as a format of structural tags.
Json format_of(const Constraint& constraint);

}  // namespace kedge::serve
