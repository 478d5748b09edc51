#pragma once
// Guessing next tokens without a model: what followed the last tokens where they stood before (prompt lookup, Saxena
// 2023). Text that quotes its prompt is guessed well.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kedge/tokenizer.h"

namespace kedge::engine {

/// The places of all runs of kGuessMatchMin tokens of one growing sequence.
class NgramIndex {
 public:
  /// Fills `guess` with up to `count` tokens that may follow `tokens`, and returns how many tokens before them match;
  /// 0 without a guess. REQUIRES: `tokens` begin with those of the last call.
  size_t guess(std::span<const TokenId> tokens, size_t count, std::vector<TokenId>& guess);

 private:
  void extend(std::span<const TokenId> tokens);
  void resize_heads(std::span<const TokenId> tokens);

  std::vector<int32_t> heads_;     // by hash: where the newest such run ends, -1 for none
  std::vector<int32_t> previous_;  // by that place: where the one before it ends
};

inline constexpr size_t kGuessMatchMin = 3;

}  // namespace kedge::engine
