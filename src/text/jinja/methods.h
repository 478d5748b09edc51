#pragma once
// The methods that values have of their own, by kind.

#include <cstdint>
#include <span>
#include <string_view>

#include "text/jinja/runtime.h"

namespace kedge::text::jinja {

struct MethodRow {
  std::string_view name;
  FunctionObject::Function function;
};

/// Null where the table has none of that name.
inline FunctionObject::Function find_method_row(std::span<const MethodRow> table, std::string_view name) {
  for (const MethodRow& row : table) {
    if (row.name == name) return row.function;
  }
  return nullptr;
}

/// A method of strings; null where they have none of that name.
FunctionObject::Function find_text_method(std::string_view name);

/// str.replace within the budget. `count_max` < 0: all.
Value replaced(Runtime& runtime, const Value& text, std::string_view from, std::string_view to, int64_t count_max);

}  // namespace kedge::text::jinja
