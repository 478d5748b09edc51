#include "serve/constraint_fields.h"

#include <fmt/format.h>

#include <array>

namespace kedge::serve {

namespace {

using Options = GenerationOptions;

constexpr size_t kChoicesMax = 10'000;

ApiStatus set_constraint(Options& options, const std::string& path, Constraint constraint) {
  if (options.request.constraint) {
    return wrong_field(path, fmt::format("'{}' and '{}' both say what the answer must look like: use one of them",
                                         options.constraint_field, path));
  }
  options.request.constraint = std::move(constraint);
  options.constraint_field = path;
  return Done{};
}

/// A schema as an object, or as JSON in a string.
ApiStatus read_schema(const Json& value, const std::string& path, Options& options) {
  if (value.is_string()) return set_constraint(options, path, {ConstraintKind::json_schema, value.get<std::string>()});
  if (value.is_object() || value.is_boolean()) {
    return set_constraint(options, path, {ConstraintKind::json_schema, to_text(value)});
  }
  return wrong_field(path, fmt::format("'{}' must be a JSON Schema; found {}", path, describe(value)));
}

ApiStatus read_regex(const Json& value, const std::string& path, Options& options) {
  KEDGE_ASSIGN(std::string pattern, read_string(value, path));
  return set_constraint(options, path, {ConstraintKind::regex, std::move(pattern)});
}

ApiStatus read_grammar(const Json& value, const std::string& path, Options& options) {
  KEDGE_ASSIGN(std::string grammar, read_string(value, path));
  return set_constraint(options, path, {ConstraintKind::gbnf, std::move(grammar)});
}

ApiStatus read_choices(const Json& value, const std::string& path, Options& options) {
  if (!value.is_array() || value.empty() || value.size() > kChoicesMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of 1 to {} strings; found {}", path, kChoicesMax,
                                         value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  for (size_t i = 0; i < value.size(); ++i) KEDGE_TRY(read_string(value[i], item_path(path, i)));
  return set_constraint(options, path, {ConstraintKind::choice, to_text(value)});
}

ApiStatus read_json_object(const Json& value, const std::string& path, Options& options) {
  KEDGE_ASSIGN(const bool on, read_boolean(value, path));
  if (!on) return Done{};
  return set_constraint(options, path, {ConstraintKind::json_object, ""});
}

ApiStatus read_structural_tag(const Json& value, const std::string& path, Options& options) {
  if (!value.is_object() && !value.is_string()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  return set_constraint(
      options, path, {ConstraintKind::structural_tag, value.is_string() ? value.get<std::string>() : to_text(value)});
}

/// OpenAI: without a schema any JSON object will do.
ApiStatus read_schema_of(const Json& format, const std::string& path, Options& options) {
  if (format.contains("schema") && !format["schema"].is_null()) {
    return read_schema(format["schema"], member_path(path, "schema"), options);
  }
  return set_constraint(options, path, {ConstraintKind::json_object, ""});
}

ApiStatus read_response_format(const Json& value, const std::string& path, Options& options) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  if (!value.contains("type")) return missing_field(member_path(path, "type"));
  KEDGE_ASSIGN(const std::string type, read_choice(value["type"], member_path(path, "type"),
                                                   {"text", "json_object", "json_schema", "structural_tag"}));
  if (type == "text") return Done{};
  if (type == "json_object") return set_constraint(options, path, {ConstraintKind::json_object, ""});
  if (type == "structural_tag") return read_structural_tag(value, path, options);
  const std::string format_path = member_path(path, "json_schema");
  if (!value.contains("json_schema")) return missing_field(format_path);
  const Json& format = value["json_schema"];
  if (!format.is_object()) {
    return wrong_field(format_path, fmt::format("'{}' must be an object; found {}", format_path, describe(format)));
  }
  return read_schema_of(format, format_path, options);
}

struct Row {
  const char* name;
  const char* type;
  const char* description;
  ApiStatus (*read)(const Json&, const std::string&, Options&);
};

constexpr std::array<Row, 4> kGuided = {{
    {"json", "", "A JSON Schema that the answer is valid under.", read_schema},
    {"regex", "string", "A regular expression that the whole answer matches.", read_regex},
    {"choice", "array", "Strings, one of which is the answer.", read_choices},
    {"grammar", "string", "A grammar of the answer, in GBNF.", read_grammar},
}};

Json row_schema(const Row& row) {
  Json schema = Json::object();
  if (*row.type == '\0') {
    schema["type"] = Json::array({"object", "string", "boolean"});
  } else {
    schema["type"] = row.type;
  }
  if (schema["type"] == "array") schema["items"] = {{"type", "string"}};
  schema["description"] = row.description;
  return schema;
}

/// The members of nvext and structured_outputs.
ApiStatus read_group(const Json& value, const std::string& path, Options& options, const char* prefix) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  const auto read = [&](const std::string& name, auto reader) -> ApiStatus {
    const auto found = value.find(name);
    if (found == value.end() || found->is_null()) return Done{};
    return reader(*found, member_path(path, name), options);
  };
  for (const Row& row : kGuided) KEDGE_TRY(read(std::string(prefix) + row.name, row.read));
  if (*prefix != '\0') return read("max_thinking_tokens", read_reasoning_tokens);
  KEDGE_TRY(read("json_object", read_json_object));
  return read("structural_tag", read_structural_tag);
}

Json group_schema(const char* prefix, const char* description) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"description", description}};
  for (const Row& row : kGuided) add_property(schema, std::string(prefix) + row.name, row_schema(row), false);
  if (*prefix != '\0') {
    add_property(schema, "max_thinking_tokens",
                 {{"type", "integer"},
                  {"minimum", -1},
                  {"maximum", kNewTokensMax},
                  {"description", "Tokens of reasoning, behind which the answer must begin."}},
                 false);
  } else {
    add_property(schema, "json_object", {{"type", "boolean"}, {"description", "Any JSON object."}}, false);
    add_property(schema, "structural_tag",
                 {{"type", Json::array({"object", "string"})}, {"description", "Free text with constrained tags."}},
                 false);
  }
  return schema;
}

Json response_format_schema() {
  const auto kind = [](const char* type) {
    return Json{{"type", "object"}, {"properties", {{"type", {{"const", type}}}}}, {"required", Json::array({"type"})}};
  };
  Json with_schema = kind("json_schema");
  with_schema["properties"]["json_schema"] = {
      {"type", "object"},
      {"properties",
       {{"name", {{"type", "string"}}},
        {"strict", {{"type", Json::array({"boolean", "null"})}}},
        {"schema", {{"type", "object"}, {"description", "A JSON Schema (draft 2020-12)."}}}}}};
  with_schema["required"].push_back("json_schema");
  return {{"anyOf", Json::array({kind("text"), kind("json_object"), std::move(with_schema), kind("structural_tag")})},
          {"description", "What the answer must look like; it always does, with or without 'strict'."}};
}

}  // namespace

Fields<GenerationOptions> constraint_fields() {
  Fields<Options> fields;
  fields.push_back({"response_format", false, response_format_schema(), read_response_format});
  for (const Row& row : kGuided) {
    fields.push_back({std::string("guided_") + row.name, false, row_schema(row), row.read});
  }
  fields.push_back({"structured_outputs", false, group_schema("", "vLLM's name for the same."),
                    [](const Json& value, const std::string& path, Options& options) {
                      return read_group(value, path, options, "");
                    }});
  fields.push_back({"nvext", false, group_schema("guided_", "NIM's extensions."),
                    [](const Json& value, const std::string& path, Options& options) {
                      return read_group(value, path, options, "guided_");
                    }});
  return fields;
}

ApiStatus read_text_format(const Json& value, const std::string& path, GenerationOptions& options) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(value)));
  }
  if (!value.contains("type")) return missing_field(member_path(path, "type"));
  KEDGE_ASSIGN(const std::string type,
               read_choice(value["type"], member_path(path, "type"), {"text", "json_object", "json_schema"}));
  if (type == "text") return Done{};
  if (type == "json_object") return set_constraint(options, path, {ConstraintKind::json_object, ""});
  return read_schema_of(value, path, options);
}

ApiStatus prepare_constraint(const GenerationOptions& options, ServedModel& model) {
  if (!options.request.constraint) return Done{};
  const Status prepared = model.engine().prepare(*options.request.constraint);
  if (prepared.ok()) return Done{};
  const std::string& field = options.constraint_field;
  return wrong_field(field, fmt::format("'{}': {}", field, prepared.error().message));
}

}  // namespace kedge::serve
