#pragma once
// Jinja's source as tokens, with trim_blocks and lstrip_blocks applied to the text between tags.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::text::jinja {

enum class TokenKind : uint8_t {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  number,
  op,  // `text` is the operator
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // data and strings: what they stand for, escapes resolved
  int line = 1;

  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
  [[nodiscard]] bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
};

/// The last token is `end`. Throws Failure. REQUIRES: valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

/// What an error message calls the token.
std::string describe(const Token& token);

}  // namespace kedge::text::jinja
