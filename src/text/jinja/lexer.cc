#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "text/jinja/budget.h"
#include "text/jinja/python_text.h"
#include "text/jinja/string_literal.h"

namespace kedge::text::jinja {
namespace {

constexpr std::array<std::string_view, 27> kOperators = {  // longer ones first
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
    "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";", "!"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// "\r\n" and "\r" become "\n"; one newline at the end goes.
std::string normalize_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (offset_ < source_.size()) root();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Failure{fmt::format("line {}: {}", line_, what)}; }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  [[nodiscard]] bool at(std::string_view text) const {
    return std::string_view(source_).substr(offset_, text.size()) == text;
  }
  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(offset_); }

  void advance(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(offset_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    offset_ = end;
  }

  [[nodiscard]] size_t after_space(size_t offset) const {
    while (offset < source_.size()) {
      size_t after = offset;
      if (!is_space(next_code_point(source_, after))) break;
      offset = after;
    }
    return offset;
  }

  /// Text up to the next tag, then the tag.
  void root() {
    size_t begin = offset_;
    size_t tag = source_.find('{', begin);
    while (tag != std::string::npos &&
           (tag + 1 == source_.size() || std::string_view("{%#").find(source_[tag + 1]) == std::string_view::npos)) {
      tag = source_.find('{', tag + 1);
    }
    if (tag == std::string::npos) {
      add(TokenKind::data, source_.substr(begin));
      advance(source_.size());
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const bool has_sign = sign == '-' || sign == '+';
    add_data(begin, tag, has_sign ? sign : '\0', kind != '{');
    advance(tag + 2);
    if (kind == '%' && raw_block(has_sign)) return;
    if (has_sign) advance(offset_ + 1);
    if (kind == '#') return comment();
    add(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin, "");
    inside_tag(kind == '{');
  }

  /// The text [begin, end) before a tag with this whitespace sign.
  void add_data(size_t begin, size_t end, char sign, bool is_block) {
    std::string_view text = std::string_view(source_).substr(begin, end - begin);
    if (sign == '-') {
      text = strip(text, Side::right);
    } else if (sign != '+' && is_block) {  // lstrip_blocks: blanks between the line's start and the tag
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      const bool starts_line = line_start > 0 || begin == 0 || source_[begin - 1] == '\n';
      if (starts_line && strip(text.substr(line_start), Side::left).empty()) text = text.substr(0, line_start);
    }
    if (!text.empty()) add(TokenKind::data, std::string(text));
  }

  void comment() {
    const size_t end = source_.find("#}", offset_);
    if (end == std::string::npos) fail("a comment '{#' without its '#}'");
    const char sign = end > offset_ ? source_[end - 1] : '\0';
    advance(end + 2);
    end_of_block(sign);
  }

  /// After "%}" or "#}": "-" takes all whitespace, otherwise one newline goes (trim_blocks) unless "+".
  void end_of_block(char sign) {
    if (sign == '-') {
      advance(after_space(offset_));
    } else if (sign != '+' && offset_ < source_.size() && source_[offset_] == '\n') {
      advance(offset_ + 1);
    }
  }

  /// {% raw %} ... {% endraw %} from just after "{%"; false where the block is another one.
  bool raw_block(bool has_sign) {
    size_t offset = after_space(offset_ + (has_sign ? 1 : 0));
    if (std::string_view(source_).substr(offset, 3) != "raw") return false;
    offset = after_space(offset + 3);
    const bool trims = offset < source_.size() && source_[offset] == '-';
    if (trims) ++offset;
    if (std::string_view(source_).substr(offset, 2) != "%}") return false;
    const size_t begin = trims ? after_space(offset + 2) : offset + 2;
    for (size_t tag = source_.find("{%", begin); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      size_t inner = tag + 2;
      const char sign = inner < source_.size() ? source_[inner] : '\0';
      if (sign == '-' || sign == '+') ++inner;
      inner = after_space(inner);
      if (std::string_view(source_).substr(inner, 6) != "endraw") continue;
      inner = after_space(inner + 6);
      const char end_sign = inner < source_.size() ? source_[inner] : '\0';
      if (end_sign == '-' || end_sign == '+') ++inner;
      if (std::string_view(source_).substr(inner, 2) != "%}") continue;
      advance(begin);
      add_data(begin, tag, sign == '-' || sign == '+' ? sign : '\0', true);
      advance(inner + 2);
      end_of_block(end_sign);
      return true;
    }
    fail("a 'raw' block without its 'endraw'");
  }

  /// Tokens up to the end of the tag.
  void inside_tag(bool is_variable) {
    const std::string_view closing = is_variable ? "}}" : "%}";
    std::string open_brackets;
    while (true) {
      advance(after_space(offset_));
      if (offset_ >= source_.size()) return;  // the parser says what is missing
      if (open_brackets.empty()) {
        const char sign = source_[offset_];
        const bool signed_end = (sign == '-' || (sign == '+' && !is_variable)) && rest().substr(1, 2) == closing;
        if (signed_end || at(closing)) {
          add(is_variable ? TokenKind::variable_end : TokenKind::block_end, "");
          advance(offset_ + (signed_end ? 3 : 2));
          if (signed_end || !is_variable) end_of_block(signed_end ? sign : '\0');
          return;
        }
      }
      token(open_brackets);
    }
  }

  void token(std::string& open_brackets) {
    const char c = source_[offset_];
    size_t after = offset_;
    const char32_t code_point = next_code_point(source_, after);
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return string(c);
    if (is_word(code_point)) return name();
    const auto* op =
        std::find_if(kOperators.begin(), kOperators.end(), [this](std::string_view text) { return at(text); });
    if (op == kOperators.end() || *op == "!")
      fail(fmt::format("unexpected character '{}' in a tag", source_.substr(offset_, after - offset_)));
    balance(*op, open_brackets);
    add(TokenKind::op, std::string(*op));
    advance(offset_ + op->size());
  }

  void balance(std::string_view op, std::string& open_brackets) const {
    constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (op.size() != 1) return;
    if (kOpening.find(op[0]) != std::string_view::npos) {
      open_brackets += op[0];
    } else if (const size_t kind = kClosing.find(op[0]); kind != std::string_view::npos) {
      if (open_brackets.empty() || open_brackets.back() != kOpening[kind]) fail(fmt::format("unexpected '{}'", op));
      open_brackets.pop_back();
    }
  }

  void name() {
    size_t end = offset_;
    while (end < source_.size()) {
      size_t after = end;
      if (!is_word(next_code_point(source_, after))) break;
      end = after;
    }
    add(TokenKind::name, source_.substr(offset_, end - offset_));
    advance(end);
  }

  void string(char quote) {
    size_t end = offset_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a string without its closing quote");
    std::string text;
    try {
      text = unescape_literal(std::string_view(source_).substr(offset_ + 1, end - offset_ - 1));
    } catch (const Failure& failure) {
      fail(failure.message);
    }
    add(TokenKind::string, std::move(text));
    advance(end + 1);
  }

  /// Digits with single underscores between them, from `offset`; the offset after them.
  [[nodiscard]] size_t digits(size_t offset, bool (*accepts)(char)) const {
    while (offset < source_.size() &&
           (accepts(source_[offset]) ||
            (source_[offset] == '_' && offset + 1 < source_.size() && accepts(source_[offset + 1])))) {
      ++offset;
    }
    return offset;
  }

  /// Where a float ends that begins here, if one does.
  [[nodiscard]] std::optional<size_t> float_end() const {
    if (offset_ > 0 && source_[offset_ - 1] == '.') return std::nullopt;
    size_t end = digits(offset_, is_digit);
    bool is_float = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      end = digits(end + 1, is_digit);
      is_float = true;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) return digits(exponent, is_digit);
    }
    return is_float ? std::optional(end) : std::nullopt;
  }

  void number() {
    if (const std::optional<size_t> end = float_end()) return add_number(TokenKind::number, *end);
    const auto based = [this](std::string_view letters, bool (*accepts)(char)) -> size_t {
      if (source_[offset_] != '0' || offset_ + 2 >= source_.size()) return 0;
      if (letters.find(source_[offset_ + 1]) == std::string_view::npos) return 0;
      const size_t end = digits(offset_ + 2, accepts);
      return end == offset_ + 2 ? 0 : end;
    };
    size_t end = based("bB", [](char c) { return c == '0' || c == '1'; });
    if (end == 0) end = based("oO", [](char c) { return c >= '0' && c <= '7'; });
    if (end == 0)
      end = based("xX", [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
    if (end == 0 && source_[offset_] == '0') end = digits(offset_, [](char c) { return c == '0'; });
    if (end == 0) end = digits(offset_, is_digit);
    add_number(TokenKind::integer, end);
  }

  void add_number(TokenKind kind, size_t end) {
    std::string text = source_.substr(offset_, end - offset_);
    std::erase(text, '_');
    add(kind, std::move(text));
    advance(end);
  }

  std::string source_;
  size_t offset_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "text";
    case TokenKind::variable_begin:
      return "'{{'";
    case TokenKind::variable_end:
      return "'}}'";
    case TokenKind::block_begin:
      return "'{%'";
    case TokenKind::block_end:
      return "'%}'";
    case TokenKind::end:
      return "the end of the template";
    case TokenKind::string:
      return "a string";
    default:
      return "'" + token.text + "'";
  }
}

}  // namespace kedge::text::jinja
