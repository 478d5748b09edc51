// Methods of strings.

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/methods.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

constexpr size_t kNotFound = std::string_view::npos;

Value same(Runtime& runtime, const Value& self, std::string text) {
  return runtime.heap.string(std::move(text), self.is_markup());
}

/// An argument of a method of markup is escaped first.
std::string_view text_argument(Runtime& runtime, const Value& self, const Value& argument, std::string_view what) {
  const std::string_view text = require_string(argument, what);
  runtime.heap.spend_on(text);
  return self.is_markup() ? escape(runtime, argument).as_string() : text;
}

std::optional<std::string_view> optional_text(const Value& argument, std::string_view what) {
  if (argument.is(Kind::missing) || argument.is_none()) return std::nullopt;
  return require_string(argument, what);
}

int64_t optional_count(const Value& argument, std::string_view what) {
  if (argument.is(Kind::missing)) return -1;
  require_integer(argument, what);
  return clamp_integer(argument);
}

template <Side side>
Value strip_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("strip", arguments, {"chars"});
  const auto characters = optional_text(bound[0], "the characters to strip");
  if (characters) runtime.heap.spend(self.as_string().size() * (characters->size() / 64) / 64);
  return Value::string(strip(self.as_string(), side, characters), self.is_markup());
}

Value split_with(Runtime& runtime, const Value& self, CallArguments& arguments, bool from_right) {
  const auto bound = bind_arguments("split", arguments, {"sep", "maxsplit"});
  const auto separator = optional_text(bound[0], "the separator of split");
  if (separator && separator->empty()) throw Failure{"split: the separator is empty"};
  const int64_t splits_max = optional_count(bound[1], "maxsplit");
  const auto parts = from_right ? split_text_last(self.as_string(), separator, splits_max)
                                : split_text(self.as_string(), separator, splits_max);
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.push_back(Value::string(part, self.is_markup()));
  return runtime.heap.list(std::move(items));
}

Value split_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return split_with(runtime, self, arguments, false);
}
Value rsplit_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return split_with(runtime, self, arguments, true);
}

Value splitlines_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("splitlines", arguments, {"keepends"});
  std::vector<Value> items;
  for (const std::string_view line : split_lines(self.as_string(), is_true(bound[0]))) {
    items.push_back(Value::string(line, self.is_markup()));
  }
  return runtime.heap.list(std::move(items));
}

Value partition_with(Runtime& runtime, const Value& self, CallArguments& arguments, bool from_right) {
  const auto bound = bind_arguments("partition", arguments, {"sep"}, 1);
  const std::string_view text = self.as_string(), separator = require_string(bound[0], "the separator of partition");
  if (separator.empty()) throw Failure{"partition: the separator is empty"};
  const size_t at = from_right ? find_text_last(text, separator) : find_text(text, separator);
  const auto part = [&self](std::string_view value) { return Value::string(value, self.is_markup()); };
  if (at != kNotFound) {
    return runtime.heap.tuple({part(text.substr(0, at)), part(separator), part(text.substr(at + separator.size()))});
  }
  if (from_right) return runtime.heap.tuple({part(""), part(""), part(text)});
  return runtime.heap.tuple({part(text), part(""), part("")});
}

Value partition_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return partition_with(runtime, self, arguments, false);
}
Value rpartition_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return partition_with(runtime, self, arguments, true);
}

/// The part of `text` between two optional code point indices, as find, count and startswith take them.
struct Window {
  std::string_view text;
  size_t first_code_point = 0;
  bool is_valid = true;  // the start is not behind the end of the text
};

Window window_of(Runtime& runtime, const Value& self, const Value& start, const Value& end) {
  if (start.is(Kind::missing) && end.is(Kind::missing)) return {self.as_string()};
  const auto or_none = [](const Value& value) { return value.is(Kind::missing) ? Value::none() : value; };
  const auto length = static_cast<int64_t>(code_point_count(self.as_string()));
  int64_t first = start.is_integral() ? clamp_integer(start) : 0;
  if (first < 0) first = std::max<int64_t>(0, first + length);
  const Value part = get_slice(runtime, self, or_none(start), or_none(end), Value::none());
  return {part.as_string(), static_cast<size_t>(first), first <= length};
}

Value affix_with(Runtime& runtime, const Value& self, CallArguments& arguments, bool at_end) {
  const auto bound = bind_arguments(at_end ? "endswith" : "startswith", arguments, {"prefix", "start", "end"}, 1);
  const Window window = window_of(runtime, self, bound[1], bound[2]);
  const auto matches = [&](const Value& affix) {
    const std::string_view text = require_string(affix, "the text that startswith or endswith looks for");
    return window.is_valid && (at_end ? window.text.ends_with(text) : window.text.starts_with(text));
  };
  if (!bound[0].is(Kind::tuple)) return Value::boolean(matches(bound[0]));
  const auto& affixes = bound[0].list().items;
  runtime.heap.spend(affixes.size());
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), matches));
}

Value startswith_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return affix_with(runtime, self, arguments, false);
}
Value endswith_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return affix_with(runtime, self, arguments, true);
}

Value find_with(Runtime& runtime, const Value& self, CallArguments& arguments, bool from_right, bool must_exist) {
  const auto bound = bind_arguments("find", arguments, {"sub", "start", "end"}, 1);
  const Window window = window_of(runtime, self, bound[1], bound[2]);
  const std::string_view needle = require_string(bound[0], "the text to find");
  const size_t at = !window.is_valid ? kNotFound
                    : from_right     ? find_text_last(window.text, needle)
                                     : find_text(window.text, needle);
  if (at != kNotFound) {
    return Value::integer(static_cast<Integer>(window.first_code_point + code_point_count(window.text.substr(0, at))));
  }
  if (must_exist) throw Failure{fmt::format("index: {} is not in the string", quoted(needle.substr(0, 40)))};
  return Value::integer(-1);
}

Value find_method_of_text(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return find_with(runtime, self, arguments, false, false);
}
Value rfind_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return find_with(runtime, self, arguments, true, false);
}
Value index_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return find_with(runtime, self, arguments, false, true);
}
Value rindex_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return find_with(runtime, self, arguments, true, true);
}

Value count_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("count", arguments, {"sub", "start", "end"}, 1);
  const Window window = window_of(runtime, self, bound[1], bound[2]);
  const std::string_view needle = require_string(bound[0], "the text to count");
  return Value::integer(window.is_valid ? static_cast<Integer>(count_text(window.text, needle)) : 0);
}

Value replace_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("replace", arguments, {"old", "new", "count"}, 2);
  return replaced(runtime, self, text_argument(runtime, self, bound[0], "the text to replace"),
                  text_argument(runtime, self, bound[1], "the replacement"), optional_count(bound[2], "count"));
}

Value join_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("join", arguments, {"iterable"}, 1);
  std::string result;
  bool first = true;
  for (const Value& item : items_of(runtime, bound[0])) {
    if (!first) result += self.as_string();
    first = false;
    result += text_argument(runtime, self, item, "every item of join");
    if (!runtime.heap.affords(result.size())) runtime.heap.allocate(result.size());
    runtime.heap.spend_on(self.as_string());
  }
  return same(runtime, self, std::move(result));
}

template <std::string (*convert)(std::string_view)>
Value case_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  bind_arguments("this method", arguments, {});
  runtime.heap.spend(self.as_string().size() / 16);
  return same(runtime, self, convert(self.as_string()));
}

Value format_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  return brace_format(runtime, self, arguments);
}

Value format_map_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("format_map", arguments, {"mapping"}, 1);
  if (!bound[0].is(Kind::dict)) throw Failure{"format_map needs a dict"};
  CallArguments values;
  for (const auto& [key, value] : bound[0].dict().entries) {
    if (key.is_string()) values.keywords.emplace_back(key.as_string(), value);
  }
  return brace_format(runtime, self, values);
}

enum class Alignment : uint8_t { left, right, center };

template <Alignment alignment>
Value pad_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("this method", arguments, {"width", "fillchar"}, 1);
  require_integer(bound[0], "the width");
  const std::string_view fill = bound[1].is(Kind::missing) ? " " : require_string(bound[1], "the fill character");
  if (code_point_count(fill) != 1) throw Failure{"the fill must be one character"};
  const auto length = static_cast<int64_t>(code_point_count(self.as_string()));
  const int64_t missing = std::max<int64_t>(0, clamp_integer(bound[0]) - length);
  if (!runtime.heap.affords(static_cast<uint64_t>(missing) * fill.size())) runtime.heap.allocate(UINT64_MAX);
  // str.center gives the odd blank to the left when the width is odd.
  const int64_t left = alignment == Alignment::left    ? 0
                       : alignment == Alignment::right ? missing
                                                       : missing / 2 + (missing & clamp_integer(bound[0]) & 1);
  std::string result;
  for (int64_t i = 0; i < left; ++i) result += fill;
  result += self.as_string();
  for (int64_t i = left; i < missing; ++i) result += fill;
  return same(runtime, self, std::move(result));
}

Value zfill_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("zfill", arguments, {"width"}, 1);
  require_integer(bound[0], "the width");
  const std::string_view text = self.as_string();
  const int64_t missing = std::max<int64_t>(0, clamp_integer(bound[0]) - static_cast<int64_t>(code_point_count(text)));
  if (!runtime.heap.affords(static_cast<uint64_t>(missing))) runtime.heap.allocate(UINT64_MAX);
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return same(runtime, self,
              std::string(text.substr(0, sign)) + std::string(static_cast<size_t>(missing), '0') +
                  std::string(text.substr(sign)));
}

template <bool at_end>
Value remove_affix_method(Runtime&, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("removeprefix", arguments, {"prefix"}, 1);
  const std::string_view text = self.as_string(), affix = require_string(bound[0], "the prefix or suffix");
  const bool has = at_end ? text.ends_with(affix) : text.starts_with(affix);
  if (!has) return self;
  return Value::string(at_end ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size()),
                       self.is_markup());
}

Value expandtabs_method(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("expandtabs", arguments, {"tabsize"});
  const int64_t size =
      bound[0].is(Kind::missing) ? 8 : clamp_integer(Value::integer(require_integer(bound[0], "tabsize")));
  std::string result;
  int64_t column = 0;
  for (const char c : self.as_string()) {
    if (c == '\t') {
      const int64_t blanks = size > 0 ? size - column % size : 0;
      if (!runtime.heap.affords(result.size() + static_cast<uint64_t>(blanks))) runtime.heap.allocate(UINT64_MAX);
      result.append(static_cast<size_t>(blanks), ' ');
      column += blanks;
      continue;
    }
    result += c;
    column = c == '\n' || c == '\r' ? 0 : column + ((static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0);
  }
  return same(runtime, self, std::move(result));
}

constexpr MethodRow kTextMethods[] = {
    {"strip", strip_method<Side::both>},
    {"lstrip", strip_method<Side::left>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method},
    {"rsplit", rsplit_method},
    {"splitlines", splitlines_method},
    {"partition", partition_method},
    {"rpartition", rpartition_method},
    {"startswith", startswith_method},
    {"endswith", endswith_method},
    {"find", find_method_of_text},
    {"rfind", rfind_method},
    {"index", index_method},
    {"rindex", rindex_method},
    {"count", count_method},
    {"replace", replace_method},
    {"join", join_method},
    {"upper", case_method<to_upper>},
    {"lower", case_method<to_lower>},
    {"casefold", case_method<to_lower>},
    {"title", case_method<to_title>},
    {"capitalize", case_method<to_capitalized>},
    {"swapcase", case_method<to_swapped_case>},
    {"format", format_method},
    {"format_map", format_map_method},
    {"ljust", pad_method<Alignment::left>},
    {"rjust", pad_method<Alignment::right>},
    {"center", pad_method<Alignment::center>},
    {"zfill", zfill_method},
    {"removeprefix", remove_affix_method<false>},
    {"removesuffix", remove_affix_method<true>},
    {"expandtabs", expandtabs_method},
};

/// isalpha and the like: one function for each name, so that it needs no state.
template <const char* name>
Value property_method(Runtime&, const Value& self, CallArguments& arguments) {
  bind_arguments(name, arguments, {});
  return Value::boolean(*has_property(self.as_string(), name));
}

constexpr char kIsAlpha[] = "isalpha", kIsDigit[] = "isdigit", kIsDecimal[] = "isdecimal", kIsNumeric[] = "isnumeric",
               kIsAlnum[] = "isalnum", kIsSpace[] = "isspace", kIsAscii[] = "isascii", kIsPrintable[] = "isprintable",
               kIsLower[] = "islower", kIsUpper[] = "isupper", kIsTitle[] = "istitle", kIsIdentifier[] = "isidentifier";

constexpr MethodRow kPropertyMethods[] = {
    {kIsAlpha, property_method<kIsAlpha>},     {kIsDigit, property_method<kIsDigit>},
    {kIsDecimal, property_method<kIsDecimal>}, {kIsNumeric, property_method<kIsNumeric>},
    {kIsAlnum, property_method<kIsAlnum>},     {kIsSpace, property_method<kIsSpace>},
    {kIsAscii, property_method<kIsAscii>},     {kIsPrintable, property_method<kIsPrintable>},
    {kIsLower, property_method<kIsLower>},     {kIsUpper, property_method<kIsUpper>},
    {kIsTitle, property_method<kIsTitle>},     {kIsIdentifier, property_method<kIsIdentifier>},
};

}  // namespace

Value replaced(Runtime& runtime, const Value& text, std::string_view from, std::string_view to, int64_t count_max) {
  runtime.heap.spend_on(text.as_string());
  const size_t matches = count_text(text.as_string(), from);
  const uint64_t count = count_max < 0 ? matches : std::min<uint64_t>(matches, static_cast<uint64_t>(count_max));
  if (!runtime.heap.affords(text.as_string().size() + count * to.size())) runtime.heap.allocate(UINT64_MAX);
  runtime.heap.spend(count / 64);
  return runtime.heap.string(replace_text(text.as_string(), from, to, count_max), text.is_markup());
}

FunctionObject::Function find_text_method(std::string_view name) {
  if (const auto method = find_method_row(kTextMethods, name)) return method;
  return find_method_row(kPropertyMethods, name);
}

}  // namespace kedge::text::jinja
