#pragma once
// Values as text: Python's str() and repr(), and json.dumps as the tojson filter of transformers calls it.

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace kedge::text::jinja {

std::string integer_text(Integer value);

/// repr(float): the shortest digits that read back the same.
std::string number_text(double value);

/// repr(str): quoted and escaped.
std::string quoted(std::string_view text);

/// str(value): what {{ value }} prints.
void append_text(std::string& out, const Value& value, Budget& budget);
std::string to_text(const Value& value, Budget& budget);

/// repr(value).
void append_repr(std::string& out, const Value& value, Budget& budget);
std::string repr(const Value& value, Budget& budget);

struct JsonStyle {
  std::optional<std::string> indent;  // one level of it; absent: everything on one line
  std::string item_separator = ", ";  // "," where there is an indent, unless told otherwise
  std::string key_separator = ": ";
  bool ascii_only = false;
  bool sort_keys = false;
};

/// Fails for what JSON has no form for: undefined values, macros, namespaces.
std::string to_json_text(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace kedge::text::jinja
