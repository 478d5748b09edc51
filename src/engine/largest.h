#pragma once
// The largest elements of a row of logits, without sorting it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kedge/tokenizer.h"

namespace kedge::engine {

/// Owns what it works in, so that a warm call allocates nothing. One thread at a time.
class Largest {
 public:
  /// The indices of the `count` largest elements (fewer where others are not numbers), largest first; of equal ones the
  /// first. Valid until the next call.
  std::span<const TokenId> of(std::span<const float> x, size_t count);

  /// Every element that is at least `least`, largest first.
  std::span<const TokenId> at_least(std::span<const float> x, float least);

 private:
  std::vector<float> maxima_;
  std::vector<TokenId> found_;
};

}  // namespace kedge::engine
