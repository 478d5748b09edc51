#include "text/jinja/number_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

std::string digits_of(unsigned __int128 value, unsigned base, bool upper) {
  std::string digits;
  do {
    const auto digit = static_cast<unsigned>(value % base);
    digits += static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    value /= base;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string grouped(std::string_view digits, char separator, size_t group) {
  std::string result;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % group == 0) result += separator;
    result += digits[i];
  }
  return result;
}

std::string sign_of(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

/// str()'s form with a precision: like 'g', but with a point or an exponent always.
std::string general(double value, const FieldFormat& format) {
  if (!format.precision) return number_text(value);
  std::string text = fmt::format("{:.{}g}", value, std::max<int64_t>(1, *format.precision));
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string unsigned_number(double value, const FieldFormat& format) {
  const int64_t precision = format.precision.value_or(6);
  switch (format.type) {
    case 'e':
      return fmt::format("{:.{}e}", value, precision);
    case 'E':
      return fmt::format("{:.{}E}", value, precision);
    case 'f':
      return fmt::format("{:.{}f}", value, precision);
    case 'F':
      return fmt::format("{:.{}F}", value, precision);
    case 'g':
    case 'n':
      return format.alternate ? fmt::format("{:#.{}g}", value, std::max<int64_t>(1, precision))
                              : fmt::format("{:.{}g}", value, std::max<int64_t>(1, precision));
    case 'G':
      return fmt::format("{:.{}G}", value, std::max<int64_t>(1, precision));
    case '%':
      return fmt::format("{:.{}f}%", value * 100, precision);
    default:
      return general(value, format);
  }
}

}  // namespace

std::string pad(std::string_view sign, std::string_view body, const FieldFormat& format, char default_align) {
  const auto length = static_cast<int64_t>(code_point_count(sign) + code_point_count(body));
  const int64_t missing = std::max<int64_t>(0, format.width - length);
  const char align = format.align == '\0' ? default_align : format.align;
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string result;
  const auto fill = [&result, &format](int64_t count) {
    for (int64_t i = 0; i < count; ++i) result += format.fill;
  };
  if (align != '=') fill(left);
  result += sign;
  if (align == '=') fill(left);
  result += body;
  fill(missing - left);
  return result;
}

std::string format_integer(Integer value, const FieldFormat& format) {
  const auto magnitude = value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  const bool upper = format.type == 'X';
  const unsigned base = format.type == 'x' || upper ? 16 : format.type == 'o' ? 8 : format.type == 'b' ? 2 : 10;
  std::string digits = digits_of(magnitude, base, upper);
  if (format.precision && static_cast<int64_t>(digits.size()) < *format.precision) {  // of "%.5d"
    digits.insert(0, static_cast<size_t>(*format.precision) - digits.size(), '0');
  }
  std::string prefix;
  if (format.alternate && base != 10) prefix = fmt::format("0{}", format.type);
  const size_t group = base == 10 ? 3 : 4;
  if (format.grouping == '\0') return pad(sign_of(value < 0, format.sign) + prefix, digits, format, '>');
  // Zeros that fill the field are grouped like digits.
  if (format.align == '=' && format.fill == "0") {
    const auto sign_size = static_cast<int64_t>((value < 0 || format.sign != '-' ? 1 : 0) + prefix.size());
    while (static_cast<int64_t>(grouped(digits, format.grouping, group).size()) + sign_size < format.width)
      digits.insert(0, 1, '0');
  }
  return pad(sign_of(value < 0, format.sign) + prefix, grouped(digits, format.grouping, group), format, '>');
}

std::string format_number(double value, const FieldFormat& format) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  std::string body = unsigned_number(std::abs(value), format);
  if (format.grouping != '\0' && std::isfinite(value)) {
    const size_t whole = std::min(body.find_first_of(".eE%"), body.size());
    body = grouped(body.substr(0, whole), format.grouping, 3) + body.substr(whole);
  }
  FieldFormat field = format;
  if (!std::isfinite(value) && field.fill == "0") field.fill = " ";
  return pad(sign_of(negative, format.sign), body, field, '>');
}

std::string ascii_repr(Runtime& runtime, const Value& value) {
  const std::string text = repr(value, runtime.heap);
  std::string result;
  for (size_t offset = 0; offset < text.size();) {
    const auto code = static_cast<uint32_t>(next_code_point(text, offset));
    result += code < 0x80      ? std::string(1, static_cast<char>(code))
              : code < 0x100   ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code);
  }
  return result;
}

}  // namespace kedge::text::jinja
