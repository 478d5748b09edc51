#pragma once
// Grammars as front ends write them: rules of expressions over bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/code_points.h"
#include "grammar/limits.h"
#include "kedge/tokenizer.h"

namespace kedge::grammar {

using ExpressionId = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnbounded = UINT32_MAX;

struct Expression {
  enum class Kind : uint8_t {
    literal,
    bytes,
    sequence,
    choice,
    repeat,
    joined,
    automaton,
    symbol
  } kind = Kind::sequence;
  uint8_t first = 0, last = 0;     // bytes
  uint32_t min = 0, max = 0;       // repeat; automaton: index in min
  Symbol symbol;                   // symbol
  std::string text;                // literal
  std::vector<uint32_t> children;  // sequence, choice, repeat (one), joined (the separator first)
  std::vector<bool> optional;      // joined, of each child but the separator
};

/// Rules and expressions of one grammar, in an arena. One thread. Past Limits::nodes_max nothing is added any more, and
/// compile fails.
class Builder {
 public:
  explicit Builder(const Limits& limits = {}) : limits_(limits) {}

  [[nodiscard]] const Limits& limits() const { return limits_; }

  ExpressionId empty() { return sequence({}); }
  ExpressionId nothing() { return choice({}); }
  ExpressionId literal(std::string_view bytes);
  ExpressionId bytes(uint8_t first, uint8_t last);
  ExpressionId characters(const CodePointSet& set);  // one character, in UTF-8
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> alternatives);
  ExpressionId repeat(ExpressionId body, uint32_t min, uint32_t max);  // max may be kUnbounded
  ExpressionId optional(ExpressionId body) { return repeat(body, 0, 1); }
  /// Items in this order with `separator` between those that are there.
  ExpressionId joined(std::vector<ExpressionId> items, std::vector<bool> optional, ExpressionId separator);
  ExpressionId automaton(Dfa dfa);  // REQUIRES: no symbols
  ExpressionId token(TokenId id);   // a whole token, whatever its bytes
  ExpressionId rule(RuleId rule);

  /// The same by a rule, to be used in several places: what is nested so is not copied again at each level.
  ExpressionId shared(ExpressionId expression, const std::string& name);

  RuleId add_rule(std::string name);
  void define(RuleId rule, ExpressionId expression) { rules_[rule].expression = expression; }
  [[nodiscard]] bool is_defined(RuleId rule) const { return rules_[rule].expression != kNone; }

  /// Counts the states of an automaton that was made. Fails with invalid_input past Limits::work_max.
  [[nodiscard]] Status spend(size_t nfa_states, size_t dfa_states) const;

  /// The automaton of an expression without rules and tokens, minimized. Fails with invalid_input past a limit.
  [[nodiscard]] Result<Dfa> to_dfa(ExpressionId expression) const;

  // For the compiler.
  struct Rule {
    std::string name;
    ExpressionId expression = kNone;
  };
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
  [[nodiscard]] const Expression& expression(ExpressionId id) const { return expressions_[id]; }
  [[nodiscard]] const Dfa& dfa(const Expression& expression) const { return automata_[expression.min]; }
  [[nodiscard]] bool overfull() const { return overfull_; }

 private:
  ExpressionId add(Expression expression);
  [[nodiscard]] bool has_symbols(ExpressionId id) const;

  Limits limits_;
  std::vector<Expression> expressions_;
  std::vector<Rule> rules_;
  std::vector<Dfa> automata_;
  bool overfull_ = false;
  mutable size_t work_ = 0;
};

}  // namespace kedge::grammar
