#pragma once
// A compiled grammar: one automaton of bytes for each rule, all in one table.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/builder.h"
#include "kedge/result.h"

namespace kedge::grammar {

/// Names what a state allows within its rule, in any grammar: the same key, the same token mask.
struct MaskKey {
  uint64_t high = 0, low = 0;
  bool operator==(const MaskKey&) const = default;
};

/// Immutable; safe from any thread.
class Grammar {
 public:
  struct Call {
    uint32_t start = 0;   // state in which the called rule begins
    uint32_t target = 0;  // state behind the call
  };
  struct TokenStep {
    TokenId token = 0;
    uint32_t target = 0;
  };

  /// Fails with invalid_input: an undefined rule, left recursion, nothing that matches, a limit.
  static Result<std::shared_ptr<const Grammar>> compile(const Builder& builder, RuleId root);

  [[nodiscard]] uint32_t root() const { return root_; }
  [[nodiscard]] uint32_t state_count() const { return static_cast<uint32_t>(states_.size()); }
  [[nodiscard]] uint32_t class_count() const { return class_count_; }
  [[nodiscard]] uint32_t class_of(uint8_t byte) const { return class_of_[byte]; }
  /// kNone: no such step.
  [[nodiscard]] uint32_t next(uint32_t state, uint32_t byte_class) const {
    return transitions_[size_t{state} * class_count_ + byte_class];
  }
  [[nodiscard]] std::span<const Call> calls(uint32_t state) const {
    return std::span(calls_).subspan(states_[state].first_call, states_[state].call_count);
  }
  [[nodiscard]] std::span<const TokenStep> tokens(uint32_t state) const {
    return std::span(tokens_).subspan(states_[state].first_token, states_[state].token_count);
  }
  [[nodiscard]] bool accepting(uint32_t state) const { return states_[state].accepting; }
  [[nodiscard]] bool has_steps(uint32_t state) const { return states_[state].has_steps; }  // of bytes or tokens
  /// Its rule ends here in any case.
  [[nodiscard]] bool only_ends(uint32_t state) const { return states_[state].only_ends; }
  [[nodiscard]] const MaskKey& mask_key(uint32_t state) const { return states_[state].key; }
  /// Roughly what it takes in memory.
  [[nodiscard]] size_t size_bytes() const;

 private:
  friend class Compiler;
  struct State {
    uint32_t first_call = 0, call_count = 0, first_token = 0, token_count = 0;
    bool accepting = false, has_steps = false, only_ends = false;
    MaskKey key;
  };

  uint32_t root_ = 0;
  uint32_t class_count_ = 1;
  std::array<uint8_t, 256> class_of_{};
  std::vector<uint32_t> transitions_;
  std::vector<State> states_;
  std::vector<Call> calls_;
  std::vector<TokenStep> tokens_;
};

}  // namespace kedge::grammar
