#pragma once
// Products of many tokens in tile registers.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/kernel_table.h"
#include "cpu/ops.h"
#include "cpu/product_output.h"

namespace kedge::cpu {

/// The most outputs whose sums a worker keeps at once (with those of 512 tokens, half a megabyte).
inline constexpr int64_t kTileOutputsMax = 256;
/// In what units `rows` outputs are dealt to workers: as many as a quarter of the second-level cache holds the sums of,
/// or fewer where there are not enough for all.
int64_t tile_outputs_at_once(int64_t rows, int64_t workers);

/// Rows of activations packed for tile registers, in this thread's scratch: an input as product_output.h says. Products
/// are those of `matmul` in bf16, with the sums of TDPBF16PS.
class TileRows {
 public:
  static constexpr int64_t kTokensMax = 512;

  /// For weights of w's shape. REQUIRES: table.tile_product and table.pack_tokens are there; at most kTokensMax rows.
  TileRows(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x);

  [[nodiscard]] int64_t grain() const { return unit_; }
  [[nodiscard]] int64_t kept_outputs() const { return std::max(2 * kTileSide, unit_ / 2); }
  void multiply(const Factor<WeightView>& factor, const OutputRange& outputs) const;

 private:
  void pack(WorkerPool& pool, const InputRows& x);
  [[nodiscard]] size_t group_bytes(int64_t first) const;
  [[nodiscard]] size_t packed_offset(int64_t first) const;
  void multiply_panel(const Factor<WeightView>& factor, const OutputRange& outputs) const;

  const KernelTable& table_;
  int64_t columns_;      // of the weights
  int64_t all_columns_;  // of the packed tokens
  int64_t count_;
  int64_t groups_;  // of tokens
  int64_t unit_;    // outputs whose sums stay in the second-level cache
  std::byte* packed_ = nullptr;
};

/// The product of few weights, outputs that one worker keeps the sums of, by rows that the calling thread alone packs,
/// block of columns by block: a worker's share of a batch. The same bits as TileRows::multiply. REQUIRES: as there, and
/// no norm on x.
void multiply_few_in_tiles(const KernelTable& table, const WeightView& w, const InputRows& x, const OutputRows& y);

}  // namespace kedge::cpu
