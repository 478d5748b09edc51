#pragma once
// The filters, by what they work on. One table for each file; find_filter looks through all of them.

#include <span>
#include <string_view>

#include "text/jinja/runtime.h"

namespace kedge::text::jinja {

struct FilterRow {
  std::string_view name;
  FilterFunction function;
};

std::span<const FilterRow> text_filters();
std::span<const FilterRow> number_filters();
std::span<const FilterRow> sequence_filters();
std::span<const FilterRow> selection_filters();

/// A path such as "function.name" or 0, as the argument `attribute` of several filters takes it.
class AttributePath {
 public:
  /// missing or none: the item itself.
  AttributePath(Runtime& runtime, const Value& attribute);

  /// `fallback`, where it is given, stands for what is undefined on the way.
  [[nodiscard]] Value of(Runtime& runtime, const Value& item, const Value& fallback = {}) const;

  /// Comma-separated paths, as sort takes them.
  static std::vector<AttributePath> list(Runtime& runtime, const Value& attribute);

 private:
  std::vector<Value> parts_;
};

/// A string in lower case; anything else as it is.
Value ignore_case(Runtime& runtime, const Value& value);

}  // namespace kedge::text::jinja
