#pragma once
// Where an answer's reasoning has to end.

#include <cstdint>
#include <optional>
#include <string>

#include "kedge/engine.h"

namespace kedge::engine {

/// Follows one answer, token by token.
class ReasoningRule {
 public:
  /// `limit` and `tokenizer` must live longer.
  ReasoningRule(const ReasoningLimit& limit, const Tokenizer& tokenizer);

  /// The token that must come now; nothing: the model chooses. Never in the middle of a character.
  [[nodiscard]] std::optional<TokenId> forced() const;
  /// The answer has this token next.
  void accept(TokenId token);

 private:
  enum class State : uint8_t { before, inside, over };

  const ReasoningLimit& limit_;
  const Tokenizer& tokenizer_;
  State state_;
  std::string text_;    // before: all of it; inside: as much of its end as a mark or a character needs
  uint64_t count_ = 0;  // tokens inside
  size_t written_ = 0;  // of end_tokens, one after another
};

}  // namespace kedge::engine
