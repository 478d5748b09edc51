#pragma once
// Which tokens may come next.

#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/stepper.h"
#include "grammar/vocabulary.h"

namespace kedge::grammar {

/// Walks token trees through a grammar. What it learns of sets of configurations it keeps: later walks are look-ups.
/// One thread at a time.
class MaskMaker {
 public:
  MaskMaker(const Grammar& grammar, const Vocabulary& vocabulary)
      : grammar_(grammar), vocabulary_(vocabulary), stepper_(grammar) {}

  /// Adds to `mask` the tokens that `at` allows; `stacks` are those of its stack. `first`: the answer's first token.
  void allow(const Configurations& at, const Stacks& stacks, bool first, std::span<uint64_t> mask);

 private:
  static constexpr uint32_t kDead = 0;
  static constexpr uint32_t kUnknown = kNone;

  struct Walk {
    const TokenTree& tree;
    std::span<uint64_t> mask;
    std::vector<uint32_t>* ends;  // where not null, nodes at which the bottom rule ends go here
    const Stacks* stacks;         // else these say what follows it
    uint32_t stack;
  };

  void forget_if_full();
  uint32_t intern(const Configurations& set);
  uint32_t start(uint32_t state);
  uint32_t next(uint32_t set, uint8_t byte);
  std::shared_ptr<const StateMask> mask_of(uint32_t state);
  void walk(uint32_t state, uint32_t node, const Walk& walk);
  void walk_set(uint32_t set, uint32_t node, const Walk& walk);
  void walk_returns(uint32_t node, const Walk& walk);
  void allow_first(const Configuration& at, const Stacks& stacks, std::span<uint64_t> mask);

  const Grammar& grammar_;
  const Vocabulary& vocabulary_;
  Stepper stepper_;
  std::vector<const Configurations*> sets_;  // into ids_
  std::vector<uint32_t> transitions_;        // [sets, classes]
  std::unordered_map<uint32_t, uint32_t> starts_;
  struct Hash {
    size_t operator()(const Configurations& set) const;
  };
  std::unordered_map<Configurations, uint32_t, Hash> ids_;
  std::unordered_set<uint64_t> returned_;  // (node, stack) pairs of one call of allow
};

}  // namespace kedge::grammar
