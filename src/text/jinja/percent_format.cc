// "%s and %5.2f" % values.

#include <fmt/format.h>

#include "text/jinja/number_format.h"
#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Value& format, const Value& values)
      : runtime_(runtime), format_(format.as_string()), markup_(format.is_markup()), values_(values) {
    if (!values.is(Kind::tuple)) {
      positional_.push_back(values);
    } else {
      positional_ = values.list().items;
    }
  }

  Value run() {
    while (offset_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', offset_), format_.size());
      append(format_.substr(offset_, percent - offset_));
      offset_ = percent;
      if (offset_ < format_.size()) conversion();
    }
    const bool all_used =
        used_ == positional_.size() || used_mapping_ || values_.is(Kind::dict) || values_.is(Kind::list);
    if (!all_used) throw Failure{"%: not all values were used by the format"};
    return runtime_.heap.string(std::move(out_), markup_);
  }

 private:
  void append(std::string_view text) {
    runtime_.heap.spend_on(text);
    runtime_.heap.allocate(text.size());
    out_ += text;
  }

  char next() {
    if (offset_ >= format_.size()) throw Failure{"%: the format ends inside a conversion"};
    return format_[offset_++];
  }

  Value next_value() {
    if (keyed_) return *keyed_;
    if (used_ == positional_.size()) throw Failure{"%: the format needs more values than there are"};
    return positional_[used_++];
  }

  int64_t number(char& c, int64_t most, std::string_view what) {
    int64_t value = 0;
    if (c == '*') {
      value = clamp_integer(Value::integer(require_integer(next_value(), what)));
      c = next();
    } else {
      for (; c >= '0' && c <= '9'; c = next()) value = std::min<int64_t>(value * 10 + (c - '0'), most + 1);
    }
    if (value > most) throw Failure{fmt::format("%: a {} of more than {}", what, most)};
    return value;
  }

  void key() {
    if (!values_.is(Kind::dict)) throw Failure{"%: a format with names needs a dict"};
    const size_t begin = offset_;
    int depth = 1;
    while (depth > 0) {
      const char c = next();
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    const std::string_view name = format_.substr(begin, offset_ - begin - 1);
    const Value* found = values_.dict().find(name);
    if (found == nullptr) throw Failure{fmt::format("%: there is no value named '{}'", name)};
    keyed_ = *found;
    used_mapping_ = true;
  }

  void conversion() {
    ++offset_;
    keyed_.reset();
    FieldFormat field;
    char c = next();
    if (c == '(') {
      key();
      c = next();
    }
    bool zero = false;
    for (; std::string_view("-+ #0").find(c) != std::string_view::npos; c = next()) {
      if (c == '-') field.align = '<';
      if (c == '+' || (c == ' ' && field.sign != '+')) field.sign = c;
      if (c == '#') field.alternate = true;
      if (c == '0') zero = true;
    }
    field.width = number(c, kFieldWidthMax, "width");
    if (field.width < 0) {
      field.align = '<';
      field.width = -field.width;
    }
    if (c == '.') {
      c = next();
      field.precision = std::max<int64_t>(0, number(c, kFieldPrecisionMax, "precision"));
    }
    while (c == 'h' || c == 'l' || c == 'L') c = next();
    field.type = c;
    if (zero && field.align == '\0' && std::string_view("diuoxXeEfFgG").find(c) != std::string_view::npos) {
      field.align = '=';
      field.fill.assign(1, '0');
    }
    append(converted(field));
  }

  std::string converted(const FieldFormat& field) {
    switch (field.type) {
      case '%':
        return "%";
      case 's':
        return text(
            markup_ ? std::string(escape(runtime_, next_value()).as_string()) : to_text(next_value(), runtime_.heap),
            field);
      case 'r':
        return text(repr(next_value(), runtime_.heap), field);
      case 'a':
        return text(ascii_repr(runtime_, next_value()), field);
      case 'c':
        return text(character(next_value()), field);
      case 'd':
      case 'i':
      case 'u':
        return format_integer(whole(next_value()), field);
      case 'o':
      case 'x':
      case 'X':
        return format_integer(require_integer(next_value(), "the value of %x and %o"), field);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return format_number(floating(next_value()), field);
      default:
        throw Failure{fmt::format("%: '{}' is no conversion", field.type)};
    }
  }

  static std::string text(const std::string& value, const FieldFormat& field) {
    const size_t size = field.precision ? byte_offset(value, static_cast<size_t>(*field.precision)) : value.size();
    return pad("", std::string_view(value).substr(0, size), field, '>');
  }

  static std::string character(const Value& value) {
    if (value.is_string() && code_point_count(value.as_string()) == 1) return std::string(value.as_string());
    const Integer code = require_integer(value, "the value of %c");
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
      throw Failure{"%c: the number is no character"};
    std::string result;
    append_code_point(result, static_cast<char32_t>(code));
    return result;
  }

  static Integer whole(const Value& value) {
    if (value.is(Kind::number) && std::abs(value.as_number()) < 1e38) return static_cast<Integer>(value.as_number());
    return require_integer(value, "the value of %d");
  }

  static double floating(const Value& value) {
    if (value.is(Kind::number)) return value.as_number();
    return static_cast<double>(require_integer(value, "the value of %f"));
  }

  Runtime& runtime_;
  std::string_view format_;
  bool markup_;
  const Value& values_;
  std::vector<Value> positional_;
  std::optional<Value> keyed_;
  size_t used_ = 0;
  bool used_mapping_ = false;
  size_t offset_ = 0;
  std::string out_;
};

}  // namespace

Value percent_format(Runtime& runtime, const Value& format, const Value& values) {
  return PercentFormatter(runtime, format, values).run();
}

}  // namespace kedge::text::jinja
