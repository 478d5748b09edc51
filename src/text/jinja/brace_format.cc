// "{} and {name:>5}".format(...).

#include <fmt/format.h>

#include "text/jinja/number_format.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

[[noreturn]] void fail(std::string_view what) {
  throw Failure{fmt::format("format: {}", what)};
}

int64_t read_number(std::string_view text, size_t& offset, int64_t most) {
  int64_t value = 0;
  for (; offset < text.size() && text[offset] >= '0' && text[offset] <= '9'; ++offset) {
    value = value * 10 + (text[offset] - '0');
    if (value > most) fail(fmt::format("a number of more than {}", most));
  }
  return value;
}

/// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
FieldFormat parse_field(std::string_view spec) {
  FieldFormat field;
  size_t offset = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const auto at = [&](char c) { return offset < spec.size() && spec[offset] == c && (++offset, true); };
  if (!spec.empty()) {
    size_t after_fill = 0;
    next_code_point(spec, after_fill);
    if (after_fill < spec.size() && is_align(spec[after_fill])) {
      field.fill = spec.substr(0, after_fill);
      field.align = spec[after_fill];
      offset = after_fill + 1;
    } else if (is_align(spec[0])) {
      field.align = spec[0];
      offset = 1;
    }
  }
  for (const char sign : {'+', '-', ' '}) {
    if (at(sign)) field.sign = sign;
  }
  at('z');
  field.alternate = at('#');
  if (at('0') && field.align == '\0') {
    field.fill = "0";
    field.align = '=';
  }
  field.width = read_number(spec, offset, kFieldWidthMax);
  if (at(',')) field.grouping = ',';
  if (at('_')) field.grouping = '_';
  if (at('.')) field.precision = read_number(spec, offset, kFieldPrecisionMax);
  if (offset < spec.size()) field.type = spec[offset++];
  if (offset != spec.size()) fail(fmt::format("'{}' is no format of a field", spec));
  return field;
}

std::string format_text(std::string_view text, FieldFormat field) {
  if (field.type != '\0' && field.type != 's') fail(fmt::format("'{}' is no format of a string", field.type));
  if (field.align == '=') field.align = '<';
  const size_t size = field.precision ? byte_offset(text, static_cast<size_t>(*field.precision)) : text.size();
  return pad("", text.substr(0, size), field, '<');
}

std::string format_integral(const Value& value, const FieldFormat& field) {
  constexpr std::string_view kIntegerTypes = "dbxXon", kNumberTypes = "eEfFgG%";
  if (field.type == 'c') {
    std::string character;
    const Integer code = value.as_integer();
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) fail("the number is no character");
    append_code_point(character, static_cast<char32_t>(code));
    return pad("", character, field, '<');
  }
  if (kNumberTypes.find(field.type) != std::string_view::npos && field.type != '\0') {
    return format_number(static_cast<double>(value.as_integer()), field);
  }
  if (field.type != '\0' && kIntegerTypes.find(field.type) == std::string_view::npos) {
    fail(fmt::format("'{}' is no format of an integer", field.type));
  }
  if (field.precision) fail("an integer has no precision");
  return format_integer(value.as_integer(), field);
}

std::string format_value(Runtime& runtime, const Value& value, std::string_view spec) {
  if (spec.empty()) return to_text(value, runtime.heap);
  const FieldFormat field = parse_field(spec);
  if (value.is_integral()) return format_integral(value, field);
  if (value.is(Kind::number)) {
    if (field.type != '\0' && std::string_view("eEfFgGn%").find(field.type) == std::string_view::npos) {
      fail(fmt::format("'{}' is no format of a number", field.type));
    }
    return format_number(value.as_number(), field);
  }
  if (value.is_string()) return format_text(value.as_string(), field);
  if (value.is_undefined()) throw Failure{value.undefined_message()};
  fail(fmt::format("a '{}' takes no format", type_name(value.kind())));
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Value& format, const CallArguments& arguments)
      : runtime_(runtime), arguments_(arguments), markup_(format.is_markup()) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) fail("fields are nested too deeply");
    std::string out;
    for (size_t offset = 0; offset < format.size();) {
      const size_t brace = std::min(format.find_first_of("{}", offset), format.size());
      append(out, format.substr(offset, brace - offset));
      offset = brace;
      if (offset == format.size()) break;
      if (offset + 1 < format.size() && format[offset + 1] == format[offset]) {
        append(out, format.substr(offset, 1));
        offset += 2;
        continue;
      }
      if (format[offset] == '}') fail("a '}' without its '{'");
      const size_t end = field_end(format, ++offset);
      append(out, field(format.substr(offset, end - offset), depth));
      offset = end + 1;
    }
    return out;
  }

 private:
  void append(std::string& out, std::string_view text) {
    runtime_.heap.spend_on(text);
    runtime_.heap.allocate(text.size());
    out += text;
  }

  static size_t field_end(std::string_view format, size_t offset) {
    int depth = 1;
    bool in_index = false;
    for (; offset < format.size(); ++offset) {
      const char c = format[offset];
      if (c == '[') in_index = true;
      if (c == ']') in_index = false;
      if (in_index) continue;
      depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (depth == 0) return offset;
    }
    fail("a '{' without its '}'");
  }

  /// name[!conversion][:spec]
  std::string field(std::string_view text, int depth) {
    size_t name_end = 0;
    for (bool in_index = false; name_end < text.size(); ++name_end) {
      if (text[name_end] == '[') in_index = true;
      if (text[name_end] == ']') in_index = false;
      if (!in_index && (text[name_end] == '!' || text[name_end] == ':')) break;
    }
    Value value = lookup(text.substr(0, name_end));
    text.remove_prefix(name_end);
    if (text.starts_with('!')) {
      if (text.size() < 2 || (text.size() > 2 && text[2] != ':')) fail("a conversion is one of !r, !s and !a");
      value = converted(value, text[1]);
      text.remove_prefix(2);
    }
    if (text.starts_with(':')) text.remove_prefix(1);
    const std::string spec = text.find('{') == std::string_view::npos ? std::string(text) : run(text, depth + 1);
    if (!markup_) return format_value(runtime_, value, spec);
    const Value escaped =
        value.is_markup() ? value : Value::string(runtime_.heap.keep(format_value(runtime_, value, spec)));
    return std::string(escape(runtime_, escaped).as_string());
  }

  Value converted(const Value& value, char conversion) {
    switch (conversion) {
      case 'r':
        return runtime_.heap.string(repr(value, runtime_.heap));
      case 's':
        return runtime_.heap.string(to_text(value, runtime_.heap));
      case 'a':
        return runtime_.heap.string(ascii_repr(runtime_, value));
      default:
        fail("a conversion is one of !r, !s and !a");
    }
  }

  Value first(std::string_view name) {
    if (name.empty()) {
      if (numbered_) fail("numbered and unnumbered fields in one format");
      automatic_ = true;
      return positional(next_++);
    }
    if (name[0] >= '0' && name[0] <= '9') {
      if (automatic_) fail("numbered and unnumbered fields in one format");
      numbered_ = true;
      size_t offset = 0;
      const int64_t index = read_number(name, offset, 1'000'000);
      if (offset != name.size()) fail("a field begins with a number or a name");
      return positional(static_cast<size_t>(index));
    }
    for (const auto& [keyword, value] : arguments_.keywords) {
      if (keyword == name) return value;
    }
    fail(fmt::format("there is no value named '{}'", name));
  }

  Value positional(size_t index) {
    if (index >= arguments_.positional.size()) fail(fmt::format("there is no value number {}", index));
    return arguments_.positional[index];
  }

  /// name.attribute[item]...
  Value lookup(std::string_view path) {
    size_t end = std::min(path.find_first_of(".["), path.size());
    Value value = first(path.substr(0, end));
    while (end < path.size()) {
      runtime_.heap.spend();
      const bool is_item = path[end] == '[';
      const size_t begin = end + 1;
      end = is_item ? path.find(']', begin) : std::min(path.find_first_of(".[", begin), path.size());
      if (end == std::string_view::npos || end == begin) fail("an empty or unfinished part of a field's name");
      const std::string_view part = path.substr(begin, end - begin);
      if (!is_item) {
        value = get_attribute(runtime_, value, part);
        continue;
      }
      size_t digits = 0;
      const bool is_index = part.find_first_not_of("0123456789") == std::string_view::npos;
      value = get_item(runtime_, value,
                       is_index ? Value::integer(read_number(part, digits, 1'000'000'000)) : Value::string(part));
      if (++end < path.size() && path[end] != '.' && path[end] != '[') fail("only '.' or '[' may follow ']'");
    }
    return value;
  }

  Runtime& runtime_;
  const CallArguments& arguments_;
  bool markup_;
  size_t next_ = 0;
  bool automatic_ = false, numbered_ = false;
};

}  // namespace

Value brace_format(Runtime& runtime, const Value& format, const CallArguments& arguments) {
  std::string text = BraceFormatter(runtime, format, arguments).run(format.as_string(), 0);
  return runtime.heap.string(std::move(text), format.is_markup());
}

}  // namespace kedge::text::jinja
