#include "grammar/mask_maker.h"

#include <array>

#include "grammar/hashing.h"

namespace kedge::grammar {
namespace {

constexpr size_t kSetsMax = 20'000;
constexpr size_t kStacksMax = 200'000;

void set_bit(std::span<uint64_t> mask, TokenId token) {
  mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}

}  // namespace

size_t MaskMaker::Hash::operator()(const Configurations& set) const {
  uint64_t hash = mix(set.complete ? 1 : 0);
  for (const Configuration& item : set.items) hash = mix(hash ^ ((uint64_t{item.state} << 32) | item.stack));
  return hash;
}

void MaskMaker::forget_if_full() {
  if (sets_.empty() || sets_.size() > kSetsMax || stepper_.stacks.size() > kStacksMax) {
    sets_.clear();
    transitions_.clear();
    starts_.clear();
    ids_.clear();
    stepper_.stacks.clear();
    intern({});  // kDead
  }
}

uint32_t MaskMaker::intern(const Configurations& set) {
  const auto [it, added] = ids_.try_emplace(set, static_cast<uint32_t>(sets_.size()));
  if (added) {
    sets_.push_back(&it->first);
    transitions_.resize(sets_.size() * grammar_.class_count(), kUnknown);
  }
  return it->second;
}

uint32_t MaskMaker::start(uint32_t state) {
  const auto [it, added] = starts_.try_emplace(state, kDead);
  if (added) {
    Configurations set;
    stepper_.start(state, set);
    it->second = intern(set);
  }
  return it->second;
}

uint32_t MaskMaker::next(uint32_t set, uint8_t byte) {
  const size_t entry = size_t{set} * grammar_.class_count() + grammar_.class_of(byte);
  if (transitions_[entry] == kUnknown) {
    Configurations to;
    stepper_.step(*sets_[set], byte, to);
    const uint32_t id = intern(to);
    transitions_[entry] = id;
  }
  return transitions_[entry];
}

std::shared_ptr<const StateMask> MaskMaker::mask_of(uint32_t state) {
  const MaskKey& key = grammar_.mask_key(state);
  if (std::shared_ptr<const StateMask> found = vocabulary_.masks().find(key)) return found;
  auto made = std::make_shared<StateMask>();
  made->allowed.resize(vocabulary_.mask_words());
  // The state itself, not what its rule's end or calls lead to: those are configurations of their own.
  Configurations here;
  here.items = {{state, 0}};
  walk_set(intern(here), 0, {vocabulary_.tree(), made->allowed, &made->ends, nullptr, 0});
  made->ends.shrink_to_fit();
  vocabulary_.masks().add(key, made);
  return made;
}

/// The tokens below `node`, from `state` with nothing above the walk's stack.
void MaskMaker::walk(uint32_t state, uint32_t node, const Walk& walk) {
  const uint32_t set = start(state);
  if (sets_[set]->complete && walk.stack != 0) walk_returns(node, walk);
  walk_set(set, node, walk);
}

void MaskMaker::walk_set(uint32_t set, uint32_t node, const Walk& walk) {
  const TokenTree& tree = walk.tree;
  std::array<uint32_t, 256> at;  // the set at each depth
  at[tree.depth[node]] = set;
  const uint32_t end = tree.skip[node];
  for (uint32_t i = node + 1; i < end;) {
    const uint32_t depth = tree.depth[i];
    const uint32_t reached = next(at[depth - 1], tree.byte[i]);
    if (reached == kDead) {
      i = tree.skip[i];
      continue;
    }
    at[depth] = reached;
    for (uint32_t t = tree.first_token[i]; t < tree.first_token[i + 1]; ++t) set_bit(walk.mask, tree.tokens[t]);
    if (sets_[reached]->complete && tree.has_children(i)) {
      if (walk.ends != nullptr) {
        walk.ends->push_back(i);
      } else if (walk.stack != 0) {
        walk_returns(i, walk);
      }
    }
    ++i;
  }
}

/// The bottom rule has ended at `node`: what called it goes on.
void MaskMaker::walk_returns(uint32_t node, const Walk& from) {
  const uint64_t pair = (uint64_t{node} << 32) | from.stack;
  if (!returned_.insert(pair).second) return;
  Walk above = from;
  above.stack = from.stacks->below(from.stack);
  walk(from.stacks->state(from.stack), node, above);
}

void MaskMaker::allow(const Configurations& at, const Stacks& stacks, bool first, std::span<uint64_t> mask) {
  forget_if_full();
  returned_.clear();
  for (const Configuration& item : at.items) {
    for (const Grammar::TokenStep& step : grammar_.tokens(item.state)) {
      if (static_cast<size_t>(step.token) / 64 < mask.size()) set_bit(mask, step.token);
    }
    if (first && vocabulary_.drops_first_space()) {
      allow_first(item, stacks, mask);
      continue;
    }
    const std::shared_ptr<const StateMask> own = mask_of(item.state);
    for (size_t word = 0; word < own->allowed.size(); ++word) mask[word] |= own->allowed[word];
    if (item.stack != 0) {
      const Walk short_tokens{vocabulary_.tree(), mask, nullptr, &stacks, stacks.below(item.stack)};
      for (const uint32_t node : own->ends) walk(stacks.state(item.stack), node, short_tokens);
    }
    Configurations here;
    here.items = {{item.state, 0}};
    returned_.clear();  // pairs name nodes of one tree
    walk_set(intern(here), 0, {vocabulary_.long_tree(), mask, nullptr, &stacks, item.stack});
    returned_.clear();
  }
}

/// Tokens without a space in front as they are, the others without that space.
void MaskMaker::allow_first(const Configuration& at, const Stacks& stacks, std::span<uint64_t> mask) {
  Configurations here;
  here.items = {{at.state, 0}};
  const uint32_t set = intern(here);
  for (const TokenTree* tree : {&vocabulary_.tree(), &vocabulary_.long_tree()}) {
    std::vector<uint64_t> all(mask.size());
    returned_.clear();
    walk_set(set, 0, {*tree, all, nullptr, &stacks, at.stack});
    for (uint32_t node = 1; node < tree->size(); node = tree->skip[node]) {
      if (tree->byte[node] != ' ') continue;
      for (uint32_t t = tree->first_token[node]; t < tree->first_token[tree->skip[node]]; ++t) {
        const auto token = static_cast<size_t>(tree->tokens[t]);
        all[token / 64] &= ~(uint64_t{1} << (token % 64));
      }
      returned_.clear();
      walk_set(set, node, {*tree, all, nullptr, &stacks, at.stack});
    }
    for (size_t word = 0; word < mask.size(); ++word) mask[word] |= all[word];
  }
  returned_.clear();
}

}  // namespace kedge::grammar
