#pragma once
// The merges of a BPE vocabulary and the loop that applies them.

#include <cstdint>
#include <vector>

#include "text/tokenizer/pair_table.h"
#include "text/tokenizer/token_model.h"

namespace kedge::text {

/// Merges the adjacent pair of lowest rank, leftmost first, until no pair has a rank.
class BpeMerger {
 public:
  using Symbol = EncodeWorkspace::Symbol;
  using Symbols = EncodeWorkspace::Symbols;

  void reserve(size_t count) { merges_.reserve(count); }

  /// The first rank given to a pair stays.
  void add(uint32_t left, uint32_t right, uint32_t rank, uint32_t merged) { merges_.add(left, right, {rank, merged}); }

  [[gnu::always_inline]] void prefetch(uint32_t left, uint32_t right) const { merges_.prefetch(left, right); }

  [[nodiscard]] size_t count() const { return merges_.count(); }

  /// Merges `workspace.symbols` in place. Of each symbol `id` and `begin` are read and written, in n log n time.
  void merge(EncodeWorkspace& workspace) const;

 private:
  void rank_pair(Symbol& left, const Symbol& right) const;
  void merge_short(Symbols& symbols) const;
  void merge_long(EncodeWorkspace& workspace) const;
  void merge_at(Symbols& symbols, uint32_t position) const;

  // Up to here scanning all pairs for the least rank beats a heap: most words have fewer than ten symbols.
  static constexpr size_t kShortMax = 40;

  PairTable merges_;  // (symbol, symbol) -> (rank, symbol)
};

}  // namespace kedge::text
