#pragma once
// Steps of a pushdown automaton that follows all ways to read a text at once.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/grammar.h"

namespace kedge::grammar {

/// Stacks of states to return to, which share their lower parts. 0 is the empty stack.
class Stacks {
 public:
  Stacks() { clear(); }
  void clear();
  /// The stack with `state` on top; kNone when it would be deeper than kStackDepthMax.
  uint32_t push(uint32_t state, uint32_t below);
  [[nodiscard]] uint32_t state(uint32_t stack) const { return nodes_[stack].state; }
  [[nodiscard]] uint32_t below(uint32_t stack) const { return nodes_[stack].below; }
  [[nodiscard]] size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    uint32_t state = kNone, below = 0, depth = 0;
  };
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, uint32_t> ids_;
};

/// One way to have read the text so far.
struct Configuration {
  uint32_t state = 0, stack = 0;
  auto operator<=>(const Configuration&) const = default;
};

/// All of them. Sorted; each can read a byte or a token.
struct Configurations {
  std::vector<Configuration> items;
  bool complete = false;  // the text may end here: the bottom rule has ended
  bool operator==(const Configurations&) const = default;
  [[nodiscard]] bool dead() const { return items.empty() && !complete; }
};

/// One thread.
class Stepper {
 public:
  explicit Stepper(const Grammar& grammar) : grammar_(&grammar) {}

  Stacks stacks;

  void start(uint32_t state, Configurations& out);
  void step(const Configurations& from, uint8_t byte, Configurations& out);
  void step_token(const Configurations& from, TokenId token, Configurations& out);

  /// Forgets stacks that no configuration of `set` needs any more; renames the others.
  void compact(Configurations& set);

 private:
  void begin(Configurations& out);
  void add(Configuration configuration, Configurations& out);
  void visit(Configuration configuration);
  void finish(Configurations& out);

  const Grammar* grammar_;
  std::vector<Configuration> work_;    // visited since begin()
  size_t expanded_ = 0;                // of these
  std::unordered_set<uint64_t> seen_;  // once they are many
};

}  // namespace kedge::grammar
