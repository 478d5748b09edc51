#include "grammar/automaton.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "grammar/hashing.h"

namespace kedge::grammar {
namespace {

constexpr size_t kMembersMax = 16'000'000;  // of the sets that deterministic states stand for, together

Error too_many_states(size_t limit) {
  return {ErrorKind::invalid_input, fmt::format("it needs more than {} states, the limit", limit)};
}

using StateSet = std::vector<uint32_t>;

class Determinizer {
 public:
  Determinizer(const Nfa& nfa, size_t states_max) : nfa_(nfa), states_max_(states_max), mark_(nfa.states.size(), 0) {}

  Result<Dfa> run() {
    intern({nfa_.start});
    for (uint32_t state = 0; state < dfa_.states.size(); ++state) {
      if (dfa_.states.size() > states_max_) return too_many_states(states_max_);
      if (members_ > kMembersMax)
        return Error{ErrorKind::invalid_input, "it is too ambiguous to be made deterministic"};
      expand(state);
    }
    return std::move(dfa_);
  }

 private:
  void close(StateSet& set) {
    ++round_;
    size_t kept = 0;
    for (const uint32_t state : set) {
      if (mark_[state] != round_) {
        mark_[state] = round_;
        set[kept++] = state;
      }
    }
    set.resize(kept);
    for (size_t i = 0; i < set.size(); ++i) {
      for (uint32_t e = nfa_.states[set[i]].first_edge; e != kNone; e = nfa_.edges[e].next) {
        const NfaEdge& edge = nfa_.edges[e];
        if (edge.kind != NfaEdge::Kind::empty || mark_[edge.target] == round_) continue;
        mark_[edge.target] = round_;
        set.push_back(edge.target);
      }
    }
    std::ranges::sort(set);
  }

  uint32_t intern(StateSet set) {
    close(set);
    const auto [it, added] = ids_.try_emplace(set, static_cast<uint32_t>(dfa_.states.size()));
    if (!added) return it->second;
    members_ += set.size();
    StateSet alike;
    bool accepting = false;
    for (const uint32_t state : set) {
      alike.push_back(nfa_.states[state].alike);
      accepting = accepting || state == nfa_.accept;
    }
    std::ranges::sort(alike);
    alike.erase(std::unique(alike.begin(), alike.end()), alike.end());
    const auto [kind, unused] = alike_ids_.try_emplace(std::move(alike), it->second);
    dfa_.states.push_back({.accepting = accepting, .alike = kind->second});
    sets_.push_back(&it->first);
    return it->second;
  }

  struct Boundary {
    uint16_t at;
    bool begins;
    uint32_t target;
  };

  void expand(uint32_t state) {
    std::vector<Boundary> boundaries;
    std::vector<std::pair<Symbol, uint32_t>> symbols;
    for (const uint32_t member : *sets_[state]) {
      for (uint32_t e = nfa_.states[member].first_edge; e != kNone; e = nfa_.edges[e].next) {
        const NfaEdge& edge = nfa_.edges[e];
        if (edge.kind == NfaEdge::Kind::bytes) {
          boundaries.push_back({edge.first, true, edge.target});
          boundaries.push_back({static_cast<uint16_t>(edge.last + 1), false, edge.target});
        } else if (edge.kind == NfaEdge::Kind::symbol) {
          symbols.emplace_back(edge.symbol, edge.target);
        }
      }
    }
    expand_bytes(state, boundaries);
    std::ranges::sort(symbols);
    for (size_t i = 0; i < symbols.size();) {
      const Symbol symbol = symbols[i].first;
      StateSet targets;
      for (; i < symbols.size() && symbols[i].first == symbol; ++i) targets.push_back(symbols[i].second);
      const uint32_t target = intern(std::move(targets));
      dfa_.states[state].symbols.push_back({symbol, target});
    }
  }

  void expand_bytes(uint32_t state, std::vector<Boundary>& boundaries) {
    std::ranges::sort(boundaries, {}, &Boundary::at);
    StateSet active;  // with repetitions: as many as ranges are open
    for (size_t i = 0; i < boundaries.size();) {
      const uint16_t at = boundaries[i].at;
      for (; i < boundaries.size() && boundaries[i].at == at; ++i) {
        if (boundaries[i].begins) {
          active.push_back(boundaries[i].target);
        } else {
          *std::ranges::find(active, boundaries[i].target) = active.back();
          active.pop_back();
        }
      }
      if (active.empty()) continue;
      const uint32_t target = intern(active);
      std::vector<DfaByteEdge>& edges = dfa_.states[state].bytes;
      const auto last = static_cast<uint8_t>(boundaries[i].at - 1);
      if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == at) {
        edges.back().last = last;
      } else {
        edges.push_back({static_cast<uint8_t>(at), last, target});
      }
    }
  }

  const Nfa& nfa_;
  const size_t states_max_;
  Dfa dfa_;
  std::vector<uint32_t> mark_;
  uint32_t round_ = 0;
  size_t members_ = 0;
  std::unordered_map<StateSet, uint32_t, VectorHash> ids_, alike_ids_;
  std::vector<const StateSet*> sets_;  // into ids_, whose nodes stay where they are
};

/// The product of two automata; a missing state of the second is kNone.
Result<Dfa> product(const Dfa& a, const Dfa& b, bool subtracting, size_t states_max) {
  Dfa result;
  if (a.states.empty()) return result;
  std::unordered_map<uint64_t, uint32_t> ids;
  std::vector<std::pair<uint32_t, uint32_t>> all;
  const auto intern = [&](uint32_t x, uint32_t y) {
    const auto [it, added] = ids.try_emplace((uint64_t{x} << 32) | y, static_cast<uint32_t>(result.states.size()));
    if (added) {
      const bool second = y != kNone && b.states[y].accepting;
      result.states.push_back({.accepting = a.states[x].accepting && second != subtracting, .alike = it->second});
      all.emplace_back(x, y);
    }
    return it->second;
  };
  const uint32_t none = b.states.empty() ? kNone : 0;
  if (none == kNone && !subtracting) return result;
  intern(0, none);
  for (uint32_t state = 0; state < result.states.size(); ++state) {
    if (result.states.size() > states_max) return too_many_states(states_max);
    const auto [x, y] = all[state];
    for (const DfaByteEdge& edge : a.states[x].bytes) {
      // Cut the edge where the second automaton's edges change.
      for (int byte = edge.first; byte <= edge.last;) {
        int last = edge.last;
        uint32_t target = kNone;
        if (y != kNone) {
          for (const DfaByteEdge& other : b.states[y].bytes) {
            if (other.last < byte) continue;
            if (other.first > byte) {
              last = std::min<int>(last, other.first - 1);
            } else {
              target = other.target;
              last = std::min<int>(last, other.last);
            }
            break;
          }
        }
        if (target != kNone || subtracting) {
          const uint32_t next = intern(edge.target, target);
          result.states[state].bytes.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(last), next});
        }
        byte = last + 1;
      }
    }
  }
  trim(result, {});
  minimize(result);
  return result;
}

void renumber(Dfa& dfa, const std::vector<uint32_t>& new_ids, size_t count) {
  std::vector<DfaState> states(count);
  for (size_t i = 0; i < dfa.states.size(); ++i) {
    if (new_ids[i] == kNone) continue;
    DfaState& state = states[new_ids[i]];
    if (!state.bytes.empty() || !state.symbols.empty() || state.accepting) continue;  // one of equals came before
    state = std::move(dfa.states[i]);
    std::erase_if(state.bytes, [&](const DfaByteEdge& edge) { return new_ids[edge.target] == kNone; });
    std::erase_if(state.symbols, [&](const DfaSymbolEdge& edge) { return new_ids[edge.target] == kNone; });
    for (DfaByteEdge& edge : state.bytes) edge.target = new_ids[edge.target];
    for (DfaSymbolEdge& edge : state.symbols) edge.target = new_ids[edge.target];
    // Edges that now lead to one state become one.
    size_t kept = 0;
    for (const DfaByteEdge& edge : state.bytes) {
      if (kept > 0 && state.bytes[kept - 1].target == edge.target && state.bytes[kept - 1].last + 1 == edge.first) {
        state.bytes[kept - 1].last = edge.last;
      } else {
        state.bytes[kept++] = edge;
      }
    }
    state.bytes.resize(kept);
  }
  dfa.states = std::move(states);
}

bool is_usable(const DfaSymbolEdge& edge, const std::vector<bool>& usable) {
  return edge.symbol.kind == Symbol::Kind::token || usable[edge.symbol.index];
}

/// What tells a state from others, given which class each state is in.
StateSet signature(const DfaState& state, const std::vector<uint32_t>& classes) {
  StateSet result = {state.accepting ? 1U : 0U};
  for (const DfaByteEdge& edge : state.bytes) {
    const uint32_t target = classes[edge.target];
    // Neighbouring ranges into one class are one range.
    if (result.size() >= 4 && result.back() == target && result[result.size() - 2] + 1 == edge.first) {
      result[result.size() - 2] = edge.last;
    } else {
      result.insert(result.end(), {edge.first, edge.last, target});
    }
  }
  result.push_back(kNone);
  for (const DfaSymbolEdge& edge : state.symbols) {
    result.insert(result.end(), {static_cast<uint32_t>(edge.symbol.kind), edge.symbol.index, classes[edge.target]});
  }
  return result;
}

/// Partition refinement (Hopcroft 1971): when a class splits, its largest part keeps the number, and only what leads to
/// the others is looked at again.
class Minimizer {
 public:
  explicit Minimizer(const Dfa& dfa) : dfa_(dfa), classes_(dfa.states.size(), 0), dirty_(dfa.states.size(), true) {
    const size_t count = dfa.states.size();
    sources_.resize(count);
    places_.resize(count);
    members_.resize(1);
    for (size_t i = 0; i < count; ++i) {
      const auto state = static_cast<uint32_t>(i);
      for (const DfaByteEdge& edge : dfa.states[i].bytes) sources_[edge.target].push_back(state);
      for (const DfaSymbolEdge& edge : dfa.states[i].symbols) sources_[edge.target].push_back(state);
      places_[i] = state;
      members_[0].push_back(state);
    }
    touched_ = members_[0];
  }

  /// The class of each state, numbered by their first states.
  std::vector<uint32_t> run(size_t& count) {
    while (!touched_.empty()) {
      StateSet round;
      round.swap(touched_);
      std::ranges::sort(round, {}, [this](uint32_t state) { return classes_[state]; });
      std::vector<StateSet> batches;
      for (size_t i = 0; i < round.size(); ++i) {
        if (i == 0 || classes_[round[i]] != classes_[round[i - 1]]) batches.emplace_back();
        batches.back().push_back(round[i]);
      }
      for (const StateSet& batch : batches) split(batch);
      for (const uint32_t state : moved_) {
        for (const uint32_t source : sources_[state]) {
          if (!dirty_[source]) touched_.push_back(source);
          dirty_[source] = true;
        }
      }
      moved_.clear();
    }
    StateSet names(members_.size(), kNone), result;
    uint32_t next = 0;
    for (const uint32_t each : classes_) {
      if (names[each] == kNone) names[each] = next++;
      result.push_back(names[each]);
    }
    count = next;
    return result;
  }

 private:
  void take_out(StateSet& members, uint32_t state) {
    members[places_[state]] = members.back();
    places_[members.back()] = places_[state];
    members.pop_back();
  }

  void rename(const StateSet& states, uint32_t name) {
    for (size_t i = 0; i < states.size(); ++i) {
      classes_[states[i]] = name;
      places_[states[i]] = static_cast<uint32_t>(i);
    }
  }

  /// `batch`: members of one class whose steps changed. The others are still alike: one stands for all.
  void split(const StateSet& batch) {
    const uint32_t old = classes_[batch.front()];
    StateSet rest = std::move(members_[old]);
    std::unordered_map<StateSet, StateSet, VectorHash> groups;
    for (const uint32_t state : batch) {
      dirty_[state] = false;
      take_out(rest, state);
      groups[signature(dfa_.states[state], classes_)].push_back(state);
    }
    std::vector<StateSet> parts;
    if (!rest.empty()) {
      auto same = groups.extract(signature(dfa_.states[rest.front()], classes_));
      if (same) rest.insert(rest.end(), same.mapped().begin(), same.mapped().end());
      parts.push_back(std::move(rest));
    }
    for (auto& [key, states] : groups) parts.push_back(std::move(states));
    const auto largest = std::ranges::max_element(parts, {}, [](const StateSet& part) { return part.size(); });
    if (largest != parts.begin()) std::iter_swap(largest, parts.begin());
    for (size_t i = 1; i < parts.size(); ++i) {
      rename(parts[i], static_cast<uint32_t>(members_.size()));
      moved_.insert(moved_.end(), parts[i].begin(), parts[i].end());
      members_.push_back(std::move(parts[i]));
    }
    // Of what stays only the batch may have a new place.
    const bool is_rest = parts.front().size() > batch.size();
    const size_t begin = is_rest ? parts.front().size() - std::min(batch.size(), parts.front().size()) : 0;
    for (size_t i = begin; i < parts.front().size(); ++i) places_[parts.front()[i]] = static_cast<uint32_t>(i);
    members_[old] = std::move(parts.front());
  }

  const Dfa& dfa_;
  StateSet classes_, places_;  // of a state: its class, and where in members_ it stands
  std::vector<bool> dirty_;
  std::vector<StateSet> sources_, members_;
  StateSet touched_;  // dirty states
  StateSet moved_;    // states with a new class
};

}  // namespace

uint32_t Nfa::add_state() {
  const auto id = static_cast<uint32_t>(states.size());
  states.push_back({.alike = id});
  return id;
}

void Nfa::add_edge(uint32_t from, NfaEdge edge) {
  edge.next = states[from].first_edge;
  states[from].first_edge = static_cast<uint32_t>(edges.size());
  edges.push_back(edge);
}

uint32_t Dfa::next(uint32_t state, uint8_t byte) const {
  for (const DfaByteEdge& edge : states[state].bytes) {
    if (byte <= edge.last) return byte >= edge.first ? edge.target : kNone;
  }
  return kNone;
}

bool Dfa::matches(std::string_view bytes) const {
  if (states.empty()) return false;
  uint32_t state = 0;
  for (const char c : bytes) {
    state = next(state, static_cast<uint8_t>(c));
    if (state == kNone) return false;
  }
  return states[state].accepting;
}

Result<Dfa> determinize(const Nfa& nfa, size_t states_max) {
  return Determinizer(nfa, states_max).run();
}

void trim(Dfa& dfa, const std::vector<bool>& usable) {
  const size_t count = dfa.states.size();
  std::vector<std::vector<uint32_t>> sources(count);
  std::vector<uint32_t> work;
  std::vector<bool> alive(count, false);
  for (size_t i = 0; i < count; ++i) {
    const auto state = static_cast<uint32_t>(i);
    for (const DfaByteEdge& edge : dfa.states[i].bytes) sources[edge.target].push_back(state);
    std::erase_if(dfa.states[i].symbols, [&](const DfaSymbolEdge& edge) { return !is_usable(edge, usable); });
    for (const DfaSymbolEdge& edge : dfa.states[i].symbols) sources[edge.target].push_back(state);
    if (!dfa.states[i].accepting) continue;
    alive[i] = true;
    work.push_back(state);
  }
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    for (const uint32_t source : sources[state]) {
      if (alive[source]) continue;
      alive[source] = true;
      work.push_back(source);
    }
  }
  if (count == 0 || !alive[0]) {
    dfa.states.clear();
    return;
  }
  std::vector<uint32_t> new_ids(count, kNone);
  uint32_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    if (alive[i]) new_ids[i] = kept++;
  }
  if (kept < count || std::ranges::find(alive, false) != alive.end()) renumber(dfa, new_ids, kept);
}

void minimize(Dfa& dfa) {
  if (dfa.states.size() < 2) return;
  Minimizer minimizer(dfa);
  size_t count = 0;
  const std::vector<uint32_t> classes = minimizer.run(count);
  if (count < dfa.states.size()) renumber(dfa, classes, count);
}

Result<Dfa> intersect(const Dfa& a, const Dfa& b, size_t states_max) {
  return product(a, b, false, states_max);
}

Result<Dfa> subtract(const Dfa& a, const Dfa& b, size_t states_max) {
  return product(a, b, true, states_max);
}

}  // namespace kedge::grammar
