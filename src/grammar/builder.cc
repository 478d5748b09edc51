#include "grammar/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grammar/nfa_builder.h"

namespace kedge::grammar {
namespace {

constexpr uint32_t kManyCopies = 16;
constexpr size_t kCopyStatesMax = 4096;

}  // namespace

bool Builder::has_symbols(ExpressionId id) const {
  const Expression& expression = expressions_[id];
  if (expression.kind == Expression::Kind::symbol) return true;
  return std::ranges::any_of(expression.children, [this](ExpressionId child) { return has_symbols(child); });
}

ExpressionId Builder::add(Expression expression) {
  if (expressions_.size() >= limits_.nodes_max) {
    overfull_ = true;
    return 0;
  }
  expressions_.push_back(std::move(expression));
  return static_cast<ExpressionId>(expressions_.size() - 1);
}

ExpressionId Builder::literal(std::string_view bytes) {
  return add({.kind = Expression::Kind::literal, .text = std::string(bytes)});
}

ExpressionId Builder::bytes(uint8_t first, uint8_t last) {
  return add({.kind = Expression::Kind::bytes, .first = first, .last = last});
}

ExpressionId Builder::characters(const CodePointSet& set) {
  std::vector<ExpressionId> alternatives;
  for (const Utf8Sequence& sequence_of_bytes : utf8_sequences(set)) {
    std::vector<ExpressionId> parts;
    for (int i = 0; i < sequence_of_bytes.size; ++i) {
      parts.push_back(bytes(sequence_of_bytes.bytes[i].first, sequence_of_bytes.bytes[i].last));
    }
    alternatives.push_back(sequence(std::move(parts)));
  }
  return choice(std::move(alternatives));
}

ExpressionId Builder::sequence(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts.front();
  return add({.kind = Expression::Kind::sequence, .children = std::move(parts)});
}

ExpressionId Builder::choice(std::vector<ExpressionId> alternatives) {
  if (alternatives.size() == 1) return alternatives.front();
  return add({.kind = Expression::Kind::choice, .children = std::move(alternatives)});
}

ExpressionId Builder::repeat(ExpressionId body, uint32_t min, uint32_t max) {
  if (min == 1 && max == 1) return body;
  // Many copies: each as small as can be.
  const uint32_t copies = max == kUnbounded ? min : max;
  if (copies >= kManyCopies && !overfull_ && nfa_size(*this, body, {}, kCopyStatesMax) <= kCopyStatesMax &&
      !has_symbols(body)) {
    if (Result<Dfa> dfa = to_dfa(body); dfa.ok()) body = automaton(std::move(dfa).value());
  }
  return add({.kind = Expression::Kind::repeat, .min = min, .max = max, .children = {body}});
}

ExpressionId Builder::joined(std::vector<ExpressionId> items, std::vector<bool> optional, ExpressionId separator) {
  items.insert(items.begin(), separator);
  return add({.kind = Expression::Kind::joined, .children = std::move(items), .optional = std::move(optional)});
}

ExpressionId Builder::automaton(Dfa dfa) {
  automata_.push_back(std::move(dfa));
  return add({.kind = Expression::Kind::automaton, .min = static_cast<uint32_t>(automata_.size() - 1)});
}

ExpressionId Builder::token(TokenId id) {
  return add({.kind = Expression::Kind::symbol, .symbol = {Symbol::Kind::token, static_cast<uint32_t>(id)}});
}

ExpressionId Builder::rule(RuleId rule) {
  return add({.kind = Expression::Kind::symbol, .symbol = {Symbol::Kind::rule, rule}});
}

ExpressionId Builder::shared(ExpressionId expression, const std::string& name) {
  if (overfull_ || expressions_[expression].kind == Expression::Kind::symbol) return expression;
  const RuleId made = add_rule(name);
  define(made, expression);
  return rule(made);
}

RuleId Builder::add_rule(std::string name) {
  rules_.push_back({.name = std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

Status Builder::spend(size_t nfa_states, size_t dfa_states) const {
  work_ += nfa_states + 16 * dfa_states;
  if (work_ <= limits_.work_max) return Done{};
  return Error{ErrorKind::invalid_input,
               fmt::format("it takes more work than the limit of {} states together", limits_.work_max)};
}

Result<Dfa> Builder::to_dfa(ExpressionId expression) const {
  KEDGE_ASSIGN(const Nfa nfa, build_nfa(*this, expression, {}));
  KEDGE_ASSIGN(Dfa dfa, determinize(nfa, limits_.states_max));
  KEDGE_TRY(spend(nfa.states.size(), dfa.states.size()));
  trim(dfa, {});
  minimize(dfa);
  return dfa;
}

}  // namespace kedge::grammar
