// Filters that make or change numbers.

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

/// Underscores between digits go; anything else wrong with them makes the text no number.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && digit_value(text[i - 1]) < 36 && digit_value(text[i + 1]) < 36;
    if (!between) return std::nullopt;
  }
  return result;
}

/// int(text, base).
std::optional<Integer> parse_integer(std::string_view source, int base) {
  std::string_view text = strip(source, Side::both);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0' && base != 10) {
    const char letter = static_cast<char>(text[1] | 0x20);
    const int prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (prefixed != 0 && (base == prefixed || base == 0)) {
      base = prefixed;
      text.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  const auto digits = without_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  Integer value = 0;
  for (const char c : *digits) {
    const int digit = digit_value(c);
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, Integer{base}, &value) || __builtin_add_overflow(value, Integer{digit}, &value)) {
      throw Failure{"an integer of more than 128 bits"};
    }
  }
  return negative ? -value : value;
}

/// float(text).
std::optional<double> parse_number(std::string_view source) {
  const auto cleaned = without_underscores(strip(source, Side::both));
  if (!cleaned || cleaned->empty()) return std::nullopt;
  std::string_view text = *cleaned;
  const bool has_sign = text[0] == '-' || text[0] == '+';
  const bool negative = text[0] == '-';
  if (has_sign) text.remove_prefix(1);
  if (text.empty() || text[0] == '-') return std::nullopt;
  double value = 0;
  const std::string lower = to_lower(text);
  if (lower == "inf" || lower == "infinity" || lower == "nan") {
    value = lower == "nan" ? std::nan("") : HUGE_VAL;
  } else if (lower.find_first_not_of("0123456789.e+-") != std::string::npos) {
    return std::nullopt;
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) value = std::strtod(std::string(text).c_str(), nullptr);
  }
  return negative ? -value : value;
}

std::optional<Integer> truncated(double value) {
  if (!(std::abs(value) < 1e38)) return std::nullopt;  // no NaN, and within 128 bits
  return static_cast<Integer>(value);
}

Value int_filter(Runtime&, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("int", arguments, {"default", "base"});
  const Value fallback = bound[0].is(Kind::missing) ? Value::integer(0) : bound[0];
  const int base = bound[1].is(Kind::missing)
                       ? 10
                       : static_cast<int>(clamp_integer(Value::integer(require_integer(bound[1], "the base of int"))));
  if (input.is_undefined()) throw Failure{input.undefined_message()};
  if (input.is_integral()) return Value::integer(input.as_integer());
  std::optional<Integer> result;
  if (input.is(Kind::number)) result = truncated(input.as_number());
  if (input.is_string()) {
    if (base != 0 && (base < 2 || base > 36)) return fallback;
    result = parse_integer(input.as_string(), base);
    if (!result) {
      if (const auto number = parse_number(input.as_string())) result = truncated(*number);
    }
  }
  return result ? Value::integer(*result) : fallback;
}

Value float_filter(Runtime&, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("float", arguments, {"default"});
  if (input.is_undefined()) throw Failure{input.undefined_message()};
  if (input.is(Kind::number)) return input;
  if (input.is_integral()) return Value::number(static_cast<double>(input.as_integer()));
  if (input.is_string()) {
    if (const auto number = parse_number(input.as_string())) return Value::number(*number);
  }
  return bound[0].is(Kind::missing) ? Value::number(0) : bound[0];
}

Value abs_filter(Runtime&, const Value& input, CallArguments& arguments) {
  bind_arguments("abs", arguments, {});
  if (input.is_integral()) return input.as_integer() < 0 ? negate(input) : make_positive(input);
  if (input.is(Kind::number)) return Value::number(std::abs(input.as_number()));
  if (input.is_undefined()) throw Failure{input.undefined_message()};
  throw Failure{fmt::format("abs: a '{}' is no number", type_name(input.kind()))};
}

/// round(value, precision): to the nearest decimal, halves (of the exact binary value) to even.
double round_number(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < -300) return 0;
  if (precision >= 0) return std::strtod(fmt::format("{:.{}f}", value, precision).c_str(), nullptr);
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / scale) * scale;
}

Integer power_of_ten(int64_t exponent) {
  Integer result = 1;
  for (int64_t i = 0; i < exponent; ++i) result *= 10;
  return result;
}

Integer round_integer(Integer value, int64_t precision) {
  if (precision >= 0) return value;
  if (precision < -37) return 0;
  const Integer scale = power_of_ten(-precision);
  Integer quotient = value / scale;
  Integer rest = value % scale;
  if (rest < 0) {
    rest += scale;
    --quotient;
  }
  if (rest * 2 > scale || (rest * 2 == scale && quotient % 2 != 0)) ++quotient;
  return quotient * scale;
}

Value round_filter(Runtime&, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("round", arguments, {"precision", "method"});
  const int64_t precision = bound[0].is(Kind::missing)
                                ? 0
                                : clamp_integer(Value::integer(require_integer(bound[0], "the precision of round")));
  const std::string_view method =
      bound[1].is(Kind::missing) ? "common" : require_string(bound[1], "the method of round");
  if (method != "common" && method != "ceil" && method != "floor")
    throw Failure{"round: the method is common, ceil or floor"};
  if (!input.is_numeric()) {
    if (input.is_undefined()) throw Failure{input.undefined_message()};
    throw Failure{fmt::format("round: a '{}' is no number", type_name(input.kind()))};
  }
  if (method == "common") {
    if (input.is_integral()) return Value::integer(round_integer(input.as_integer(), precision));
    return Value::number(round_number(input.as_number(), precision));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = (input.is_integral() ? static_cast<double>(input.as_integer()) : input.as_number()) * scale;
  if (!std::isfinite(scaled)) throw Failure{"round: the number is out of range"};
  return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value sum_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("sum", arguments, {"attribute", "start"});
  const AttributePath path(runtime, bound[0]);
  Value total = bound[1].is(Kind::missing) ? Value::integer(0) : bound[1];
  if (total.is_string()) throw Failure{"sum: strings are joined with the filter join"};
  for (const Value& item : items_of(runtime, input)) {
    total = apply(runtime, ArithmeticOperator::add, total, path.of(runtime, item));
  }
  return total;
}

Value filesizeformat_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("filesizeformat", arguments, {"binary"});
  CallArguments none;
  const double bytes = float_filter(runtime, input, none).as_number();
  const bool binary = is_true(bound[0]);
  const double base = binary ? 1024 : 1000;
  constexpr std::string_view kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr std::string_view kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  if (bytes == 1) return Value::string("1 Byte");
  if (bytes < base) return runtime.heap.string(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  double unit = base;
  size_t prefix = 0;
  for (unit *= base; prefix + 1 < std::size(kDecimal) && bytes >= unit; ++prefix) unit *= base;
  return runtime.heap.string(
      fmt::format("{:.1f} {}", base * bytes / unit, binary ? kBinary[prefix] : kDecimal[prefix]));
}

constexpr FilterRow kFilters[] = {{"int", int_filter}, {"float", float_filter},
                                  {"abs", abs_filter}, {"round", round_filter},
                                  {"sum", sum_filter}, {"filesizeformat", filesizeformat_filter}};

}  // namespace

std::span<const FilterRow> number_filters() {
  return kFilters;
}

}  // namespace kedge::text::jinja
