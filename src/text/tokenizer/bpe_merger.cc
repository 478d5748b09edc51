#include "text/tokenizer/bpe_merger.h"

#include <algorithm>
#include <functional>

namespace kedge::text {
namespace {

constexpr uint32_t kNone = PairTable::kNone;

/// Least rank first, then the leftmost.
uint64_t candidate(uint32_t rank, uint32_t position) {
  return static_cast<uint64_t>(rank) << 32 | position;
}

}  // namespace

void BpeMerger::merge(EncodeWorkspace& workspace) const {
  if (workspace.symbols.size() < 2) return;
  if (workspace.symbols.size() <= kShortMax) {
    merge_short(workspace.symbols);
  } else {
    merge_long(workspace);
  }
}

void BpeMerger::rank_pair(Symbol& left, const Symbol& right) const {
  const PairTable::Value value = merges_.find(left.id, right.id);
  left.rank = value.first;
  left.merged = value.second;
}

void BpeMerger::merge_short(Symbols& symbols) const {
  for (size_t i = 0; i + 1 < symbols.size(); ++i) rank_pair(symbols[i], symbols[i + 1]);
  symbols.back().rank = kNone;
  while (true) {
    const auto best = std::min_element(symbols.begin(), symbols.end(),
                                       [](const Symbol& a, const Symbol& b) { return a.rank < b.rank; });
    if (best->rank == kNone) return;
    best->id = best->merged;
    symbols.erase(best + 1);
    if (best + 1 == symbols.end()) {
      best->rank = kNone;
    } else {
      rank_pair(*best, *(best + 1));
    }
    if (best != symbols.begin()) rank_pair(*(best - 1), *best);
  }
}

void BpeMerger::merge_at(Symbols& symbols, uint32_t position) const {
  Symbol& symbol = symbols[position];
  Symbol& absorbed = symbols[symbol.next];
  symbol.id = symbol.merged;
  symbol.next = absorbed.next;
  absorbed.rank = kNone;
  if (symbol.next == kNone) {
    symbol.rank = kNone;
  } else {
    symbols[symbol.next].previous = position;
    rank_pair(symbol, symbols[symbol.next]);
  }
  if (symbol.previous != kNone) rank_pair(symbols[symbol.previous], symbol);
}

void BpeMerger::merge_long(EncodeWorkspace& workspace) const {
  Symbols& symbols = workspace.symbols;
  auto& heap = workspace.candidates;
  heap.clear();
  const auto count = static_cast<uint32_t>(symbols.size());
  for (uint32_t i = 0; i < count; ++i) {
    symbols[i].previous = i == 0 ? kNone : i - 1;
    symbols[i].next = i + 1 == count ? kNone : i + 1;
    symbols[i].rank = kNone;
    if (i + 1 < count) rank_pair(symbols[i], symbols[i + 1]);
    if (symbols[i].rank != kNone) heap.push_back(candidate(symbols[i].rank, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](uint32_t position) {
    if (position == kNone || symbols[position].rank == kNone) return;
    heap.push_back(candidate(symbols[position].rank, position));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto rank = static_cast<uint32_t>(heap.back() >> 32);
    const auto position = static_cast<uint32_t>(heap.back());
    heap.pop_back();
    if (symbols[position].rank != rank) continue;  // the pair has changed since it was pushed
    merge_at(symbols, position);
    push(symbols[position].previous);
    push(position);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i != kNone; i = symbols[i].next) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

}  // namespace kedge::text
