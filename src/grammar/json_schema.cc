#include "grammar/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "grammar/json_formats.h"
#include "grammar/json_number.h"
#include "grammar/regex.h"
#include "grammar/scanner.h"
#include "grammar/schema_merge.h"

namespace kedge::grammar {
namespace {

constexpr size_t kBranchesMax = 1000;
constexpr size_t kPropertiesMax = 5000;
constexpr size_t kMergesMax = 10'000;

/// Assertions that would be silently wrong if they were passed over.
constexpr std::array<std::string_view, 16> kUnsupported = {"not",
                                                           "if",
                                                           "then",
                                                           "else",
                                                           "dependentRequired",
                                                           "dependentSchemas",
                                                           "dependencies",
                                                           "contains",
                                                           "minContains",
                                                           "maxContains",
                                                           "unevaluatedItems",
                                                           "$dynamicRef",
                                                           "$recursiveRef",
                                                           "additionalItems",
                                                           "disallow",
                                                           "extends"};

/// What beside a $ref or an anyOf says nothing about the value.
constexpr std::array<std::string_view, 17> kWithoutEffect = {
    "title",      "description", "default",   "examples",    "$comment", "$schema", "$id",           "$anchor", "$defs",
    "deprecated", "readOnly",    "writeOnly", "definitions", "example",  "id",      "discriminator", "strict"};

/// Formats that describe how a program stores a value, not how JSON writes it.
constexpr std::array<std::string_view, 8> kStorageFormats = {"int32",  "int64", "float",  "double",
                                                             "binary", "byte",  "uint64", "password"};

template <size_t N>
bool is_among(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::ranges::find(names, name) != names.end();
}

bool has_effect(const Json& schema) {
  for (const auto& [key, unused] : schema.items()) {
    if (!is_among(key, kWithoutEffect)) return true;
  }
  return false;
}

Json without(Json schema, std::initializer_list<const char*> keys) {
  for (const char* key : keys) schema.erase(key);
  return schema;
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "integer") return value.is_number_integer();
  return value.is_number();
}

class SchemaParser {
 public:
  SchemaParser(Builder& builder, JsonText& json, const Json& root) : b_(builder), json_(json), root_(root) {}

  Result<ExpressionId> run() { return parse(root_, "#", 0); }

 private:
  using Path = std::string;

  Result<ExpressionId> parse(const Json& schema, const Path& path, size_t depth) {
    if (depth > b_.limits().depth_max) {
      return schema_error(path, fmt::format("nested deeper than {} (a $ref that refers to itself through allOf nests "
                                            "without end)",
                                            b_.limits().depth_max));
    }
    if (schema.is_boolean()) return schema.get<bool>() ? json_.any_value() : b_.nothing();
    if (!schema.is_object()) return schema_error(path, "expected an object or a boolean");
    KEDGE_TRY(check_keywords(schema, path));
    if (schema.contains("$ref") && !has_effect(without(schema, {"$ref"}))) return parse_reference(schema, path, depth);
    Json flat;
    KEDGE_ASSIGN(flat, flatten(schema, path, depth));
    if (flat.is_boolean()) return flat.get<bool>() ? json_.any_value() : b_.nothing();
    for (const char* key : {"anyOf", "oneOf"}) {
      if (flat.contains(key)) return parse_branches(flat, key, path, depth);
    }
    if (flat.contains("enum") || flat.contains("const")) return parse_values(flat, path);
    return parse_types(flat, path, depth);
  }

  static Status check_keywords(const Json& schema, const Path& path) {
    for (const auto& [key, value] : schema.items()) {
      if (is_among(key, kUnsupported)) return schema_error(path, fmt::format("'{}' is not supported", key));
    }
    if (schema.contains("uniqueItems") && schema["uniqueItems"] == true) {
      return schema_error(path, "'uniqueItems' is not supported");
    }
    for (const char* key : {"properties", "$defs", "definitions", "patternProperties"}) {
      if (schema.contains(key) && !schema[key].is_object()) {
        return schema_error(path, fmt::format("'{}' must be an object", key));
      }
    }
    for (const char* key : {"anyOf", "oneOf", "allOf", "enum", "required", "prefixItems"}) {
      if (!schema.contains(key)) continue;
      if (!schema[key].is_array()) return schema_error(path, fmt::format("'{}' must be an array", key));
    }
    if (schema.contains("required")) {
      for (const Json& name : schema["required"]) {
        if (!name.is_string()) return schema_error(path, "'required' must be an array of strings");
      }
    }
    if (schema.contains("items") && schema["items"].is_array()) {
      return schema_error(path, "'items' is an array, as in old drafts: use 'prefixItems'");
    }
    return Done{};
  }

  // ---- references

  Result<const Json*> resolve(const Json& reference, const Path& path) const {
    const auto refuse = [&] {
      return schema_error(path, fmt::format("'$ref' is {}, expected \"#\" or a pointer into this schema such as "
                                            "\"#/$defs/name\" to something that is there",
                                            to_text(reference)));
    };
    if (!reference.is_string()) return refuse();
    std::string pointer = reference.get<std::string>();
    if (!pointer.starts_with('#') || (pointer.size() > 1 && pointer[1] != '/')) return refuse();
    const Json* at = &root_;
    for (size_t begin = 1; begin < pointer.size();) {
      const size_t end = std::min(pointer.find('/', begin + 1), pointer.size());
      std::string part = pointer.substr(begin + 1, end - begin - 1);
      begin = end;
      for (const auto& [code, plain] : {std::pair("~1", "/"), std::pair("~0", "~"), std::pair("%24", "$"),
                                        std::pair("%20", " "), std::pair("%25", "%")}) {
        for (size_t i = 0; (i = part.find(code, i)) != std::string::npos; ++i)
          part.replace(i, std::string_view(code).size(), plain);
      }
      if (at->is_object() && at->contains(part)) {
        at = &(*at)[part];
      } else if (at->is_array() && !part.empty() && part.size() < 7 &&
                 std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; }) &&
                 std::stoul(part) < at->size()) {
        at = &(*at)[std::stoul(part)];
      } else {
        return refuse();
      }
    }
    return at;
  }

  Result<ExpressionId> parse_reference(const Json& schema, const Path& path, size_t depth) {
    KEDGE_ASSIGN(const Json* target, resolve(schema["$ref"], path));
    const auto found = references_.find(target);
    if (found != references_.end()) return b_.rule(found->second);
    const Path name = schema["$ref"].get<std::string>();
    const RuleId rule = b_.add_rule(name);
    references_[target] = rule;
    KEDGE_ASSIGN(const ExpressionId body, parse(*target, name, depth + 1));
    b_.define(rule, body);
    return b_.rule(rule);
  }

  // ---- schemas that hold at once

  /// The schema without $ref and allOf.
  Result<Json> flatten(const Json& schema, const Path& path, size_t depth) {
    if (schema.is_boolean()) return schema;
    if (!schema.is_object()) return schema_error(path, "expected an object or a boolean");
    KEDGE_TRY(check_keywords(schema, path));
    if (depth > b_.limits().depth_max || ++merges_ > kMergesMax) {
      return schema_error(path, "a $ref that is merged with other keywords refers to itself, or too much is merged");
    }
    Json flat = without(schema, {"$ref", "allOf"});
    if (flat.contains("unevaluatedProperties")) {
      if (!flat.contains("additionalProperties") && !flat["unevaluatedProperties"].is_boolean()) {
        return schema_error(path, "'unevaluatedProperties' is supported only as a boolean");
      }
      flat.erase("unevaluatedProperties");
    }
    if (flat.contains("pattern")) {
      if (!flat["pattern"].is_string()) return schema_error(path, "'pattern' must be a string");
      flat[kPatterns] = Json::array({flat["pattern"]});
      flat.erase("pattern");
    }
    const auto join = [&](const Json& other, const Path& other_path) -> Status {
      KEDGE_ASSIGN(const Json part, flatten(other, other_path, depth + 1));
      if (part == false || flat == false) {
        flat = false;
      } else if (part.is_object()) {
        KEDGE_ASSIGN(flat, merge_schemas(flat, part, path));
      }
      return Done{};
    };
    if (schema.contains("$ref")) {
      KEDGE_ASSIGN(const Json* target, resolve(schema["$ref"], path));
      KEDGE_TRY(join(*target, schema["$ref"].get<std::string>()));
    }
    if (schema.contains("allOf")) {
      for (size_t i = 0; i < schema["allOf"].size(); ++i) {
        KEDGE_TRY(join(schema["allOf"][i], schema_path(path, fmt::format("allOf/{}", i))));
      }
    }
    return flat;
  }

  Result<ExpressionId> parse_branches(const Json& schema, const char* key, const Path& path, size_t depth) {
    const Json base = without(schema, {key});
    const bool plain = !has_effect(base);
    std::vector<ExpressionId> all;
    if (schema[key].empty() || schema[key].size() > kBranchesMax) {
      return schema_error(path,
                          fmt::format("'{}' has {} branches, expected 1 to {}", key, schema[key].size(), kBranchesMax));
    }
    for (size_t i = 0; i < schema[key].size(); ++i) {
      const Path branch_path = schema_path(path, fmt::format("{}/{}", key, i));
      const Json& branch = schema[key][i];
      Json merged = branch;
      if (!plain && branch != true) {
        KEDGE_ASSIGN(const Json flat, flatten(branch, branch_path, depth + 1));
        if (flat == false) continue;
        if (flat.is_object()) {
          KEDGE_ASSIGN(merged, merge_schemas(base, flat, branch_path));
        } else {
          merged = base;
        }
      } else if (!plain) {
        merged = base;
      }
      KEDGE_ASSIGN(const ExpressionId one, parse(merged, branch_path, depth + 1));
      all.push_back(one);
    }
    return b_.choice(std::move(all));
  }

  // ---- values

  Result<ExpressionId> parse_values(const Json& schema, const Path& path) {
    Json values = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
    if (values.size() > b_.limits().literals_max) {
      return schema_error(
          path, fmt::format("'enum' has {} values, the limit is {}", values.size(), b_.limits().literals_max));
    }
    const bool has_both = schema.contains("enum") && schema.contains("const");
    KEDGE_ASSIGN(const std::vector<std::string> types, schema_types(schema, path));
    std::vector<ExpressionId> all;
    for (const Json& value : values) {
      if (has_both && value != schema["const"]) continue;
      const bool fits =
          types.empty() || std::ranges::any_of(types, [&](const auto& type) { return is_of_type(value, type); });
      if (!fits) continue;
      KEDGE_ASSIGN(const bool within, is_within(schema, value, path));
      if (within) all.push_back(json_.value(value));
    }
    return b_.choice(std::move(all));
  }

  /// Whether a listed value keeps the bounds beside the list.
  Result<bool> is_within(const Json& schema, const Json& value, const Path& path) const {
    for (const char* key : {kPatterns, "format", "multipleOf", "properties", "items", "prefixItems"}) {
      if (!schema.contains(key)) continue;
      return schema_error(path, fmt::format("'{}' beside 'enum' or 'const' is not supported",
                                            std::string_view(key) == kPatterns ? "pattern" : key));
    }
    const auto number = [&](const char* key, double otherwise) {
      return schema.contains(key) && schema[key].is_number() ? schema[key].get<double>() : otherwise;
    };
    const double infinity = std::numeric_limits<double>::infinity();
    if (value.is_number()) {
      const auto x = value.get<double>();
      return x >= number("minimum", -infinity) && x <= number("maximum", infinity) &&
             x > number("exclusiveMinimum", -infinity) && x < number("exclusiveMaximum", infinity);
    }
    if (value.is_string()) {
      Scanner scanner(value.get_ref<const std::string&>());
      double length = 0;
      while (scanner.take_character()) ++length;
      return length >= number("minLength", 0) && length <= number("maxLength", infinity);
    }
    return true;
  }

  Result<ExpressionId> parse_types(const Json& schema, const Path& path, size_t depth) {
    KEDGE_ASSIGN(const std::vector<std::string> types, schema_types(schema, path));
    if (types.empty()) return schema.contains("type") ? b_.nothing() : json_.any_value();
    std::vector<ExpressionId> all;
    for (const std::string& type : types) {
      if (type == "null") {
        all.push_back(b_.literal("null"));
      } else if (type == "boolean") {
        all.push_back(json_.boolean());
      } else if (type == "string") {
        KEDGE_ASSIGN(const ExpressionId text, parse_string(schema, path));
        all.push_back(text);
      } else if (type == "array") {
        KEDGE_ASSIGN(const ExpressionId array, parse_array(schema, path, depth));
        all.push_back(array);
      } else if (type == "object") {
        KEDGE_ASSIGN(const ExpressionId object, parse_object(schema, path, depth));
        all.push_back(object);
      } else {
        KEDGE_ASSIGN(const ExpressionId number, parse_number(schema, type == "integer", path));
        all.push_back(number);
      }
    }
    return b_.choice(std::move(all));
  }

  /// A count of the schema: an integer from 0 up, `otherwise` where there is none.
  Result<uint32_t> read_count(const Json& schema, const char* key, uint32_t otherwise, const Path& path) const {
    if (!schema.contains(key)) return otherwise;
    const Json& value = schema[key];
    const bool whole =
        value.is_number() && value.get<double>() >= 0 &&
        value.get<double>() == static_cast<double>(static_cast<int64_t>(std::min(value.get<double>(), 1e15)));
    if (!whole) return schema_error(path, fmt::format("'{}' is {}, expected a count", key, to_text(value)));
    if (value.get<double>() > static_cast<double>(b_.limits().repeats_max)) {
      return schema_error(path,
                          fmt::format("'{}' is {}, the limit is {}", key, to_text(value), b_.limits().repeats_max));
    }
    return static_cast<uint32_t>(value.get<double>());
  }

  // ---- strings

  Result<ExpressionId> parse_string(const Json& schema, const Path& path) {
    KEDGE_ASSIGN(const uint32_t least, read_count(schema, "minLength", 0, path));
    KEDGE_ASSIGN(const uint32_t most, read_count(schema, "maxLength", kUnbounded, path));
    if (most < least) return b_.nothing();
    std::vector<ExpressionId> parts;
    if (schema.contains(kPatterns)) {
      for (const Json& pattern : schema[kPatterns]) {
        Result<ExpressionId> part =
            parse_regex(b_, pattern.get<std::string>(), TextForm::json_string, RegexMatch::search);
        if (!part.ok()) return schema_error(path, "'pattern': " + part.error().message);
        parts.push_back(part.value());
      }
    }
    KEDGE_TRY(add_format(schema, path, parts));
    if (least > 0 || most != kUnbounded) parts.push_back(b_.repeat(json_.string_character(), least, most));
    if (parts.empty()) return json_.any_string();
    KEDGE_ASSIGN(const ExpressionId text, all_of(parts, path));
    return quoted(text);
  }

  Status add_format(const Json& schema, const Path& path, std::vector<ExpressionId>& parts) {
    if (!schema.contains("format")) return Done{};
    const std::string name = schema["format"].is_string() ? schema["format"].get<std::string>() : std::string();
    if (is_among(name, kStorageFormats)) return Done{};
    const std::string_view pattern = format_pattern(name);
    if (pattern.empty()) {
      return schema_error(path,
                          fmt::format("'format' is {}, supported are {}", to_text(schema["format"]), format_names()));
    }
    KEDGE_ASSIGN(const ExpressionId part, parse_regex(b_, pattern, TextForm::json_string, RegexMatch::whole));
    parts.push_back(part);
    return Done{};
  }

  /// Texts that all the expressions match.
  Result<ExpressionId> all_of(const std::vector<ExpressionId>& parts, const Path& path) {
    if (parts.size() == 1) return parts.front();
    const auto refuse = [&](const Error& error) { return schema_error(path, error.message); };
    Result<Dfa> common = b_.to_dfa(parts.front());
    if (!common.ok()) return refuse(common.error());
    for (size_t i = 1; i < parts.size(); ++i) {
      const Result<Dfa> next = b_.to_dfa(parts[i]);
      if (!next.ok()) return refuse(next.error());
      common = intersect(common.value(), next.value(), b_.limits().states_max);
      if (!common.ok()) return refuse(common.error());
      if (const Status spent = b_.spend(0, common.value().states.size()); !spent.ok()) return refuse(spent.error());
    }
    return b_.automaton(std::move(common).value());
  }

  /// A rule of its own: equal strings of other schemas then share token masks.
  ExpressionId quoted(ExpressionId text) {
    const RuleId rule = b_.add_rule("string");
    b_.define(rule, b_.sequence({b_.literal("\""), text, b_.literal("\"")}));
    return b_.rule(rule);
  }

  // ---- numbers

  Result<ExpressionId> parse_number(const Json& schema, bool integer, const Path& path) {
    NumberBounds bounds{.integer = integer};
    bool any = false;
    const auto read = [&](const char* key, std::optional<Decimal>& out) -> Status {
      if (!schema.contains(key)) return Done{};
      if (!schema[key].is_number()) return schema_error(path, fmt::format("'{}' must be a number", key));
      Result<Decimal> decimal = to_decimal(schema[key]);
      if (!decimal.ok()) return schema_error(path, fmt::format("'{}': {}", key, decimal.error().message));
      out = std::move(decimal).value();
      any = true;
      return Done{};
    };
    KEDGE_TRY(read("minimum", bounds.min));
    KEDGE_TRY(read("maximum", bounds.max));
    std::optional<Decimal> above, below;
    KEDGE_TRY(read("exclusiveMinimum", above));
    KEDGE_TRY(read("exclusiveMaximum", below));
    KEDGE_TRY(read("multipleOf", bounds.multiple_of));
    if (above && (!bounds.min || schema["exclusiveMinimum"].get<double>() >= schema["minimum"].get<double>())) {
      bounds.min = above;
      bounds.excludes_min = true;
    }
    if (below && (!bounds.max || schema["exclusiveMaximum"].get<double>() <= schema["maximum"].get<double>())) {
      bounds.max = below;
      bounds.excludes_max = true;
    }
    if (!any) return integer ? json_.any_integer() : json_.any_number();
    Result<Dfa> dfa = number_automaton(b_, bounds);
    if (!dfa.ok()) return schema_error(path, "'multipleOf': " + dfa.error().message);
    const RuleId rule = b_.add_rule("number");
    b_.define(rule, b_.automaton(std::move(dfa).value()));
    return b_.rule(rule);
  }

  // ---- arrays

  Result<ExpressionId> parse_array(const Json& schema, const Path& path, size_t depth) {
    KEDGE_ASSIGN(const uint32_t least, read_count(schema, "minItems", 0, path));
    KEDGE_ASSIGN(const uint32_t most, read_count(schema, "maxItems", kUnbounded, path));
    if (most < least) return b_.nothing();
    const Json prefix = schema.contains("prefixItems") ? schema["prefixItems"] : Json::array();
    const bool any = !schema.contains("items") && prefix.empty();
    if (any && least == 0 && most == kUnbounded) return json_.any_array();
    std::vector<ExpressionId> first;
    for (size_t i = 0; i < prefix.size() && i < most; ++i) {
      KEDGE_ASSIGN(const ExpressionId item,
                   parse(prefix[i], schema_path(path, fmt::format("prefixItems/{}", i)), depth + 1));
      first.push_back(item);
    }
    // Items behind those of prefixItems come only where the schema says what they are.
    std::optional<ExpressionId> rest;
    if (any) rest = json_.any_value();
    if (schema.contains("items") && schema["items"] != false) {
      KEDGE_ASSIGN(rest, parse(schema["items"], schema_path(path, "items"), depth + 1));
    }
    return array_of(first, rest, least, most);
  }

  ExpressionId array_of(const std::vector<ExpressionId>& first, std::optional<ExpressionId> rest, uint32_t least,
                        uint32_t most) {
    const auto count = static_cast<uint32_t>(first.size());
    if (!rest && least > count) return b_.nothing();
    const auto minus = [](uint32_t a, uint32_t b) { return a == kUnbounded ? a : a > b ? a - b : 0; };
    ExpressionId items = b_.empty();  // of what follows the items so far, separators included
    if (rest) {
      rest = b_.shared(*rest, "item");
      const bool begins = count == 0;  // the very first item has no comma
      const ExpressionId more = b_.sequence({json_.comma(), *rest});
      const uint32_t from = std::max(least, count);
      items = b_.repeat(more, minus(from, count + (begins ? 1 : 0)), minus(most, count + (begins ? 1 : 0)));
      if (begins) items = most == 0 ? b_.empty() : b_.sequence({*rest, items});
    }
    for (uint32_t i = count; i-- > 0;) {
      ExpressionId item = b_.sequence({first[i], items});
      if (i > 0) item = b_.sequence({json_.comma(), item});
      items = i < least || i == 0 ? item : b_.optional(item);
    }
    const ExpressionId none = b_.sequence({b_.literal("["), json_.space(), b_.literal("]")});
    if (most == 0 || (!rest && count == 0)) return none;
    const ExpressionId some = json_.array(items);
    return least == 0 ? b_.choice({none, some}) : some;
  }

  // ---- objects

  struct Members {
    std::vector<ExpressionId> items;
    std::vector<bool> optional;
    Json names = Json::array();
  };

  ExpressionId member(const std::string& name, ExpressionId value) {
    return b_.sequence({b_.literal(to_text(Json(name))), json_.colon(), value});
  }

  Result<ExpressionId> parse_object(const Json& schema, const Path& path, size_t depth) {
    const Json properties = properties_of(schema);
    const Json required = schema.contains("required") ? schema["required"] : Json::array();
    const bool has_patterns = schema.contains("patternProperties") && !schema["patternProperties"].empty();
    // Where members are listed, others come only if the schema says so.
    Json others = !schema.contains("properties") && !has_patterns;
    if (schema.contains("additionalProperties")) others = schema["additionalProperties"];
    KEDGE_ASSIGN(const uint32_t least, read_count(schema, "minProperties", 0, path));
    KEDGE_ASSIGN(const uint32_t most, read_count(schema, "maxProperties", kUnbounded, path));
    if (least > required.size() || (most != kUnbounded && most < properties.size())) {
      return schema_error(path,
                          "'minProperties' and 'maxProperties' are not supported, but where other keywords "
                          "already see to them");
    }
    if (properties.size() > kPropertiesMax) {
      return schema_error(path, fmt::format("{} properties, the limit is {}", properties.size(), kPropertiesMax));
    }
    const bool plain = properties.empty() && !has_patterns && required.empty() && others == true &&
                       !schema.contains("propertyNames") && most == kUnbounded;
    if (plain) return json_.any_object();
    Members members;
    for (const auto& [name, value] : properties.items()) {
      const bool needed = std::ranges::find(required, Json(name)) != required.end();
      if (value == false && !needed) continue;
      KEDGE_ASSIGN(const ExpressionId body, parse(value, schema_path(path, "properties/" + name), depth + 1));
      members.items.push_back(member(name, body));
      members.optional.push_back(!needed);
      members.names.push_back(name);
    }
    for (const Json& name : required) {
      if (properties.contains(name.get<std::string>())) continue;
      if (has_patterns)
        return schema_error(path, "'required' names a member of 'patternProperties', which is not supported");
      const Json& value = schema.contains("additionalProperties") ? schema["additionalProperties"] : Json(true);
      KEDGE_ASSIGN(const ExpressionId body, parse(value, schema_path(path, "additionalProperties"), depth + 1));
      members.items.push_back(member(name.get<std::string>(), body));
      members.optional.push_back(false);
      members.names.push_back(name);
    }
    if (most == kUnbounded || most > members.items.size()) {
      KEDGE_TRY(add_open_members(schema, others, path, depth, members, most));
    }
    return object_of(members);
  }

  ExpressionId object_of(const Members& members) {
    const ExpressionId none = b_.sequence({b_.literal("{"), json_.space(), b_.literal("}")});
    if (members.items.empty()) return none;
    const bool may_be_empty = std::ranges::all_of(members.optional, [](bool optional) { return optional; });
    const ExpressionId some = json_.object(b_.joined(members.items, members.optional, json_.comma()));
    if (!may_be_empty) return some;
    return b_.choice({none, some});
  }

  /// Members whose names the schema does not list: by pattern, then any others.
  Status add_open_members(const Json& schema, const Json& others, const Path& path, size_t depth, Members& members,
                          uint32_t most) {
    KEDGE_ASSIGN(Dfa names, open_names(schema, path));
    std::vector<ExpressionId> listed;
    for (const Json& name : members.names) listed.push_back(b_.literal(json_escaped(name.get<std::string>())));
    const Json properties = properties_of(schema);
    for (const auto& [name, unused] : properties.items()) listed.push_back(b_.literal(json_escaped(name)));
    KEDGE_TRY(take_names(names, b_.choice(std::move(listed)), false, path).status);
    std::vector<ExpressionId> kinds;
    if (schema.contains("patternProperties")) {
      for (const auto& [pattern, value] : schema["patternProperties"].items()) {
        Result<ExpressionId> text = parse_regex(b_, pattern, TextForm::json_string, RegexMatch::search);
        const Path pattern_path = schema_path(path, "patternProperties/" + pattern);
        if (!text.ok()) return schema_error(pattern_path, text.error().message);
        Taken taken = take_names(names, text.value(), true, pattern_path);
        KEDGE_TRY(std::move(taken.status));
        if (value == false) continue;
        KEDGE_ASSIGN(const ExpressionId body, parse(value, pattern_path, depth + 1));
        kinds.push_back(open_member(std::move(taken.names), body));
      }
    }
    if (others != false) {
      KEDGE_ASSIGN(const ExpressionId body, parse(others, schema_path(path, "additionalProperties"), depth + 1));
      kinds.push_back(open_member(std::move(names), body));
    }
    if (kinds.empty()) return Done{};
    const ExpressionId one = b_.shared(b_.choice(std::move(kinds)), "member");
    const uint32_t left = most == kUnbounded ? kUnbounded : most - static_cast<uint32_t>(members.items.size());
    const ExpressionId more = b_.repeat(b_.sequence({json_.comma(), one}), 0, left == kUnbounded ? left : left - 1);
    members.items.push_back(b_.sequence({one, more}));
    members.optional.push_back(true);
    return Done{};
  }

  static Json properties_of(const Json& schema) {
    return schema.contains("properties") ? schema["properties"] : Json::object();
  }

  /// Names in their shortest spelling: another one could hide a name that is listed.
  Result<Dfa> open_names(const Json& schema, const Path& path) {
    std::vector<ExpressionId> parts = {any_text(b_, TextForm::json_string)};
    if (schema.contains("propertyNames")) {
      const Path names_path = schema_path(path, "propertyNames");
      KEDGE_ASSIGN(const Json names, flatten(schema["propertyNames"], names_path, 0));
      if (!names.is_object()) return schema_error(names_path, "expected an object");
      for (const auto& [key, unused] : names.items()) {
        const bool known = key == kPatterns || key == "minLength" || key == "maxLength" || key == "type" ||
                           is_among(key, kWithoutEffect);
        if (!known) return schema_error(names_path, fmt::format("'{}' is not supported here", key));
      }
      if (names.contains(kPatterns)) {
        for (const Json& pattern : names[kPatterns]) {
          KEDGE_ASSIGN(const ExpressionId part,
                       parse_regex(b_, pattern.get<std::string>(), TextForm::json_string, RegexMatch::search));
          parts.push_back(part);
        }
      }
      KEDGE_ASSIGN(const uint32_t least, read_count(names, "minLength", 0, names_path));
      KEDGE_ASSIGN(const uint32_t most, read_count(names, "maxLength", kUnbounded, names_path));
      if (least > most) return Dfa();
      const ExpressionId one = character(b_, CodePointSet::all(), TextForm::json_string);
      parts.push_back(b_.repeat(one, least, most));
    }
    KEDGE_ASSIGN(const ExpressionId all, all_of(parts, path));
    return b_.to_dfa(all);
  }

  struct Taken {
    Status status;
    Dfa names;
  };

  /// Removes the names that `text` matches; `keep`: gives them back.
  Taken take_names(Dfa& names, ExpressionId text, bool keep, const Path& path) {
    Taken taken{Done{}, {}};
    const auto run = [&]() -> Status {
      KEDGE_ASSIGN(const Dfa matched, b_.to_dfa(text));
      if (keep) {
        KEDGE_ASSIGN(taken.names, intersect(names, matched, b_.limits().states_max));
      }
      KEDGE_ASSIGN(names, subtract(names, matched, b_.limits().states_max));
      KEDGE_TRY(b_.spend(0, names.states.size()));
      return Done{};
    };
    if (const Status status = run(); !status.ok()) taken.status = schema_error(path, status.error().message);
    return taken;
  }

  ExpressionId open_member(Dfa names, ExpressionId value) {
    return b_.sequence({quoted(b_.automaton(std::move(names))), json_.colon(), value});
  }

  Builder& b_;
  JsonText& json_;
  const Json& root_;
  std::map<const Json*, RuleId> references_;
  size_t merges_ = 0;
};

}  // namespace

Result<ExpressionId> parse_json_schema(Builder& builder, JsonText& json, const Json& schema) {
  // The one name that merging needs for itself.
  if (to_text(schema).find("\\u0001patterns") != std::string::npos) {
    return schema_error("#", "a name with a control character");
  }
  return SchemaParser(builder, json, schema).run();
}

}  // namespace kedge::grammar
