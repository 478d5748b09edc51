#include "grammar/stepper.h"

#include <algorithm>

namespace kedge::grammar {
namespace {

constexpr size_t kFewMax = 24;  // up to here a look through a list beats a hash table
constexpr size_t kVisitedMax = 4 * kConfigurationsMax;

uint64_t packed(uint32_t a, uint32_t b) {
  return (uint64_t{a} << 32) | b;
}

}  // namespace

void Stacks::clear() {
  nodes_.assign(1, Node());
  ids_.clear();
}

uint32_t Stacks::push(uint32_t state, uint32_t below) {
  const uint32_t depth = nodes_[below].depth + 1;
  if (depth > kStackDepthMax) return kNone;
  const auto [it, added] = ids_.try_emplace(packed(state, below), static_cast<uint32_t>(nodes_.size()));
  if (added) nodes_.push_back({state, below, depth});
  return it->second;
}

void Stepper::begin(Configurations& out) {
  out.items.clear();
  out.complete = false;
  work_.clear();
  expanded_ = 0;
  seen_.clear();
}

void Stepper::visit(Configuration configuration) {
  if (work_.size() <= kFewMax) {
    if (std::ranges::find(work_, configuration) != work_.end()) return;
    if (work_.size() == kFewMax) {
      for (const Configuration& each : work_) seen_.insert(packed(each.state, each.stack));
      seen_.insert(packed(configuration.state, configuration.stack));
    }
  } else if (work_.size() >= kVisitedMax || !seen_.insert(packed(configuration.state, configuration.stack)).second) {
    return;
  }
  work_.push_back(configuration);
}

/// Follows calls and ends of rules until every configuration waits for a byte.
void Stepper::add(Configuration configuration, Configurations& out) {
  visit(configuration);
  for (; expanded_ < work_.size(); ++expanded_) {
    const Configuration at = work_[expanded_];
    if (grammar_->has_steps(at.state)) out.items.push_back(at);
    for (const Grammar::Call& call : grammar_->calls(at.state)) {
      // A call at the very end of a rule returns straight to that rule's caller.
      const uint32_t stack = grammar_->only_ends(call.target) ? at.stack : stacks.push(call.target, at.stack);
      if (stack != kNone) visit({call.start, stack});
    }
    if (!grammar_->accepting(at.state)) continue;
    if (at.stack == 0) {
      out.complete = true;
    } else {
      visit({stacks.state(at.stack), stacks.below(at.stack)});
    }
  }
}

void Stepper::finish(Configurations& out) {
  std::ranges::sort(out.items);
  if (out.items.size() > kConfigurationsMax) out.items.resize(kConfigurationsMax);
}

void Stepper::start(uint32_t state, Configurations& out) {
  begin(out);
  add({state, 0}, out);
  finish(out);
}

void Stepper::step(const Configurations& from, uint8_t byte, Configurations& out) {
  begin(out);
  const uint32_t byte_class = grammar_->class_of(byte);
  for (const Configuration& at : from.items) {
    const uint32_t target = grammar_->next(at.state, byte_class);
    if (target != kNone) add({target, at.stack}, out);
  }
  finish(out);
}

void Stepper::step_token(const Configurations& from, TokenId token, Configurations& out) {
  begin(out);
  for (const Configuration& at : from.items) {
    for (const Grammar::TokenStep& step : grammar_->tokens(at.state)) {
      if (step.token == token) add({step.target, at.stack}, out);
    }
  }
  finish(out);
}

void Stepper::compact(Configurations& set) {
  Stacks kept;
  std::unordered_map<uint32_t, uint32_t> names = {{0, 0}};
  for (Configuration& item : set.items) {
    std::vector<uint32_t> path;
    uint32_t stack = item.stack;
    for (; !names.contains(stack); stack = stacks.below(stack)) path.push_back(stack);
    uint32_t name = names[stack];
    for (size_t i = path.size(); i-- > 0;) {
      name = kept.push(stacks.state(path[i]), name);
      names[path[i]] = name;
    }
    item.stack = name;
  }
  stacks = std::move(kept);
  std::ranges::sort(set.items);
}

}  // namespace kedge::grammar
