#pragma once
// Tables of request fields. One row both checks a field of a request and describes it in /openapi.json, so that the
// document can't say anything else than what is served.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "serve/api_error.h"

namespace kedge::serve {

struct NumberRange {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
  bool excludes_min = false;
  bool excludes_max = false;
};

/// How a message names a value that was found: "the string \"hot\"", "3.5", "an array".
std::string describe(const Json& value);

/// "messages" + "[3]", "messages[3]" + ".role".
std::string item_path(std::string_view path, size_t index);
std::string member_path(std::string_view path, std::string_view name);

// Readers of one value; the error names `path`.
ApiResult<double> read_number(const Json& value, std::string_view path, const NumberRange& range);
/// Takes 5 and 5.0, as JSON Schema's "integer" does.
ApiResult<int64_t> read_integer(const Json& value, std::string_view path, int64_t min, int64_t max);
ApiResult<bool> read_boolean(const Json& value, std::string_view path);
ApiResult<std::string> read_string(const Json& value, std::string_view path);
/// The string that `object`, which stands at `path`, must have under this name.
ApiResult<std::string> member_string(const Json& object, const std::string& name, const std::string& path);
/// One of `allowed`.
ApiResult<std::string> read_choice(const Json& value, std::string_view path, const std::vector<std::string>& allowed);

Json number_schema(const NumberRange& range, std::string_view description);
Json integer_schema(int64_t min, int64_t max, std::string_view description);
Json boolean_schema(std::string_view description);
Json string_schema(std::string_view description);
Json choice_schema(const std::vector<std::string>& allowed, std::string_view description);

/// One field of a request that is read into a Target.
template <typename Target>
struct Field {
  std::string name;
  bool required = false;
  Json schema;  // of the value when it is there
  std::function<ApiStatus(const Json& value, const std::string& path, Target& target)> read;
};
template <typename Target>
using Fields = std::vector<Field<Target>>;

// Rows of the common kinds. `set(target, value)` stores a value that passed.
template <typename Target, typename Set>
Field<Target> number_field(std::string name, NumberRange range, std::string_view description, Set set) {
  return {std::move(name), false, number_schema(range, description),
          [range, set](const Json& value, const std::string& path, Target& target) -> ApiStatus {
            KEDGE_ASSIGN(const double number, read_number(value, path, range));
            set(target, static_cast<float>(number));
            return Done{};
          }};
}

template <typename Target, typename Set>
Field<Target> integer_field(std::string name, int64_t min, int64_t max, std::string_view description, Set set) {
  return {std::move(name), false, integer_schema(min, max, description),
          [min, max, set](const Json& value, const std::string& path, Target& target) -> ApiStatus {
            KEDGE_ASSIGN(const int64_t number, read_integer(value, path, min, max));
            set(target, number);
            return Done{};
          }};
}

template <typename Target, typename Set>
Field<Target> boolean_field(std::string name, std::string_view description, Set set) {
  return {std::move(name), false, boolean_schema(description),
          [set](const Json& value, const std::string& path, Target& target) -> ApiStatus {
            KEDGE_ASSIGN(const bool flag, read_boolean(value, path));
            set(target, flag);
            return Done{};
          }};
}

template <typename Target, typename Set>
Field<Target> string_field(std::string name, std::string_view description, Set set) {
  return {std::move(name), false, string_schema(description),
          [set](const Json& value, const std::string& path, Target& target) -> ApiStatus {
            KEDGE_ASSIGN(std::string text, read_string(value, path));
            set(target, std::move(text));
            return Done{};
          }};
}

template <typename Target, typename Set>
Field<Target> choice_field(std::string name, std::vector<std::string> allowed, std::string_view description, Set set) {
  Json schema = choice_schema(allowed, description);
  return {std::move(name), false, std::move(schema),
          [allowed = std::move(allowed), set](const Json& value, const std::string& path, Target& target) -> ApiStatus {
            KEDGE_ASSIGN(std::string text, read_choice(value, path, allowed));
            set(target, std::move(text));
            return Done{};
          }};
}

template <typename Target>
Field<Target> required(Field<Target> field) {
  field.required = true;
  return field;
}

ApiError missing_field(std::string_view path);

/// Reads the fields of `object` that the table knows; null counts as absent, and what the table doesn't know is
/// ignored. `parent`: the path of the object itself, empty for a whole request.
template <typename Target>
ApiStatus read_fields(const Json& object, const Fields<Target>& fields, Target& target, std::string_view parent = {}) {
  for (const Field<Target>& field : fields) {
    const std::string path = member_path(parent, field.name);
    const auto value = object.find(field.name);
    if (value != object.end() && !value->is_null()) {
      KEDGE_TRY(field.read(*value, path, target));
    } else if (field.required) {
      return missing_field(path);
    }
  }
  return Done{};
}

/// Adds one property to an object schema; an optional one may be null.
void add_property(Json& schema, const std::string& name, Json property, bool is_required);

template <typename Target>
void add_properties(Json& schema, const Fields<Target>& fields) {
  for (const Field<Target>& field : fields) add_property(schema, field.name, field.schema, field.required);
}

/// The JSON object of a request's body. Fails with 415 (not declared as JSON) or 400.
ApiResult<Json> read_json_body(const net::ServerRequest& request);

}  // namespace kedge::serve
