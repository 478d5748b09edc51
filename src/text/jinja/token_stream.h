#pragma once
// A position in a list of tokens, and the nesting of what is being parsed.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/lexer.h"

namespace kedge::text::jinja {

class TokenStream {
 public:
  /// REQUIRES: the last token is `end`.
  TokenStream(std::vector<Token> tokens, size_t depth_max) : tokens_(std::move(tokens)), depth_max_(depth_max) {}

  [[nodiscard]] const Token& current() const { return tokens_[position_]; }
  [[nodiscard]] const Token& following() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  [[nodiscard]] int line() const { return current().line; }

  const Token& next() {
    const Token& token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }

  bool skip_name(std::string_view name) { return current().is_name(name) && (next(), true); }
  bool skip_op(std::string_view op) { return current().is_op(op) && (next(), true); }

  void expect_op(std::string_view op) {
    if (!skip_op(op)) fail(fmt::format("expected '{}', found {}", op, describe(current())));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) fail(fmt::format("expected '{}', found {}", name, describe(current())));
  }
  const Token& expect(TokenKind kind, std::string_view what) {
    if (current().kind != kind) fail(fmt::format("expected {}, found {}", what, describe(current())));
    return next();
  }

  [[noreturn]] void fail(const std::string& what) const { fail_at(line(), what); }
  [[noreturn]] static void fail_at(int line, const std::string& what) {
    throw Failure{fmt::format("line {}: {}", line, what)};
  }

  /// Counts one level of nesting while it lives. Throws Failure past the limit.
  class Nesting {
   public:
    explicit Nesting(TokenStream& stream) : stream_(stream) {
      if (++stream_.depth_ > stream_.depth_max_) {
        stream_.fail(fmt::format("nested deeper than {} levels (depth_max)", stream_.depth_max_));
      }
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --stream_.depth_; }

   private:
    TokenStream& stream_;
  };

  [[nodiscard]] size_t depth_max() const { return depth_max_; }

 private:
  std::vector<Token> tokens_;
  size_t position_ = 0;
  size_t depth_ = 0;
  size_t depth_max_;
};

}  // namespace kedge::text::jinja
