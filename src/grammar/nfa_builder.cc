#include "grammar/nfa_builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::grammar {
namespace {

class NfaBuilder {
 public:
  NfaBuilder(const Builder& builder, const std::vector<bool>& inlined) : builder_(builder), inlined_(inlined) {}

  Result<Nfa> run(ExpressionId expression) {
    nfa_.start = nfa_.add_state();
    nfa_.accept = nfa_.add_state();
    add(expression, nfa_.start, nfa_.accept);
    if (full()) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("it needs more than {} states, the limit: repetitions within repetitions are large",
                               builder_.limits().nfa_states_max)};
    }
    return std::move(nfa_);
  }

 private:
  [[nodiscard]] bool full() const { return nfa_.states.size() > builder_.limits().nfa_states_max; }

  void add(ExpressionId id, uint32_t from, uint32_t to) {
    if (full()) return;
    const Expression& expression = builder_.expression(id);
    switch (expression.kind) {
      case Expression::Kind::literal:
        return add_literal(expression.text, from, to);
      case Expression::Kind::bytes:
        return nfa_.add_bytes(from, expression.first, expression.last, to);
      case Expression::Kind::sequence:
        return add_sequence(expression.children, from, to);
      case Expression::Kind::choice:
        for (const ExpressionId child : expression.children) add(child, from, to);
        return;
      case Expression::Kind::repeat:
        return add_repeat(expression, from, to);
      case Expression::Kind::joined:
        return add_joined(expression, from, to);
      case Expression::Kind::automaton:
        return add_automaton(builder_.dfa(expression), from, to);
      case Expression::Kind::symbol:
        return add_symbol(expression.symbol, from, to);
    }
  }

  void add_literal(const std::string& text, uint32_t from, uint32_t to) {
    for (const char c : text) {
      const uint32_t next = nfa_.add_state();
      nfa_.add_bytes(from, static_cast<uint8_t>(c), static_cast<uint8_t>(c), next);
      from = next;
    }
    nfa_.add_empty(from, to);
  }

  void add_sequence(const std::vector<ExpressionId>& parts, uint32_t from, uint32_t to) {
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const uint32_t next = nfa_.add_state();
      add(parts[i], from, next);
      from = next;
    }
    parts.empty() ? nfa_.add_empty(from, to) : add(parts.back(), from, to);
  }

  /// One copy of a repetition's body between states of its own, so that all copies have the same layout.
  uint32_t add_copy(ExpressionId body, uint32_t from) {
    const uint32_t begin = nfa_.add_state();
    const uint32_t end = nfa_.add_state();
    nfa_.add_empty(from, begin);
    add(body, begin, end);
    return end;
  }

  /// The states from `begin` on repeat those from `model` on.
  void mark_alike(uint32_t begin, uint32_t model) {
    const uint32_t shift = begin - model;
    const auto end = static_cast<uint32_t>(nfa_.states.size());
    for (uint32_t state = begin; state < end; ++state) {
      const uint32_t twin = state - shift;
      if (twin < begin) nfa_.states[state].alike = nfa_.states[twin].alike;
    }
  }

  void add_repeat(const Expression& repeat, uint32_t from, uint32_t to) {
    const ExpressionId body = repeat.children.front();
    uint32_t model = kNone;
    for (uint32_t i = 0; i < repeat.min && !full(); ++i) {
      const auto begin = static_cast<uint32_t>(nfa_.states.size());
      from = add_copy(body, from);
      if (i == 0) model = begin;
      // So far from the end of what must come, nothing in the next bytes tells one copy from another.
      if (i > 0 && i + kLookaheadBytes < repeat.min) mark_alike(begin, model);
    }
    if (repeat.max == kUnbounded) {
      const uint32_t loop = nfa_.add_state();
      nfa_.add_empty(from, loop);
      nfa_.add_empty(loop, to);
      nfa_.add_empty(add_copy(body, loop), loop);
      return;
    }
    for (uint32_t i = repeat.min; i < repeat.max && !full(); ++i) {
      nfa_.add_empty(from, to);
      const auto begin = static_cast<uint32_t>(nfa_.states.size());
      from = add_copy(body, from);
      if (i == repeat.min) model = begin;
      if (i > repeat.min && i + kLookaheadBytes < repeat.max) mark_alike(begin, model);
    }
    nfa_.add_empty(from, to);
  }

  /// Two rows of states: before and behind the first item that is there.
  void add_joined(const Expression& joined, uint32_t from, uint32_t to) {
    uint32_t none_yet = from, some = nfa_.add_state();
    for (size_t i = 1; i < joined.children.size() && !full(); ++i) {
      const uint32_t item = nfa_.add_state(), next_none = nfa_.add_state(), next_some = nfa_.add_state();
      nfa_.add_empty(none_yet, item);
      add(joined.children.front(), some, item);
      add(joined.children[i], item, next_some);
      if (joined.optional[i - 1]) {
        nfa_.add_empty(none_yet, next_none);
        nfa_.add_empty(some, next_some);
      }
      none_yet = next_none;
      some = next_some;
    }
    nfa_.add_empty(none_yet, to);
    nfa_.add_empty(some, to);
  }

  void add_automaton(const Dfa& dfa, uint32_t from, uint32_t to) {
    const auto first = static_cast<uint32_t>(nfa_.states.size());
    for (size_t i = 0; i < dfa.states.size(); ++i) nfa_.add_state();
    if (dfa.states.empty()) return;
    nfa_.add_empty(from, first);
    std::vector<uint32_t> model(dfa.states.size(), kNone);
    for (size_t i = 0; i < dfa.states.size(); ++i) {
      const auto state = first + static_cast<uint32_t>(i);
      uint32_t& twin = model[std::min<size_t>(dfa.states[i].alike, model.size() - 1)];
      if (twin == kNone) twin = state;
      if (dfa.states[i].alike < model.size()) nfa_.states[state].alike = twin;
      for (const DfaByteEdge& edge : dfa.states[i].bytes) {
        nfa_.add_bytes(state, edge.first, edge.last, first + edge.target);
      }
      if (dfa.states[i].accepting) nfa_.add_empty(state, to);
    }
  }

  void add_symbol(Symbol symbol, uint32_t from, uint32_t to) {
    if (symbol.kind == Symbol::Kind::rule && symbol.index < inlined_.size() && inlined_[symbol.index]) {
      return add(builder_.rules()[symbol.index].expression, from, to);
    }
    nfa_.add_symbol(from, symbol, to);
  }

  const Builder& builder_;
  const std::vector<bool>& inlined_;
  Nfa nfa_;
};

size_t sum_of(const Builder& builder, const std::vector<ExpressionId>& children, const std::vector<bool>& inlined,
              size_t limit) {
  size_t sum = 0;
  for (const ExpressionId child : children) {
    sum += 3 + nfa_size(builder, child, inlined, limit);
    if (sum > limit) return limit + 1;
  }
  return sum;
}

}  // namespace

Result<Nfa> build_nfa(const Builder& builder, ExpressionId expression, const std::vector<bool>& inlined) {
  return NfaBuilder(builder, inlined).run(expression);
}

size_t nfa_size(const Builder& builder, ExpressionId id, const std::vector<bool>& inlined, size_t limit) {
  const Expression& expression = builder.expression(id);
  switch (expression.kind) {
    case Expression::Kind::literal:
      return std::min(expression.text.size(), limit + 1);
    case Expression::Kind::bytes:
      return 0;
    case Expression::Kind::automaton:
      return std::min(builder.dfa(expression).states.size(), limit + 1);
    case Expression::Kind::sequence:
    case Expression::Kind::choice:
    case Expression::Kind::joined:
      return sum_of(builder, expression.children, inlined, limit);
    case Expression::Kind::repeat: {
      const size_t body = 2 + sum_of(builder, expression.children, inlined, limit);
      const size_t copies = expression.max == kUnbounded ? size_t{expression.min} + 1 : expression.max;
      return copies > (limit + 1) / body ? limit + 1 : copies * body;
    }
    case Expression::Kind::symbol:
      break;
  }
  const Symbol symbol = expression.symbol;
  if (symbol.kind == Symbol::Kind::token || symbol.index >= inlined.size() || !inlined[symbol.index]) return 0;
  return sum_of(builder, {builder.rules()[symbol.index].expression}, inlined, limit);
}

}  // namespace kedge::grammar
