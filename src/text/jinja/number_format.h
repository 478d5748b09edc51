#pragma once
// Numbers and text in a field: what "%5.2f" and "{:>10,d}" have in common.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/runtime.h"

namespace kedge::text::jinja {

struct FieldFormat {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^', '=' (after the sign) or the kind's own
  char sign = '-';    // '+' and ' ' show a sign before positive numbers too
  bool alternate = false;
  char grouping = '\0';  // ',' or '_'
  int64_t width = 0;
  std::optional<int64_t> precision;
  char type = '\0';
};

inline constexpr int64_t kFieldWidthMax = 100'000;
inline constexpr int64_t kFieldPrecisionMax = 1000;

/// The digits of an integer in the base of the type (b, o, x, X or decimal), with sign, prefix and groups, padded.
std::string format_integer(Integer value, const FieldFormat& format);

/// A float as e, f, g or % of either case; '\0' is str()'s form. Padded.
std::string format_number(double value, const FieldFormat& format);

/// Padded to the width; numbers default to the right, text to the left.
std::string pad(std::string_view sign, std::string_view body, const FieldFormat& format, char default_align);

/// ascii(value): repr with everything outside ASCII escaped.
std::string ascii_repr(Runtime& runtime, const Value& value);

}  // namespace kedge::text::jinja
