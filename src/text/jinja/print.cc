#include "text/jinja/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

constexpr int kNestingMax = 300;  // of values that are printed; parsed JSON nests less

void append_repr_at(std::string& out, const Value& value, Budget& budget, int depth);

template <typename Items, typename AppendItem>
void append_joined(std::string& out, const Items& items, const AppendItem& append_item) {
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    append_item(item);
  }
}

void append_sequence(std::string& out, const Value& value, Budget& budget, int depth) {
  const auto& items = value.list().items;
  const bool is_tuple = value.is(Kind::tuple);
  out += is_tuple ? '(' : '[';
  append_joined(out, items, [&](const Value& item) { append_repr_at(out, item, budget, depth + 1); });
  if (is_tuple && items.size() == 1) out += ',';
  out += is_tuple ? ')' : ']';
}

void append_dict(std::string& out, const DictObject& dict, Budget& budget, int depth) {
  out += '{';
  append_joined(out, dict.entries, [&](const auto& entry) {
    append_repr_at(out, entry.first, budget, depth + 1);
    out += ": ";
    append_repr_at(out, entry.second, budget, depth + 1);
  });
  out += '}';
}

void append_view(std::string& out, const ViewObject& view, Budget& budget, int depth) {
  constexpr std::string_view kNames[] = {"dict_keys([", "dict_values([", "dict_items(["};
  out += kNames[static_cast<size_t>(view.part)];
  append_joined(out, view.dict->entries, [&](const auto& entry) {
    if (view.part == DictPart::items) out += '(';
    if (view.part != DictPart::values) append_repr_at(out, entry.first, budget, depth + 1);
    if (view.part == DictPart::items) out += ", ";
    if (view.part != DictPart::keys) append_repr_at(out, entry.second, budget, depth + 1);
    if (view.part == DictPart::items) out += ')';
  });
  out += "])";
}

void append_range(std::string& out, const RangeObject& range) {
  out += fmt::format("range({}, {}", integer_text(range.start), integer_text(range.stop));
  if (range.step != 1) out += ", " + integer_text(range.step);
  out += ')';
}

void append_repr_at(std::string& out, const Value& value, Budget& budget, int depth) {
  if (depth > kNestingMax) throw Failure{"a value nests too deeply to be printed"};
  const size_t size_before = out.size();
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
      out += "Undefined";
      break;
    case Kind::none:
      out += "None";
      break;
    case Kind::boolean:
      out += value.as_boolean() ? "True" : "False";
      break;
    case Kind::integer:
      out += integer_text(value.as_integer());
      break;
    case Kind::number:
      out += number_text(value.as_number());
      break;
    case Kind::string:
      out += value.is_markup() ? "Markup(" + quoted(value.as_string()) + ")" : quoted(value.as_string());
      budget.spend_on_bytes(out.size() - size_before);
      budget.allocate(out.size() - size_before);
      return;
    case Kind::list:
    case Kind::tuple:
      append_sequence(out, value, budget, depth);
      break;
    case Kind::dict:
      append_dict(out, value.dict(), budget, depth);
      break;
    case Kind::view:
      append_view(out, value.view(), budget, depth);
      break;
    case Kind::range:
      append_range(out, value.range());
      break;
    case Kind::name_space:
      out += "<Namespace ";
      append_dict(out, value.name_space().attributes, budget, depth);
      out += '>';
      break;
    default:
      out += fmt::format("<{}>", type_name(value.kind()));
  }
  budget.spend();
  budget.allocate(8);
}

void append_unicode_escape(std::string& out, char32_t code_point) {
  if (code_point < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code_point));
    return;
  }
  const uint32_t offset = static_cast<uint32_t>(code_point) - 0x10000;
  out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10), 0xDC00 + (offset & 0x3FF));
}

void append_json_string(std::string& out, std::string_view text, bool ascii_only) {
  out += '"';
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    const char32_t code_point = next_code_point(text, offset);
    switch (code_point) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (code_point < 0x20 || (ascii_only && code_point > 0x7E)) {
          append_unicode_escape(out, code_point);
        } else {
          out += text.substr(begin, offset - begin);
        }
    }
  }
  out += '"';
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value, int depth) {
    if (depth > kNestingMax) throw Failure{"a value nests too deeply for tojson"};
    budget_.spend();
    const size_t size_before = out_.size();
    switch (value.kind()) {
      case Kind::none:
        out_ += "null";
        break;
      case Kind::boolean:
        out_ += value.as_boolean() ? "true" : "false";
        break;
      case Kind::integer:
        out_ += integer_text(value.as_integer());
        break;
      case Kind::number:
        out_ += number(value.as_number());
        break;
      case Kind::string:
        append_json_string(out_, value.as_string(), style_.ascii_only);
        break;
      case Kind::list:
      case Kind::tuple:
        return write_list(value.list().items, depth);
      case Kind::dict:
        return write_dict(value.dict(), depth);
      default:
        throw Failure{fmt::format("tojson: a '{}' has no JSON form", type_name(value.kind()))};
    }
    budget_.spend_on_bytes(out_.size() - size_before);
    budget_.allocate(out_.size() - size_before);
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return number_text(value);
  }

  void new_line(int depth) {
    if (!style_.indent) return;
    budget_.allocate(1 + style_.indent->size() * static_cast<size_t>(depth));
    out_ += '\n';
    for (int level = 0; level < depth; ++level) out_ += *style_.indent;
  }

  void write_list(const std::vector<Value>& items, int depth) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separate();
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) new_line(depth);
    out_ += ']';
  }

  void write_dict(const DictObject& dict, int depth) {
    auto entries = dict.entries;
    if (style_.sort_keys) {
      budget_.spend(entries.size() * 16);
      std::stable_sort(entries.begin(), entries.end(),
                       [this](const auto& a, const auto& b) { return compare(a.first, b.first, budget_) < 0; });
    }
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) separate();
      new_line(depth + 1);
      write_key(entries[i].first);
      out_ += style_.key_separator;
      write(entries[i].second, depth + 1);
    }
    if (!entries.empty()) new_line(depth);
    out_ += '}';
  }

  void separate() {
    budget_.allocate(style_.item_separator.size());
    out_ += style_.item_separator;
  }

  void write_key(const Value& key) {
    if (key.is_string()) {
      append_json_string(out_, key.as_string(), style_.ascii_only);
    } else if (key.is_none()) {
      out_ += "\"null\"";
    } else if (key.is(Kind::boolean)) {
      out_ += key.as_boolean() ? "\"true\"" : "\"false\"";
    } else if (key.is(Kind::integer)) {
      out_ += '"' + integer_text(key.as_integer()) + '"';
    } else if (key.is(Kind::number)) {
      out_ += '"' + number(key.as_number()) + '"';
    } else {
      throw Failure{fmt::format("tojson: a '{}' cannot be a key", type_name(key.kind()))};
    }
    budget_.allocate(style_.key_separator.size() + 2);
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
};

}  // namespace

std::string integer_text(Integer value) {
  char digits[48];
  char* begin = digits + sizeof(digits);
  auto rest = value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  do {
    *--begin = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (value < 0) *--begin = '-';
  return {begin, digits + sizeof(digits)};
}

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t exponent_at = text.find('e');
  // The text ends where the buffer's old bytes begin: nothing that looks for a NUL may read it.
  const std::string_view exponent_text = text.substr(exponent_at + (text[exponent_at + 1] == '+' ? 2 : 1));
  int exponent = 0;
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  const bool negative = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, exponent_at)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  std::string result = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    result += digits.substr(0, 1);
    if (digits.size() > 1) result += "." + digits.substr(1);
    return result + fmt::format("e{}{:02d}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return result + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole_digits = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole_digits) return result + digits + std::string(whole_digits - digits.size(), '0') + ".0";
  return result + digits.substr(0, whole_digits) + "." + digits.substr(whole_digits);
}

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    const char32_t code_point = next_code_point(text, offset);
    const auto code = static_cast<uint32_t>(code_point);
    if (code_point == static_cast<char32_t>(quote) || code_point == '\\') {
      out += '\\';
      out += static_cast<char>(code_point);
    } else if (code_point == '\n') {
      out += "\\n";
    } else if (code_point == '\r') {
      out += "\\r";
    } else if (code_point == '\t') {
      out += "\\t";
    } else if (is_printable(code_point)) {
      out += text.substr(begin, offset - begin);
    } else if (code < 0x100) {
      out += fmt::format("\\x{:02x}", code);
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\U{:08x}", code);
    }
  }
  return out + quote;
}

void append_text(std::string& out, const Value& value, Budget& budget) {
  if (value.is_string()) {
    budget.spend_on(value.as_string());
    budget.allocate(value.as_string().size());
    out += value.as_string();
  } else if (!value.is_undefined()) {
    append_repr_at(out, value, budget, 0);
  }
}

std::string to_text(const Value& value, Budget& budget) {
  std::string out;
  append_text(out, value, budget);
  return out;
}

void append_repr(std::string& out, const Value& value, Budget& budget) {
  append_repr_at(out, value, budget, 0);
}

std::string repr(const Value& value, Budget& budget) {
  std::string out;
  append_repr(out, value, budget);
  return out;
}

std::string to_json_text(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace kedge::text::jinja
