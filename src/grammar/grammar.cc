#include "grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bitset>
#include <random>

#include "grammar/hashing.h"
#include "grammar/nfa_builder.h"

namespace kedge::grammar {
namespace {

// Smaller rules become part of those that call them; larger ones keep an automaton, and token masks, of their own.
constexpr size_t kInlinedStatesMax = 24;
// Rules that call each other get masks in common with other grammars when they are so few.
constexpr size_t kSharedRulesMax = 64;

/// Differs from process to process, so that no one can make two rules with one key.
uint64_t key_seed() {
  static const uint64_t kSeed = [] {
    std::random_device device;
    return (static_cast<uint64_t>(device()) << 32) | device();
  }();
  return kSeed;
}

Error invalid(std::string message) {
  return {ErrorKind::invalid_input, std::move(message)};
}

void collect_calls(const Builder& builder, ExpressionId id, std::vector<RuleId>& calls) {
  const Expression& expression = builder.expression(id);
  if (expression.kind == Expression::Kind::symbol && expression.symbol.kind == Symbol::Kind::rule) {
    calls.push_back(expression.symbol.index);
  }
  for (const ExpressionId child : expression.children) collect_calls(builder, child, calls);
}

}  // namespace

/// From rules of expressions to the tables of a grammar.
class Compiler {
 public:
  Compiler(const Builder& builder, RuleId root) : builder_(builder), root_(root), count_(builder.rules().size()) {}

  Result<std::shared_ptr<const Grammar>> run() {
    if (builder_.overfull()) {
      return invalid(fmt::format("it has more than {} parts, the limit", builder_.limits().nodes_max));
    }
    if (count_ > builder_.limits().rules_max) {
      return invalid(fmt::format("it has {} rules, the limit is {}", count_, builder_.limits().rules_max));
    }
    KEDGE_TRY(order_rules());
    choose_inlined();
    KEDGE_TRY(build_automata());
    find_usable();
    if (!usable_[root_]) return invalid("no text matches it");
    for (const RuleId rule : kept_) {
      trim(automata_[rule], usable_);
      minimize(automata_[rule]);
    }
    KEDGE_TRY(check_left_recursion());
    KEDGE_TRY(make_tables());
    return std::shared_ptr<const Grammar>(std::move(grammar_));
  }

 private:
  /// Rules that the root reaches, callees first; which ones are recursive.
  Status order_rules() {
    callees_.resize(count_);
    recursive_.assign(count_, false);
    std::vector<uint8_t> mark(count_, 0);  // 1: being visited, 2: done
    struct Visit {
      RuleId rule;
      size_t next = 0;
    };
    std::vector<Visit> stack;
    const auto enter = [&](RuleId rule) -> Status {
      if (!builder_.is_defined(rule)) {
        return invalid(fmt::format("the rule '{}' is not defined", builder_.rules()[rule].name));
      }
      collect_calls(builder_, builder_.rules()[rule].expression, callees_[rule]);
      std::ranges::sort(callees_[rule]);
      callees_[rule].erase(std::unique(callees_[rule].begin(), callees_[rule].end()), callees_[rule].end());
      mark[rule] = 1;
      stack.push_back({rule});
      return Done{};
    };
    KEDGE_TRY(enter(root_));
    while (!stack.empty()) {
      Visit& visit = stack.back();
      if (visit.next == callees_[visit.rule].size()) {
        mark[visit.rule] = 2;
        order_.push_back(visit.rule);
        stack.pop_back();
        continue;
      }
      const RuleId callee = callees_[visit.rule][visit.next++];
      if (mark[callee] == 0) {
        KEDGE_TRY(enter(callee));
      } else if (mark[callee] == 1) {
        // Everything on the stack from the callee on calls itself.
        for (size_t i = stack.size(); i-- > 0;) {
          recursive_[stack[i].rule] = true;
          if (stack[i].rule == callee) break;
        }
      }
    }
    return Done{};
  }

  void choose_inlined() {
    inlined_.assign(count_, false);
    for (const RuleId rule : order_) {
      const size_t size = nfa_size(builder_, builder_.rules()[rule].expression, inlined_, kInlinedStatesMax);
      inlined_[rule] = rule != root_ && !recursive_[rule] && !calls_recursive(rule) && size <= kInlinedStatesMax;
      if (!inlined_[rule]) kept_.push_back(rule);
    }
  }

  /// A member of a cycle may have been met first through a rule that was not on the stack any more.
  [[nodiscard]] bool calls_recursive(RuleId rule) const {
    return std::ranges::any_of(callees_[rule], [&](RuleId callee) { return !inlined_[callee]; });
  }

  Status build_automata() {
    automata_.resize(count_);
    size_t left = builder_.limits().states_max;
    for (const RuleId rule : kept_) {
      const auto refuse = [&](const Error& error) {
        return Error{error.kind,
                     fmt::format("the rule '{}' is too large: {}", builder_.rules()[rule].name, error.message)};
      };
      Result<Nfa> nfa = build_nfa(builder_, builder_.rules()[rule].expression, inlined_);
      if (!nfa.ok()) return refuse(nfa.error());
      Result<Dfa> dfa = determinize(nfa.value(), left);
      if (!dfa.ok()) return refuse(dfa.error());
      KEDGE_TRY(builder_.spend(nfa.value().states.size(), dfa.value().states.size()));
      automata_[rule] = std::move(dfa).value();
      left -= std::min(left, automata_[rule].states.size());
    }
    return Done{};
  }

  /// Rules that match anything: those that end through rules already known to.
  void find_usable() {
    usable_.assign(count_, false);
    for (bool changed = true; changed;) {
      changed = false;
      for (const RuleId rule : kept_) {
        if (usable_[rule] || !ends(automata_[rule])) continue;
        usable_[rule] = changed = true;
      }
    }
  }

  [[nodiscard]] bool ends(const Dfa& dfa) const {
    std::vector<bool> reached(dfa.states.size(), false);
    std::vector<uint32_t> work;
    const auto reach = [&](uint32_t state) {
      if (!reached[state]) work.push_back(state);
      reached[state] = true;
    };
    if (!dfa.states.empty()) reach(0);
    while (!work.empty()) {
      const DfaState& state = dfa.states[work.back()];
      work.pop_back();
      if (state.accepting) return true;
      for (const DfaByteEdge& edge : state.bytes) reach(edge.target);
      for (const DfaSymbolEdge& edge : state.symbols) {
        if (edge.symbol.kind == Symbol::Kind::token || usable_[edge.symbol.index]) reach(edge.target);
      }
    }
    return false;
  }

  /// States of a rule that are reached before any byte, with `nullable` rules passed over.
  template <typename Visit>
  void visit_starts(RuleId rule, const std::vector<bool>& nullable, Visit&& visit) const {
    const Dfa& dfa = automata_[rule];
    if (dfa.states.empty()) return;
    std::vector<uint32_t> states = {0};
    for (size_t i = 0; i < states.size(); ++i) {
      visit(dfa.states[states[i]]);
      for (const DfaSymbolEdge& edge : dfa.states[states[i]].symbols) {
        if (edge.symbol.kind == Symbol::Kind::token || !nullable[edge.symbol.index]) continue;
        if (std::ranges::find(states, edge.target) == states.end()) states.push_back(edge.target);
      }
    }
  }

  Status check_left_recursion() {
    std::vector<bool> nullable(count_, false);
    for (bool changed = true; changed;) {
      changed = false;
      for (const RuleId rule : kept_) {
        bool empty = false;
        visit_starts(rule, nullable, [&](const DfaState& state) { empty = empty || state.accepting; });
        if (!empty || nullable[rule]) continue;
        nullable[rule] = changed = true;
      }
    }
    std::vector<std::vector<RuleId>> first(count_);
    for (const RuleId rule : kept_) {
      visit_starts(rule, nullable, [&](const DfaState& state) {
        for (const DfaSymbolEdge& edge : state.symbols) {
          if (edge.symbol.kind == Symbol::Kind::rule) first[rule].push_back(edge.symbol.index);
        }
      });
    }
    return check_acyclic(first);
  }

  Status check_acyclic(const std::vector<std::vector<RuleId>>& first) {
    std::vector<uint8_t> mark(count_, 0);
    for (const RuleId begin : kept_) {
      if (mark[begin] != 0) continue;
      std::vector<std::pair<RuleId, size_t>> stack = {{begin, 0}};
      mark[begin] = 1;
      while (!stack.empty()) {
        auto& [rule, next] = stack.back();
        if (next == first[rule].size()) {
          mark[rule] = 2;
          stack.pop_back();
          continue;
        }
        const RuleId callee = first[rule][next++];
        if (mark[callee] == 1) {
          return invalid(
              fmt::format("the rule '{}' begins with itself (left recursion), which is not supported: write "
                          "it as a repetition",
                          builder_.rules()[callee].name));
        }
        if (mark[callee] == 2) continue;
        mark[callee] = 1;
        stack.emplace_back(callee, 0);
      }
    }
    return Done{};
  }

  /// Bytes that no state tells apart form a class.
  void classify_bytes() {
    std::bitset<257> begins;
    for (const RuleId rule : kept_) {
      for (const DfaState& state : automata_[rule].states) {
        for (const DfaByteEdge& edge : state.bytes) {
          begins.set(edge.first);
          begins.set(size_t{edge.last} + 1);
        }
      }
    }
    uint32_t byte_class = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && begins.test(byte)) ++byte_class;
      grammar_->class_of_[byte] = static_cast<uint8_t>(byte_class);
    }
    grammar_->class_count_ = byte_class + 1;
  }

  Status make_tables() {
    std::vector<uint32_t> starts(count_, kNone);
    uint32_t state_count = 0;
    for (const RuleId rule : kept_) {
      starts[rule] = state_count;
      state_count += static_cast<uint32_t>(automata_[rule].states.size());
    }
    classify_bytes();
    const size_t entries = size_t{state_count} * grammar_->class_count_;
    if (entries > builder_.limits().table_entries_max) {
      return invalid(fmt::format("it needs {} states with {} classes of bytes, more than the limit of {} together",
                                 state_count, grammar_->class_count_, builder_.limits().table_entries_max));
    }
    grammar_->transitions_.assign(entries, kNone);
    grammar_->states_.resize(state_count);
    grammar_->root_ = starts[root_];
    make_fingerprints();
    for (const RuleId rule : kept_) {
      const std::vector<DfaState>& states = automata_[rule].states;
      for (size_t i = 0; i < states.size(); ++i) {
        fill_state(starts[rule] + static_cast<uint32_t>(i), states[i], starts[rule], starts);
        Grammar::State& state = grammar_->states_[starts[rule] + i];
        state.key = {mix(fingerprints_[rule].high ^ states[i].alike), mix(fingerprints_[rule].low + states[i].alike)};
      }
    }
    return Done{};
  }

  void fill_state(uint32_t id, const DfaState& from, uint32_t base, const std::vector<uint32_t>& starts) {
    Grammar& grammar = *grammar_;
    Grammar::State& state = grammar.states_[id];
    for (const DfaByteEdge& edge : from.bytes) {
      for (uint32_t c = grammar.class_of_[edge.first]; c <= grammar.class_of_[edge.last]; ++c) {
        grammar.transitions_[size_t{id} * grammar.class_count_ + c] = base + edge.target;
      }
    }
    state.first_call = static_cast<uint32_t>(grammar.calls_.size());
    state.first_token = static_cast<uint32_t>(grammar.tokens_.size());
    for (const DfaSymbolEdge& edge : from.symbols) {
      if (edge.symbol.kind == Symbol::Kind::rule) {
        grammar.calls_.push_back({starts[edge.symbol.index], base + edge.target});
        ++state.call_count;
      } else {
        grammar.tokens_.push_back({static_cast<TokenId>(edge.symbol.index), base + edge.target});
        ++state.token_count;
      }
    }
    state.accepting = from.accepting;
    state.has_steps = !from.bytes.empty() || state.token_count > 0;
    state.only_ends = from.accepting && from.bytes.empty() && from.symbols.empty();
  }

  /// What an automaton says, with a number for each rule that it calls.
  template <typename NumberOf>
  static std::vector<uint64_t> spell(const Dfa& dfa, NumberOf&& number_of) {
    std::vector<uint64_t> words = {dfa.states.size()};
    for (const DfaState& state : dfa.states) {
      words.insert(words.end(), {state.accepting ? 1U : 0U, state.alike, state.bytes.size(), state.symbols.size()});
      for (const DfaByteEdge& edge : state.bytes) words.insert(words.end(), {edge.first, edge.last, edge.target});
      for (const DfaSymbolEdge& edge : state.symbols) {
        const bool is_rule = edge.symbol.kind == Symbol::Kind::rule;
        words.insert(words.end(),
                     {is_rule ? 1U : 0U, is_rule ? number_of(edge.symbol.index) : edge.symbol.index, edge.target});
      }
    }
    return words;
  }

  static MaskKey key_of(const std::vector<uint64_t>& words) {
    const std::span<const uint64_t> all(words);
    return {hash_of(all, key_seed()), hash_of(all, ~mix(key_seed()))};
  }

  /// Keys of rules by what they say, so that equal rules of other grammars share their token masks.
  void make_fingerprints() {
    static std::atomic<uint64_t> last_id{0};
    const uint64_t id = ++last_id;
    fingerprints_.resize(count_);
    for (const RuleId rule : kept_) {
      const std::vector<RuleId> reached = reach(rule);
      if (reached.size() > kSharedRulesMax) {
        fingerprints_[rule] = key_of({0, id, rule});
        continue;
      }
      std::vector<uint64_t> words;
      for (const RuleId each : reached) {
        const std::vector<uint64_t> part = spell(automata_[each], [&](RuleId callee) {
          return static_cast<uint64_t>(std::ranges::find(reached, callee) - reached.begin());
        });
        words.insert(words.end(), part.begin(), part.end());
      }
      fingerprints_[rule] = key_of(words);
    }
  }

  /// The rule and those that it calls, in the order of their discovery; cut off behind kSharedRulesMax.
  [[nodiscard]] std::vector<RuleId> reach(RuleId rule) const {
    std::vector<RuleId> reached = {rule};
    for (size_t i = 0; i < reached.size() && reached.size() <= kSharedRulesMax; ++i) {
      for (const DfaState& state : automata_[reached[i]].states) {
        for (const DfaSymbolEdge& edge : state.symbols) {
          if (edge.symbol.kind != Symbol::Kind::rule) continue;
          if (std::ranges::find(reached, edge.symbol.index) == reached.end()) reached.push_back(edge.symbol.index);
        }
      }
    }
    return reached;
  }

  const Builder& builder_;
  const RuleId root_;
  const size_t count_;
  std::vector<std::vector<RuleId>> callees_;
  std::vector<RuleId> order_;  // callees first
  std::vector<RuleId> kept_;   // of these, those with an automaton of their own
  std::vector<bool> recursive_, inlined_, usable_;
  std::vector<Dfa> automata_;
  std::vector<MaskKey> fingerprints_;
  std::unique_ptr<Grammar> grammar_ = std::make_unique<Grammar>();
};

Result<std::shared_ptr<const Grammar>> Grammar::compile(const Builder& builder, RuleId root) {
  return Compiler(builder, root).run();
}

size_t Grammar::size_bytes() const {
  return transitions_.size() * sizeof(uint32_t) + states_.size() * sizeof(State) + calls_.size() * sizeof(Call) +
         tokens_.size() * sizeof(TokenStep);
}

}  // namespace kedge::grammar
