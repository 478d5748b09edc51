#include "curate/filters/python_source.h"

#include <algorithm>
#include <utility>

#include "curate/filters/python_grammar.h"

namespace kedge::curate {
namespace {

using Token = PythonToken;
using Kind = PythonToken::Kind;

bool is_name_character(char32_t c) {
  return c == U'_' || is(c, kWord | kMark);
}

bool is_operator(char32_t c) {
  return CodeView(U"()[]{}:,;.+-*/%@&|^~=<>!").find(c) != CodeView::npos;
}

class Lexer {
 public:
  explicit Lexer(CodeView source) : source_(source) {}

  /// False when the source breaks off or contradicts itself.
  bool run() {
    while (at_ < source_.size()) {
      if (line_start_ && !read_indentation()) return false;
      if (at_ >= source_.size()) break;
      if (!read_token()) return false;
    }
    if (!brackets_.empty()) return false;
    push(Kind::newline, 0);
    return true;
  }
  [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }

 private:
  void push(Kind kind, size_t length) {
    tokens_.push_back({kind, source_.substr(at_, length)});
    if (kind == Kind::newline) within_line_ = false;
    if (kind == Kind::name || kind == Kind::string || kind == Kind::other) within_line_ = true;
  }

  bool read_indentation() {
    line_start_ = false;
    size_t column = 0, i = at_;
    size_t characters = 0;  // must tell the same as columns: tabs count one there
    for (; i < source_.size(); ++i, ++characters) {
      const char32_t c = source_[i];
      if (c == U' ') {
        ++column;
      } else if (c == U'\t') {
        column = (column / 8 + 1) * 8;
      } else if (c == U'\f') {
        column = characters = 0;
      } else {
        break;
      }
    }
    at_ = i;
    const char32_t c = i < source_.size() ? source_[i] : U'\n';
    if (c == U'\n' || c == U'\r' || c == U'#') return true;  // a line that says nothing has no indentation
    if (column > indents_.back().column) {
      if (characters <= indents_.back().characters) return false;
      indents_.push_back({column, characters});
      push(Kind::indent, 0);
    }
    while (column < indents_.back().column) {
      indents_.pop_back();
      push(Kind::dedent, 0);
    }
    return column == indents_.back().column && characters == indents_.back().characters;
  }

  bool read_token() {
    const char32_t c = source_[at_];
    if (c == U'#') return read_comment();
    if (c == U'\n' || c == U'\r') return read_newline();
    if (c == U'\\') return read_continuation();
    if (c == U' ' || c == U'\t' || c == U'\f') {
      ++at_;
      return true;
    }
    if (c == U'"' || c == U'\'') return read_string(0);
    if (is_name_character(c)) return read_name();
    if (c == U'(' || c == U'[' || c == U'{') brackets_ += c;
    if (c == U')' || c == U']' || c == U'}') {
      const char32_t opening = c == U')' ? U'(' : c == U']' ? U'[' : U'{';
      if (brackets_.empty() || brackets_.back() != opening) return false;
      brackets_.pop_back();
    }
    const char32_t next = at_ + 1 < source_.size() ? source_[at_ + 1] : U'\0';
    if (!is_operator(c) || (c == U'!' && next != U'=') || (c == U'<' && next == U'>')) return false;
    push(Kind::other, 1);
    ++at_;
    return true;
  }

  bool read_comment() {
    const size_t end = std::min(source_.find_first_of(U"\n\r", at_), source_.size());
    push(Kind::comment, end - at_);
    at_ = end;
    return true;
  }

  bool read_newline() {
    if (brackets_.empty()) {
      const bool blank = tokens_.empty() || tokens_.back().kind == Kind::newline;
      const bool comment_alone = !tokens_.empty() && tokens_.back().kind == Kind::comment && !within_line_;
      if (!blank && !comment_alone) push(Kind::newline, 1);
      line_start_ = true;
    }
    ++at_;
    return true;
  }

  bool read_continuation() {
    ++at_;
    if (source_.substr(at_).starts_with(U"\r\n")) {
      at_ += 2;
      return true;
    }
    if (at_ >= source_.size() || source_[at_] != U'\n') return false;
    ++at_;
    return at_ < source_.size();
  }

  bool read_name() {
    size_t end = at_;
    while (end < source_.size() && is_name_character(source_[end])) ++end;
    const bool prefix =
        end - at_ <= 2 && end < source_.size() && (source_[end] == U'"' || source_[end] == U'\'') &&
        std::all_of(source_.begin() + static_cast<ptrdiff_t>(at_), source_.begin() + static_cast<ptrdiff_t>(end),
                    [](char32_t c) { return CodeView(U"rRbBuUfF").find(c) != CodeView::npos; });
    if (prefix) return read_string(end - at_);
    push(Kind::name, end - at_);
    at_ = end;
    return true;
  }

  bool read_string(size_t prefix) {
    const char32_t quote = source_[at_ + prefix];
    const std::u32string triple(3, quote);
    const bool is_triple = source_.substr(at_ + prefix).starts_with(triple);
    size_t i = at_ + prefix + (is_triple ? 3 : 1);
    for (; i < source_.size(); ++i) {
      if (source_[i] == U'\\') {
        ++i;
        continue;
      }
      if (is_triple ? source_.substr(i).starts_with(triple) : source_[i] == quote) break;
      if (!is_triple && (source_[i] == U'\n' || source_[i] == U'\r')) return false;
    }
    if (i >= source_.size()) return false;
    i += is_triple ? 3 : 1;
    push(Kind::string, i - at_);
    at_ = i;
    return true;
  }

  CodeView source_;
  size_t at_ = 0;
  bool line_start_ = true;
  bool within_line_ = false;  // something other than comments stands on the logical line so far
  std::u32string brackets_;
  struct Indent {
    size_t column, characters;
  };
  std::vector<Indent> indents_ = {{0, 0}};
  std::vector<Token> tokens_;
};

bool is_octal(char32_t c) {
  return c >= U'0' && c <= U'7';
}

/// Appends what an escape stands for; `text` begins after the backslash. Returns the characters taken.
size_t unescape(CodeView text, std::u32string& value) {
  const char32_t c = text.empty() ? 0 : text[0];
  if (c == U'\n') return 1;
  if (c == U'\r') return text.starts_with(U"\r\n") ? 2 : 1;
  const size_t simple = CodeView(U"abfnrtv\\'\"").find(c);
  if (c != 0 && simple != CodeView::npos) {
    value += U"\a\b\f\n\r\t\v\\'\""[simple];
    return 1;
  }
  const size_t digits = c == U'x' ? 2 : c == U'u' ? 4 : c == U'U' ? 8 : 0;
  if (digits > 0) {
    value += char32_t{0xFFFD};  // one character, whichever
    return std::min(text.size(), digits + 1);
  }
  if (c == U'N' && text.size() > 1 && text[1] == U'{') {
    value += char32_t{0xFFFD};
    return std::min(text.find(U'}'), text.size() - 1) + 1;
  }
  if (is_octal(c)) {
    size_t i = 1;
    while (i < 3 && i < text.size() && is_octal(text[i])) ++i;
    value += char32_t{0xFFFD};
    return i;
  }
  value += U'\\';
  return 0;
}

/// The value of a plain string literal; nothing for bytes and f-strings.
std::optional<std::u32string> string_value(CodeView literal) {
  bool raw = false;
  while (literal[0] != U'"' && literal[0] != U'\'') {
    if (CodeView(U"bBfF").find(literal[0]) != CodeView::npos) return std::nullopt;
    raw = raw || literal[0] == U'r' || literal[0] == U'R';
    literal.remove_prefix(1);
  }
  const size_t quotes = literal.size() >= 6 && literal[1] == literal[0] && literal[2] == literal[0] ? 3 : 1;
  const CodeView body = literal.substr(quotes, literal.size() - 2 * quotes);
  std::u32string value;
  for (size_t i = 0; i < body.size();) {
    if (body[i] == U'\\' && !raw) {
      i += 1 + unescape(body.substr(i + 1), value);
    } else {
      if (body[i] == U'\r') {
        if (!body.substr(i).starts_with(U"\r\n")) value += U'\n';
      } else {
        value += body[i];
      }
      ++i;
    }
  }
  return value;
}

std::u32string expand_tabs(CodeView text) {
  std::u32string out;
  size_t column = 0;
  for (const char32_t c : text) {
    if (c == U'\t') {
      const size_t spaces = 8 - column % 8;
      out.append(spaces, U' ');
      column += spaces;
    } else {
      out += c;
      column = c == U'\n' || c == U'\r' ? 0 : column + 1;
    }
  }
  return out;
}

/// Characters of a docstring as inspect.cleandoc leaves it.
size_t clean_size(CodeView doc) {
  const std::u32string expanded = expand_tabs(doc);
  std::vector<CodeView> lines = split_at(expanded, U"\n");
  size_t margin = CodeView::npos;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (!is_blank(lines[i])) margin = std::min(margin, lines[i].size() - strip_left(lines[i]).size());
  }
  lines[0] = strip_left(lines[0]);
  for (size_t i = 1; i < lines.size() && margin != CodeView::npos; ++i) {
    lines[i].remove_prefix(std::min(margin, lines[i].size()));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  size_t first = 0;
  while (first < lines.size() && lines[first].empty()) ++first;
  size_t size = first == lines.size() ? 0 : lines.size() - first - 1;
  for (; first < lines.size(); ++first) size += lines[first].size();
  return size;
}

/// The docstring that a body beginning at token `at` opens with: its cleaned size, 0 for none.
size_t docstring_at(const std::vector<Token>& tokens, size_t at) {
  std::u32string value;
  bool any = false;
  for (; at < tokens.size() && tokens[at].kind == Kind::string; ++at) {
    const auto part = string_value(tokens[at].text);
    if (!part) return 0;
    value += *part;
    any = true;
  }
  const bool alone = at < tokens.size() && (tokens[at].kind == Kind::newline || tokens[at].text == U";");
  return any && alone ? clean_size(value) : 0;
}

/// Calls `use` with the first token of each body and how many headers of classes and functions it ends: those since
/// the line's beginning that stand within as many brackets as its colon.
template <typename Use>
void for_each_body(const std::vector<Token>& tokens, size_t first, const Use& use) {
  std::vector<size_t> headers = {0};  // that look for their colon, by brackets around them
  size_t depth = 0;
  for (size_t i = first; i < tokens.size(); ++i) {
    const CodeView text = tokens[i].text;
    const bool statement = i == first || tokens[i - 1].kind != Kind::name;
    if (tokens[i].kind == Kind::newline) headers.assign(1, 0);  // no bracket is open there
    if (tokens[i].kind == Kind::name && statement && (text == U"class" || text == U"def")) ++headers[depth];
    if (tokens[i].kind != Kind::other) continue;
    if (text == U"(" || text == U"[" || text == U"{") ++depth;
    if (text == U")" || text == U"]" || text == U"}") --depth;
    if (headers.size() <= depth) headers.push_back(0);
    if (text != U":" || headers[depth] == 0) continue;
    size_t body = i + 1;
    while (body < tokens.size() && (tokens[body].kind == Kind::newline || tokens[body].kind == Kind::indent)) ++body;
    use(body, std::exchange(headers[depth], 0));
  }
}

}  // namespace

std::optional<PythonProse> read_python(CodeView source) {
  Lexer lexer(source);
  if (!lexer.run()) return std::nullopt;
  PythonProse prose;
  std::vector<Token> tokens;
  for (const Token& token : lexer.tokens()) {
    if (token.kind == Kind::comment) {
      prose.comments += token.text.size();
    } else {
      tokens.push_back(token);
    }
  }
  if (!obeys_python_grammar(tokens)) return std::nullopt;
  size_t count = 0;
  const auto add = [&](size_t size, size_t times) {
    if (size == 0) return;
    prose.docstrings += (size + 1) * times - (count == 0 ? 1 : 0);
    count += times;
  };
  size_t first = 0;
  while (first < tokens.size() && tokens[first].kind == Kind::newline) ++first;
  add(docstring_at(tokens, first), 1);
  for_each_body(tokens, first, [&](size_t body, size_t headers) { add(docstring_at(tokens, body), headers); });
  return prose;
}

}  // namespace kedge::curate
