#include "text/jinja/filters.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/python_text.h"

namespace kedge::text::jinja {

FilterFunction find_filter(std::string_view name) {
  for (const auto table : {text_filters(), sequence_filters(), selection_filters(), number_filters()}) {
    const auto found =
        std::find_if(table.begin(), table.end(), [name](const FilterRow& row) { return row.name == name; });
    if (found != table.end()) return found->function;
  }
  return nullptr;
}

AttributePath::AttributePath(Runtime& runtime, const Value& attribute) {
  if (attribute.is(Kind::missing) || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  for (const std::string_view part : split_text(attribute.as_string(), ".", -1)) {
    runtime.heap.spend();
    const bool is_index = !part.empty() && part.size() < 10 &&
                          std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    parts_.push_back(is_index ? Value::integer(std::stoi(std::string(part))) : Value::string(part));
  }
}

Value AttributePath::of(Runtime& runtime, const Value& item, const Value& fallback) const {
  Value value = item;
  for (const Value& part : parts_) {
    runtime.heap.spend();
    value = get_item(runtime, value, part);
    if (value.is_undefined() && !fallback.is(Kind::missing)) value = fallback;
  }
  return value;
}

std::vector<AttributePath> AttributePath::list(Runtime& runtime, const Value& attribute) {
  std::vector<AttributePath> paths;
  if (!attribute.is_string()) {
    paths.emplace_back(runtime, attribute);
    return paths;
  }
  for (const std::string_view part : split_text(attribute.as_string(), ",", -1)) {
    paths.emplace_back(runtime, Value::string(part));
  }
  return paths;
}

Value ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is_string()) return value;
  runtime.heap.spend_on(value.as_string());
  return runtime.heap.string(to_lower(value.as_string()));
}

}  // namespace kedge::text::jinja
