#include "curate/filters/python_grammar.h"

#include <algorithm>
#include <array>

namespace kedge::curate {
namespace {

using Kind = PythonToken::Kind;

constexpr std::array<CodeView, 32> kKeywords = {
    U"and",  U"as",  U"assert", U"async", U"await",  U"break", U"class",  U"continue", U"def",  U"del",    U"elif",
    U"else", U"for", U"except", U"from",  U"global", U"if",    U"import", U"in",       U"is",   U"lambda", U"finally",
    U"not",  U"or",  U"pass",   U"raise", U"return", U"try",   U"while",  U"nonlocal", U"with", U"yield"};
constexpr std::array<CodeView, 2> kSoftKeywords = {U"match", U"case"};

bool is_digit(char32_t c) {
  return c >= U'0' && c <= U'9';
}

bool is_keyword(const PythonToken& token) {
  return token.kind == Kind::name && std::find(kKeywords.begin(), kKeywords.end(), token.text) != kKeywords.end();
}

bool begins_value(const PythonToken& token) {
  return token.kind == Kind::string || (token.kind == Kind::name && !is_keyword(token));
}

bool ends_value(const PythonToken& token) {
  return begins_value(token) || token.text == U")" || token.text == U"]" || token.text == U"}";
}

bool is_line_start(std::span<const PythonToken> tokens, size_t at) {
  return at == 0 || tokens[at - 1].kind == Kind::newline || tokens[at - 1].kind == Kind::indent ||
         tokens[at - 1].kind == Kind::dedent;
}

/// "match x:" and "case x:" have a value behind a name.
bool is_soft_keyword(std::span<const PythonToken> tokens, size_t at) {
  return is_line_start(tokens, at) &&
         std::find(kSoftKeywords.begin(), kSoftKeywords.end(), tokens[at].text) != kSoftKeywords.end();
}

bool is_old_number(CodeView text, CodeView next) {
  if (!is_digit(text[0]) || text.size() < 2) return false;
  const size_t digits = std::min(text.find_first_not_of(U"0123456789_"), text.size());
  if (digits + 1 == text.size() && (text.back() == U'l' || text.back() == U'L')) return true;
  return digits == text.size() && text[0] == U'0' && text.find_first_of(U"123456789") != CodeView::npos && next != U".";
}

/// Whether the token may follow the one before it.
bool may_follow(std::span<const PythonToken> tokens, size_t at) {
  const PythonToken &before = tokens[at - 1], &token = tokens[at];
  if (begins_value(token) && ends_value(before)) {
    const bool joined = token.kind == Kind::string && before.kind == Kind::string;
    return joined || is_soft_keyword(tokens, at - 1);
  }
  return true;
}

/// Blocks: a header is followed by an indentation, and nothing else is. `at` is behind a line's end.
bool is_indented_right(std::span<const PythonToken> tokens, size_t at) {
  size_t last = at;
  while (last > 0 && tokens[last - 1].kind == Kind::newline) --last;
  const bool header = last > 0 && tokens[last - 1].text == U":";
  if (at == tokens.size()) return !header;
  return header == (tokens[at].kind == Kind::indent);
}

bool is_one_of(CodeView text, std::span<const CodeView> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// A logical line that ends in the middle of a statement: "x =", "def", "if x".
bool breaks_off(std::span<const PythonToken> line) {
  constexpr std::array<CodeView, 11> kHeaders = {U"class", U"def", U"elif", U"else",  U"except", U"finally",
                                                 U"for",   U"if",  U"try",  U"while", U"with"};
  constexpr std::array<CodeView, 19> kOpen = {U"and",  U"as",     U"assert", U"await",  U"class", U"def",    U"del",
                                              U"elif", U"for",    U"from",   U"global", U"if",    U"import", U"in",
                                              U"is",   U"lambda", U"not",    U"or",     U"with"};
  const CodeView last = line.back().text;
  const bool ellipsis = line.size() >= 3 && line[line.size() - 2].text == U"." && line[line.size() - 3].text == U".";
  if (last == U"." && !ellipsis) return true;
  if (line.back().kind == Kind::other && CodeView(U"=+-/%&|^~<>@!").find(last[0]) != CodeView::npos) return true;
  if (line.back().kind == Kind::name && is_one_of(last, kOpen)) return true;
  if (line[0].kind != Kind::name || !is_one_of(line[0].text, kHeaders)) return false;
  return std::none_of(line.begin(), line.end(), [](const PythonToken& token) { return token.text == U":"; });
}

bool has_whole_lines(std::span<const PythonToken> tokens) {
  const auto separates = [&](size_t i) { return i == tokens.size() || is_line_start(tokens, i + 1); };
  size_t begin = 0;
  for (size_t i = 0; i <= tokens.size(); ++i) {
    if (!separates(i)) continue;
    if (i > begin && breaks_off(tokens.subspan(begin, i - begin))) return false;
    begin = i + 1;
  }
  return true;
}

}  // namespace

bool obeys_python_grammar(std::span<const PythonToken> tokens) {
  constexpr CodeView kJoining = U"<>=/%&|^,;:!)]}";
  for (size_t i = 0; i < tokens.size(); ++i) {
    const PythonToken& token = tokens[i];
    if (token.kind == Kind::newline) continue;
    const bool line_start = is_line_start(tokens, i);
    const bool after_line = i == 0 || tokens[i - 1].kind == Kind::newline;
    if (after_line && !is_indented_right(tokens, i)) return false;
    if (line_start && token.kind == Kind::other && kJoining.find(token.text[0]) != CodeView::npos) return false;
    if (!line_start && !may_follow(tokens, i)) return false;
    const CodeView next = i + 1 < tokens.size() ? tokens[i + 1].text : CodeView();
    const bool fraction = i > 0 && tokens[i - 1].text == U".";
    if (token.kind == Kind::name && !fraction && is_old_number(token.text, next)) return false;
  }
  return is_indented_right(tokens, tokens.size()) && has_whole_lines(tokens);
}

}  // namespace kedge::curate
