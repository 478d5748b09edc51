// Filters that make or change text.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

/// Applies a method of strings to str(input), as jinja2's filters of the same name do.
template <const char* method>
Value by_method(Runtime& runtime, const Value& input, CallArguments& arguments) {
  return find_text_method(method)(runtime, soft_string(runtime, input), arguments);
}

constexpr char kUpper[] = "upper", kLower[] = "lower", kCapitalize[] = "capitalize", kStrip[] = "strip";

/// Unlike str.title: words begin after blanks, hyphens and opening brackets only.
Value title_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("title", arguments, {});
  const Value text = soft_string(runtime, input);
  const std::string_view source = text.as_string();
  runtime.heap.spend(source.size() / 16);
  const auto separates = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  std::string result;
  for (size_t offset = 0; offset < source.size();) {
    const size_t begin = offset;
    size_t first_end = offset;
    const bool separator = separates(next_code_point(source, first_end));
    while (offset < source.size()) {
      size_t after = offset;
      if (separates(next_code_point(source, after)) != separator) break;
      offset = after;
    }
    result += to_upper(source.substr(begin, first_end - begin));
    result += to_lower(source.substr(first_end, offset - first_end));
  }
  return runtime.heap.string(std::move(result));
}

Value string_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("string", arguments, {});
  return soft_string(runtime, input);
}

Value replace_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("replace", arguments, {"old", "new", "count"}, 2);
  const bool unlimited = bound[2].is(Kind::missing) || bound[2].is_none();
  if (!unlimited) require_integer(bound[2], "the count of replace");
  const Value text = Value::string(soft_string(runtime, input).as_string());
  const Value from = soft_string(runtime, bound[0]), to = soft_string(runtime, bound[1]);
  return replaced(runtime, text, from.as_string(), to.as_string(), unlimited ? -1 : clamp_integer(bound[2]));
}

Value join_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("join", arguments, {"d", "attribute"});
  const AttributePath path(runtime, bound[1]);
  const std::string separator = bound[0].is(Kind::missing) ? "" : to_text(bound[0], runtime.heap);
  std::string text;
  bool first = true;
  for (const Value& item : items_of(runtime, input)) {
    if (!first) append_text(text, Value::string(separator), runtime.heap);
    first = false;
    append_text(text, path.of(runtime, item), runtime.heap);
  }
  return runtime.heap.string(std::move(text));
}

Value center_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("center", arguments, {"width"});
  CallArguments width;
  width.positional.push_back(bound[0].is(Kind::missing) ? Value::integer(80) : bound[0]);
  return find_text_method("center")(runtime, soft_string(runtime, input), width);
}

Value indent_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("indent", arguments, {"width", "first", "blank"});
  const std::string_view text = require_string(input, "what indent works on");
  std::string indention;
  if (bound[0].is_string()) {
    indention = bound[0].as_string();
  } else {
    const int64_t width = bound[0].is(Kind::missing)
                              ? 4
                              : clamp_integer(Value::integer(require_integer(bound[0], "the width of indent")));
    if (width > 0 && !runtime.heap.affords(static_cast<uint64_t>(width))) runtime.heap.allocate(UINT64_MAX);
    indention.assign(static_cast<size_t>(std::max<int64_t>(0, width)), ' ');
  }
  const bool blank = is_true(bound[2]);
  const std::string closed = std::string(text) + "\n";  // so that a last empty line counts
  const auto lines = split_lines(closed, false);
  if (!runtime.heap.affords(text.size() + lines.size() * indention.size())) runtime.heap.allocate(UINT64_MAX);
  std::string result;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool indents = i == 0 ? is_true(bound[1]) : blank || !lines[i].empty();
    if (i > 0) result += '\n';
    if (indents) result += indention;
    result += lines[i];
  }
  return runtime.heap.string(std::move(result), input.is_markup());
}

Value truncate_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const auto number = [&bound](size_t i, int64_t fallback) {
    if (bound[i].is(Kind::missing) || bound[i].is_none()) return fallback;
    require_integer(bound[i], "an argument of truncate");
    return clamp_integer(bound[i]);
  };
  const int64_t length = number(0, 255), leeway = number(3, 5);
  const std::string_view text = require_string(input, "what truncate works on");
  const std::string_view end = bound[2].is(Kind::missing) ? "..." : require_string(bound[2], "the end of truncate");
  const auto end_length = static_cast<int64_t>(code_point_count(end));
  if (length < end_length || leeway < 0)
    throw Failure{"truncate: the length is below that of the end, or the leeway is negative"};
  if (static_cast<int64_t>(code_point_count(text)) - leeway <= length) return input;
  std::string_view kept = text.substr(0, byte_offset(text, static_cast<size_t>(length - end_length)));
  if (!is_true(bound[1])) {
    const size_t blank = kept.rfind(' ');
    if (blank != std::string_view::npos) kept = kept.substr(0, blank);
  }
  return runtime.heap.string(std::string(kept) + std::string(end), input.is_markup());
}

Value wordcount_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("wordcount", arguments, {});
  const Value text = soft_string(runtime, input);
  Integer count = 0;
  bool in_word = false;
  for (size_t offset = 0; offset < text.as_string().size();) {
    const bool word = is_word(next_code_point(text.as_string(), offset));
    count += word && !in_word ? 1 : 0;
    in_word = word;
  }
  return Value::integer(count);
}

Value format_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keywords.empty()) {
    throw Failure{"format: either positional or keyword arguments"};
  }
  const Value text = soft_string(runtime, input);
  if (arguments.keywords.empty()) return percent_format(runtime, text, runtime.heap.tuple(arguments.positional));
  const auto [value, dict] = runtime.heap.dict();
  for (const auto& [name, argument] : arguments.keywords) runtime.heap.set(*dict, Value::string(name), argument);
  return percent_format(runtime, text, value);
}

Value escape_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("escape", arguments, {});
  return escape(runtime, input);
}

Value forceescape_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("forceescape", arguments, {});
  return escape(runtime, Value::string(soft_string(runtime, input).as_string()));
}

Value safe_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("safe", arguments, {});
  return Value::string(soft_string(runtime, input).as_string(), true);
}

/// Comments and tags go, runs of blanks become one, the usual entities become their characters.
Value striptags_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("striptags", arguments, {});
  const Value text = soft_string(runtime, input);
  std::string_view rest = text.as_string();
  std::string plain;
  while (!rest.empty()) {
    const size_t open = std::min(rest.size(), find_text(rest, "<"));
    plain += rest.substr(0, open);
    rest.remove_prefix(open);
    const bool comment = rest.starts_with("<!--");
    const size_t close = comment ? find_text(rest, "-->") : find_text(rest, ">");
    if (close == std::string_view::npos) break;
    rest.remove_prefix(close + (comment ? 3 : 1));
  }
  plain += rest;
  std::string words;
  for (const std::string_view word : split_text(plain, std::nullopt, -1))
    words += (words.empty() ? "" : " ") + std::string(word);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kEntities = {{{"&lt;", "<"},
                                                                                       {"&gt;", ">"},
                                                                                       {"&quot;", "\""},
                                                                                       {"&#34;", "\""},
                                                                                       {"&#39;", "'"},
                                                                                       {"&#x27;", "'"},
                                                                                       {"&nbsp;", "\u00A0"},
                                                                                       {"&amp;", "&"}}};
  for (const auto& [entity, character] : kEntities) words = replace_text(words, entity, character, -1);
  return runtime.heap.string(std::move(words));
}

void append_quoted_url(std::string& out, std::string_view text, bool in_query) {
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !in_query);
    if (plain) {
      out += c;
    } else if (c == ' ' && in_query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

Value urlencode_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("urlencode", arguments, {});
  std::string result;
  if (input.is_string() || !is_iterable(input)) {
    append_quoted_url(result, soft_string(runtime, input).as_string(), false);
    return runtime.heap.string(std::move(result));
  }
  CallArguments none;
  const Value pairs =
      input.is(Kind::dict) ? find_method(runtime, input, "items").callable().call(runtime, none) : input;
  for (const Value& pair : items_of(runtime, pairs)) {
    const std::vector<Value> items = items_of(runtime, pair);
    if (items.size() != 2) throw Failure{"urlencode needs pairs of a key and a value"};
    if (!result.empty()) result += '&';
    append_quoted_url(result, soft_string(runtime, items[0]).as_string(), true);
    result += '=';
    append_quoted_url(result, soft_string(runtime, items[1]).as_string(), true);
  }
  return runtime.heap.string(std::move(result));
}

Value tojson_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii_only = is_true(bound[0]);
  style.sort_keys = is_true(bound[3]);
  if (bound[1].is_string()) {
    style.indent = bound[1].as_string();
  } else if (!bound[1].is(Kind::missing) && !bound[1].is_none()) {
    constexpr int64_t kIndentMax = 1000;
    require_integer(bound[1], "the indent of tojson");
    const int64_t width = clamp_integer(bound[1]);
    if (width > kIndentMax) throw Failure{fmt::format("tojson: an indent of more than {}", kIndentMax)};
    style.indent = std::string(static_cast<size_t>(std::max<int64_t>(0, width)), ' ');
  }
  if (style.indent) style.item_separator = ",";
  if (!bound[2].is(Kind::missing) && !bound[2].is_none()) {
    const std::vector<Value> separators = items_of(runtime, bound[2]);
    if (separators.size() != 2) throw Failure{"tojson: separators are a pair of strings"};
    style.item_separator = require_string(separators[0], "a separator of tojson");
    style.key_separator = require_string(separators[1], "a separator of tojson");
  }
  return runtime.heap.string(to_json_text(input, style, runtime.heap));
}

Value xmlattr_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("xmlattr", arguments, {"autospace"});
  if (!input.is(Kind::dict)) throw Failure{"xmlattr needs a dict"};
  std::string result;
  for (const auto& [key, value] : input.dict().entries) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string_view name = require_string(key, "a name of xmlattr");
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos)
      throw Failure{"xmlattr: a name has a character that no name may have"};
    result += fmt::format("{}{}=\"{}\"", result.empty() ? "" : " ", escape(runtime, key).as_string(),
                          escape(runtime, value).as_string());
  }
  const bool autospace = bound[0].is(Kind::missing) || is_true(bound[0]);
  if (autospace && !result.empty()) result.insert(0, " ");
  return runtime.heap.string(std::move(result));
}

Value pprint_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("pprint", arguments, {});
  return runtime.heap.string(repr(input, runtime.heap));
}

constexpr FilterRow kFilters[] = {
    {"upper", by_method<kUpper>},        {"lower", by_method<kLower>},  {"capitalize", by_method<kCapitalize>},
    {"trim", by_method<kStrip>},         {"title", title_filter},       {"string", string_filter},
    {"replace", replace_filter},         {"join", join_filter},         {"center", center_filter},
    {"indent", indent_filter},           {"truncate", truncate_filter}, {"wordcount", wordcount_filter},
    {"format", format_filter},           {"escape", escape_filter},     {"e", escape_filter},
    {"forceescape", forceescape_filter}, {"safe", safe_filter},         {"striptags", striptags_filter},
    {"urlencode", urlencode_filter},     {"tojson", tojson_filter},     {"xmlattr", xmlattr_filter},
    {"pprint", pprint_filter},
};

}  // namespace

std::span<const FilterRow> text_filters() {
  return kFilters;
}

}  // namespace kedge::text::jinja
