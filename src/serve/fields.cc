#include "serve/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace kedge::serve {

namespace {

constexpr size_t kShownBytesMax = 60;

std::string range_text(const NumberRange& range) {
  const bool has_min = range.min != std::numeric_limits<double>::lowest();
  const bool has_max = range.max != std::numeric_limits<double>::max();
  std::string text;
  if (has_min) text += fmt::format(" {} {}", range.excludes_min ? "above" : "of at least", range.min);
  if (has_min && has_max) text += " and";
  if (has_max) text += fmt::format(" {} {}", range.excludes_max ? "below" : "at most", range.max);
  return text;
}

ApiError wrong_value(std::string_view path, const std::string& expected, const Json& found) {
  return wrong_field(path, fmt::format("'{}' must be {}; found {}", path, expected, describe(found)));
}

bool declares_json(const std::string& content_type) {
  std::string kind = content_type.substr(0, content_type.find(';'));
  while (!kind.empty() && kind.back() == ' ') kind.pop_back();
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
  return kind == "application/json" || kind.ends_with("+json");
}

}  // namespace

std::string describe(const Json& value) {
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  std::string text = to_text(value);
  if (text.size() > kShownBytesMax) {
    size_t cut = kShownBytesMax;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // not inside a character
    text = text.substr(0, cut) + (value.is_string() ? "...\"" : "...");
  }
  return value.is_string() ? "the string " + text : text;
}

std::string item_path(std::string_view path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}

std::string member_path(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

ApiResult<double> read_number(const Json& value, std::string_view path, const NumberRange& range) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  const bool above = range.excludes_min ? number > range.min : number >= range.min;
  const bool below = range.excludes_max ? number < range.max : number <= range.max;
  if (!above || !below) return wrong_value(path, "a number" + range_text(range), value);  // NaN fails both
  return number;
}

ApiResult<int64_t> read_integer(const Json& value, std::string_view path, int64_t min, int64_t max) {
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  int64_t number = 0;
  if (value.is_number_unsigned()) {
    const auto unsigned_number = value.get<uint64_t>();
    if (unsigned_number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return wrong_value(path, expected, value);
    }
    number = static_cast<int64_t>(unsigned_number);
  } else if (value.is_number_integer()) {
    number = value.get<int64_t>();
  } else if (value.is_number_float()) {
    const double real = value.get<double>();
    if (real != std::floor(real) || std::abs(real) > 9.0e18) return wrong_value(path, expected, value);
    number = static_cast<int64_t>(real);
  } else {
    return wrong_value(path, expected, value);
  }
  if (number < min || number > max) return wrong_value(path, expected, value);
  return number;
}

ApiResult<bool> read_boolean(const Json& value, std::string_view path) {
  if (!value.is_boolean()) return wrong_value(path, "true or false", value);
  return value.get<bool>();
}

ApiResult<std::string> read_string(const Json& value, std::string_view path) {
  if (!value.is_string()) return wrong_value(path, "a string", value);
  return value.get<std::string>();
}

ApiResult<std::string> member_string(const Json& object, const std::string& name, const std::string& path) {
  if (!object.contains(name)) return missing_field(member_path(path, name));
  return read_string(object[name], member_path(path, name));
}

ApiResult<std::string> read_choice(const Json& value, std::string_view path, const std::vector<std::string>& allowed) {
  if (value.is_string()) {
    std::string text = value.get<std::string>();
    if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return text;
  }
  return wrong_value(path, fmt::format("one of '{}'", fmt::join(allowed, "', '")), value);
}

Json number_schema(const NumberRange& range, std::string_view description) {
  Json schema = {{"type", "number"}};
  if (range.min != std::numeric_limits<double>::lowest()) {
    schema[range.excludes_min ? "exclusiveMinimum" : "minimum"] = range.min;
  }
  if (range.max != std::numeric_limits<double>::max()) {
    schema[range.excludes_max ? "exclusiveMaximum" : "maximum"] = range.max;
  }
  schema["description"] = description;
  return schema;
}

Json integer_schema(int64_t min, int64_t max, std::string_view description) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

Json boolean_schema(std::string_view description) {
  return {{"type", "boolean"}, {"description", description}};
}

Json string_schema(std::string_view description) {
  return {{"type", "string"}, {"description", description}};
}

Json choice_schema(const std::vector<std::string>& allowed, std::string_view description) {
  return {{"type", "string"}, {"enum", allowed}, {"description", description}};
}

ApiError missing_field(std::string_view path) {
  return wrong_field(path, fmt::format("'{}' is missing; the request needs it", path));
}

void add_property(Json& schema, const std::string& name, Json property, bool is_required) {
  if (is_required) {
    schema["required"].push_back(name);
  } else if (property.contains("type") && property["type"] == "null") {
    // It is nothing else anyway.
  } else if (property.contains("anyOf")) {
    property["anyOf"].push_back({{"type", "null"}});
  } else if (property.contains("type")) {
    if (!property["type"].is_array()) property["type"] = Json::array({property["type"]});
    property["type"].push_back("null");
    if (property.contains("enum")) property["enum"].push_back(nullptr);
  }
  schema["properties"][name] = std::move(property);
}

ApiResult<Json> read_json_body(const net::ServerRequest& request) {
  const std::string* type = net::find_header(request.headers, "Content-Type");
  if (type == nullptr || !declares_json(*type)) {
    // Not only pedantry: a browser lets any page post any other type to a server on this machine without asking it.
    ApiError error = api_error(415, "send the request with the header 'Content-Type: application/json'");
    error.param = "Content-Type";
    return error;
  }
  const std::string* encoding = net::find_header(request.headers, "Content-Encoding");
  if (encoding != nullptr && *encoding != "identity") {
    ApiError error =
        api_error(415, fmt::format("Content-Encoding '{}' is not supported; send the body as it is", *encoding));
    error.param = "Content-Encoding";
    return error;
  }
  Result<Json> json = parse_json(request.body, "the request's body");
  if (!json.ok()) return api_error(json.error());
  if (!json.value().is_object()) {
    return wrong_field({}, "the request's body must be a JSON object; found " + describe(json.value()));
  }
  return std::move(json).value();
}

}  // namespace kedge::serve
