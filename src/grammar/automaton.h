#pragma once
// Finite automata over bytes, calls of rules and whole tokens. A grammar has one for each rule.

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::grammar {

inline constexpr uint32_t kNone = UINT32_MAX;

/// A step that is no byte.
struct Symbol {
  enum class Kind : uint8_t { rule, token } kind = Kind::rule;
  uint32_t index = 0;  // of the rule; id of the token
  auto operator<=>(const Symbol&) const = default;
};

struct NfaEdge {
  enum class Kind : uint8_t { empty, bytes, symbol } kind = Kind::empty;
  uint8_t first = 0, last = 0;  // bytes
  Symbol symbol;
  uint32_t target = 0;
  uint32_t next = kNone;  // edge of the same state
};

/// Edges of a state form a list; states are numbered in the order they were added.
struct Nfa {
  struct State {
    uint32_t first_edge = kNone;
    uint32_t alike;  // a state that allows the same next kLookaheadBytes bytes; often itself
  };
  std::vector<State> states;
  std::vector<NfaEdge> edges;
  uint32_t start = 0, accept = 0;

  uint32_t add_state();
  void add_empty(uint32_t from, uint32_t to) { add_edge(from, {.kind = NfaEdge::Kind::empty, .target = to}); }
  void add_bytes(uint32_t from, uint8_t first, uint8_t last, uint32_t to) {
    add_edge(from, {.kind = NfaEdge::Kind::bytes, .first = first, .last = last, .target = to});
  }
  void add_symbol(uint32_t from, Symbol symbol, uint32_t to) {
    add_edge(from, {.kind = NfaEdge::Kind::symbol, .symbol = symbol, .target = to});
  }

 private:
  void add_edge(uint32_t from, NfaEdge edge);
};

struct DfaByteEdge {
  uint8_t first = 0, last = 0;
  uint32_t target = 0;
  bool operator==(const DfaByteEdge&) const = default;
};

struct DfaSymbolEdge {
  Symbol symbol;
  uint32_t target = 0;
  bool operator==(const DfaSymbolEdge&) const = default;
};

struct DfaState {
  std::vector<DfaByteEdge> bytes;      // sorted, disjoint
  std::vector<DfaSymbolEdge> symbols;  // sorted
  bool accepting = false;
  uint32_t alike = 0;  // states with one number allow the same next kLookaheadBytes bytes
};

/// State 0 is the start. No states at all: nothing matches.
struct Dfa {
  std::vector<DfaState> states;

  [[nodiscard]] uint32_t next(uint32_t state, uint8_t byte) const;  // kNone: none
  [[nodiscard]] bool matches(std::string_view bytes) const;         // REQUIRES: no symbols
};

/// Fails with invalid_input when it would have more than `states_max`.
Result<Dfa> determinize(const Nfa& nfa, size_t states_max);

/// Removes what cannot lead to an accepting state; `usable[rule]`: the rule can match something.
void trim(Dfa& dfa, const std::vector<bool>& usable);

/// Merges states that nothing tells apart.
void minimize(Dfa& dfa);

/// Both, or the first and not the second. REQUIRES: no symbols. Fails like determinize.
Result<Dfa> intersect(const Dfa& a, const Dfa& b, size_t states_max);
Result<Dfa> subtract(const Dfa& a, const Dfa& b, size_t states_max);

}  // namespace kedge::grammar
