#pragma once
// Grammars and vocabularies for tests.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grammar/constraint_compiler.h"

namespace kedge::grammar {

/// A vocabulary from a list; "</s>" ends, tokens in <| |> are special.
class ListTokenizer final : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  /// Every byte, then `more`, then "</s>".
  static ListTokenizer bytes_and(const std::vector<std::string>& more) {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    tokens.insert(tokens.end(), more.begin(), more.end());
    tokens.emplace_back("</s>");
    return ListTokenizer(std::move(tokens));
  }
  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view, const EncodeOptions&) const override {
    return std::vector<TokenId>();
  }
  [[nodiscard]] Result<std::vector<TokenId>> encode_pair(std::string_view, std::string_view) const override {
    return std::vector<TokenId>();
  }
  [[nodiscard]] std::string decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  class Stream final : public StreamDecoder {
   public:
    explicit Stream(const ListTokenizer& tokenizer) : tokenizer_(tokenizer) {}
    std::string push(TokenId id) override { return tokenizer_.token_bytes(id); }
    std::string flush() override { return ""; }

   private:
    const ListTokenizer& tokenizer_;
  };
  [[nodiscard]] std::unique_ptr<StreamDecoder> stream(bool) const override { return std::make_unique<Stream>(*this); }
  [[nodiscard]] std::string token_bytes(TokenId id) const override {
    return is_special(id) ? "" : tokens_[static_cast<size_t>(id)];
  }
  [[nodiscard]] std::string_view token_text(TokenId id) const override { return tokens_[static_cast<size_t>(id)]; }
  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const override {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i] == token) return static_cast<TokenId>(i);
    }
    return std::nullopt;
  }
  [[nodiscard]] bool is_special(TokenId id) const override {
    const std::string& text = tokens_[static_cast<size_t>(id)];
    return text == "</s>" || (text.starts_with("<|") && text.ends_with("|>"));
  }
  [[nodiscard]] size_t vocabulary_size() const override { return tokens_.size(); }
  [[nodiscard]] std::optional<TokenId> bos() const override { return std::nullopt; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return static_cast<TokenId>(tokens_.size() - 1); }

 private:
  std::vector<std::string> tokens_;
};

inline Result<std::shared_ptr<const BoundGrammar>> bind(ConstraintKind kind, const std::string& source,
                                                        const Tokenizer& tokenizer) {
  const TokenId end = *tokenizer.eos();
  ConstraintCompiler compiler(tokenizer, {&end, 1});
  return compiler.compile({kind, source});
}

/// Byte by byte. A failed compilation fails the test.
inline bool matches(ConstraintKind kind, const std::string& source, const std::string& text) {
  static const ListTokenizer kTokenizer = ListTokenizer::bytes_and({});
  const auto bound = bind(kind, source, kTokenizer);
  EXPECT_TRUE(bound.ok()) << source << ": " << bound.error().message;
  if (!bound.ok()) return false;
  Matcher matcher(bound.value());
  return matcher.accept_bytes(text) && matcher.complete();
}

inline std::string refusal(ConstraintKind kind, const std::string& source) {
  static const ListTokenizer kTokenizer = ListTokenizer::bytes_and({});
  const auto bound = bind(kind, source, kTokenizer);
  return bound.ok() ? "" : bound.error().message;
}

}  // namespace kedge::grammar
