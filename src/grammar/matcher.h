#pragma once
// One answer as it grows, held to a grammar.

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/mask_maker.h"

namespace kedge::grammar {

/// A grammar bound to a vocabulary, with what matchers share. Thread-safe.
class BoundGrammar {
 public:
  BoundGrammar(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary)
      : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {}

  [[nodiscard]] const Grammar& grammar() const { return *grammar_; }
  [[nodiscard]] const Vocabulary& vocabulary() const { return *vocabulary_; }

  /// One for the caller alone, until it is given back.
  [[nodiscard]] std::unique_ptr<MaskMaker> take_maker() const;
  void give_back(std::unique_ptr<MaskMaker> maker) const;

 private:
  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<MaskMaker>> makers_;
};

/// Copies go their own ways. Changing one needs one thread; const calls may come from several.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const BoundGrammar> grammar);

  /// Whether the token may come next; then it has.
  bool accept(TokenId token);
  /// The same for any bytes.
  bool accept_bytes(std::string_view bytes);

  /// Sets exactly the bits of the tokens that may come next, end-of-sequence among them where the answer may end.
  /// REQUIRES: mask.size() >= vocabulary().mask_words(). Words beyond are cleared.
  void fill_mask(std::span<uint64_t> mask) const;

  /// The answer may end here.
  [[nodiscard]] bool complete() const { return at_.complete; }
  /// Nothing may follow.
  [[nodiscard]] bool exhausted() const { return at_.items.empty(); }

 private:
  bool take(Configurations&& next);

  std::shared_ptr<const BoundGrammar> grammar_;
  Stepper stepper_;
  Configurations at_;
  bool first_ = true;
};

/// Makes the logits of tokens whose bits are not set negative infinity; false when none are left.
bool keep_allowed(std::span<const uint64_t> mask, std::span<float> logits);

}  // namespace kedge::grammar
