#include "grammar/schema_merge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

namespace kedge::grammar {
namespace {

using Names = std::vector<std::string>;

constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                    "integer", "boolean", "null"};
constexpr std::array<std::string_view, 5> kAnnotations = {"title", "description", "default", "examples", "$comment"};

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// What an object schema says of a member of this name.
Json member_schema(const Json& schema, const std::string& name) {
  if (schema.contains("properties") && schema["properties"].contains(name)) return schema["properties"][name];
  if (schema.contains("additionalProperties")) return schema["additionalProperties"];
  return true;
}

Json both(const Json& a, const Json& b) {
  if (a == b || b == true) return a;
  if (a == true) return b;
  if (a == false || b == false) return false;
  return {{"allOf", Json::array({a, b})}};
}

Json merged_properties(const Json& a, const Json& b) {
  Json properties = Json::object();
  for (const Json* from : {&a, &b}) {
    if (!from->contains("properties")) continue;
    for (const auto& [name, unused] : (*from)["properties"].items()) {
      if (!properties.contains(name)) properties[name] = both(member_schema(a, name), member_schema(b, name));
    }
  }
  return properties;
}

/// Items by their place, then the rest.
Json merged_prefix(const Json& a, const Json& b) {
  const auto item = [](const Json& schema, size_t i) -> Json {
    if (schema.contains("prefixItems") && i < schema["prefixItems"].size()) return schema["prefixItems"][i];
    return schema.contains("items") ? schema["items"] : Json(true);
  };
  const auto size = [](const Json& schema) {
    return schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
  };
  Json prefix = Json::array();
  for (size_t i = 0; i < std::max(size(a), size(b)); ++i) prefix.push_back(both(item(a, i), item(b, i)));
  return prefix;
}

Json united(const Json& a, const Json& b) {
  Json result = a;
  for (const Json& item : b) {
    if (std::ranges::find(result, item) == result.end()) result.push_back(item);
  }
  return result;
}

Json common_items(const Json& a, const Json& b) {
  Json result = Json::array();
  for (const Json& item : a) {
    if (std::ranges::find(b, item) != b.end()) result.push_back(item);
  }
  return result;
}

Json as_list(const Json& value) {
  return value.is_array() ? value : Json::array({value});
}

Json common_types(const Json& a, const Json& b) {
  Json result = Json::array();
  for (const Json& x : as_list(a)) {
    for (const Json& y : as_list(b)) {
      const bool integer = (x == "integer" && y == "number") || (x == "number" && y == "integer");
      const Json type = integer ? Json("integer") : x == y ? x : Json();
      if (!type.is_null() && std::ranges::find(result, type) == result.end()) result.push_back(type);
    }
  }
  return result;
}

/// Every pair of branches.
Json product(const Json& a, const Json& b) {
  Json result = Json::array();
  for (const Json& x : a) {
    for (const Json& y : b) result.push_back(both(x, y));
  }
  return result;
}

class Merger {
 public:
  Merger(const Json& a, const Json& b, const std::string& path) : a_(a), b_(b), path_(path), out_(a) {}

  Result<Json> run() {
    for (const auto& [key, value] : b_.items()) {
      if (!a_.contains(key)) {
        out_[key] = value;
      } else if (a_[key] != value) {
        KEDGE_TRY(merge_keyword(key, a_[key], value));
      }
    }
    if (a_.contains("properties") || b_.contains("properties")) out_["properties"] = merged_properties(a_, b_);
    if (a_.contains("prefixItems") || b_.contains("prefixItems")) out_["prefixItems"] = merged_prefix(a_, b_);
    return std::move(out_);
  }

 private:
  Status merge_keyword(const std::string& key, const Json& x, const Json& y) {
    if (key == "properties" || key == "prefixItems" || is_among(key, kAnnotations)) return Done{};
    if (key == "type") {
      out_[key] = common_types(x, y);
    } else if (key == "required" || key == kPatterns) {
      out_[key] = united(x, y);
    } else if (key == "enum") {
      out_[key] = common_items(x, y);
    } else if (key == "const") {
      out_["enum"] = Json::array();  // two different ones
      out_.erase("const");
    } else if (key == "additionalProperties" || key == "items") {
      out_[key] = both(x, y);
    } else if (key == "anyOf" || key == "oneOf") {
      out_[key] = product(x, y);
    } else if (x.is_number() && y.is_number()) {
      return merge_number(key, x, y);
    } else {
      return schema_error(path_, fmt::format("two different values of '{}' hold at once, which is not supported", key));
    }
    return Done{};
  }

  Status merge_number(const std::string& key, const Json& x, const Json& y) {
    const bool x_is_less = x.get<double>() < y.get<double>();
    if (key == "multipleOf") {
      if (!x.is_number_integer() || !y.is_number_integer()) {
        return schema_error(path_,
                            "two values of 'multipleOf' that are not integers hold at once, which is not "
                            "supported");
      }
      const auto m = x.get<int64_t>(), n = y.get<int64_t>();
      if (m <= 0 || n <= 0 || m > 1'000'000 || n > 1'000'000)
        return schema_error(path_, "'multipleOf' is out of range");
      out_[key] = std::lcm(m, n);
    } else if (key.starts_with("min") || key == "exclusiveMinimum") {
      out_[key] = x_is_less ? y : x;
    } else {
      out_[key] = x_is_less ? x : y;
    }
    return Done{};
  }

  const Json &a_, &b_;
  const std::string& path_;
  Json out_;
};

}  // namespace

Error schema_error(const std::string& path, std::string_view what) {
  return {ErrorKind::invalid_input, fmt::format("JSON Schema, {}: {}", path, what)};
}

std::string schema_path(const std::string& path, std::string_view part) {
  return fmt::format("{}/{}", path, part);
}

Result<Json> merge_schemas(const Json& a, const Json& b, const std::string& path) {
  return Merger(a, b, path).run();
}

Result<std::vector<std::string>> schema_types(const Json& schema, const std::string& path) {
  Names types;
  if (schema.contains("type")) {
    for (const Json& type : as_list(schema["type"])) {
      if (!type.is_string() || !is_among(type.get_ref<const std::string&>(), kTypes)) {
        return schema_error(path,
                            fmt::format("'type' is {}, expected one of {}", to_text(type), fmt::join(kTypes, ", ")));
      }
      types.push_back(type.get<std::string>());
    }
  } else {
    // Without one any type is valid; a value that the keywords are about is what is meant.
    const auto has = [&](std::initializer_list<const char*> keys) {
      return std::ranges::any_of(keys, [&](const char* key) { return schema.contains(key); });
    };
    if (has({"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
             "maxProperties"})) {
      types.emplace_back("object");
    }
    if (has({"items", "prefixItems", "minItems", "maxItems"})) types.emplace_back("array");
    if (has({"pattern", kPatterns, "format", "minLength", "maxLength"})) types.emplace_back("string");
    if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) types.emplace_back("number");
  }
  if (schema.contains("nullable") && schema["nullable"] == true && !types.empty()) types.emplace_back("null");
  return types;
}

}  // namespace kedge::grammar
