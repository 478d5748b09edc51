#pragma once
// Low-rank updates of matrix products (LoRA, Hu et al. 2021): groups of rows of one batch, each with matrices of its
// own.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "core/thread_pool.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// B of an update, for some of the product's outputs.
struct LowRankOutputs {
  int64_t first = 0;  // of the product's outputs
  int64_t count = 0;
  int64_t first_rank = 0;  // of A's rows
  int64_t rank = 0;
  const std::byte* panels = nullptr;  // as pack_low_rank lays them out for A's type
  const float* gain = nullptr;        // of each output; null: 1 (DoRA, Liu et al. 2024)
  const float* offset = nullptr;      // of each output; null: 0
};

/// One update: y[n] = gain[n] * y[n] + offset[n] + sum_r B[n, r] * (A[r] . x), for the outputs that `outputs` cover.
struct LowRank {
  WeightView a;  // [ranks, columns], f32, bf16 or q8_0
  std::span<const LowRankOutputs> outputs;
};

/// Rows of a batch that one update is for.
struct LowRankRows {
  const LowRank* update = nullptr;
  int64_t first = 0;
  int64_t count = 0;
};

size_t low_rank_bytes(DType dtype, int64_t outputs, int64_t rank);
/// Lays out B [outputs, rank] as it is (f32), or rounded to bf16, or (q8_0) to codes of 8 bits with a scale for each
/// sixteen outputs. out: low_rank_bytes(...) bytes.
void pack_low_rank(std::span<const float> b, int64_t rank, DType dtype, std::byte* out);

/// What the As of a batch's groups make of its rows.
struct LowRankProjection {
  std::span<const LowRankRows> groups;
  const float* data = nullptr;  // rows of the groups one after the other
  int64_t stride = 0;
  /// Not null: the same in bf16, for the second half in tiles; narrow_stride elements between rows.
  const uint16_t* narrow = nullptr;
  int64_t narrow_stride = 0;
};
/// The first half of low_rank_add, for products that do the second half while their outputs are in the caches
/// (OutputRows::update). compute bf16_tiles: both halves in tile registers, x
/// and the projection rounded to bf16; else x as it is. Valid until the
/// calling thread's next call. REQUIRES: no norm on x.
LowRankProjection low_rank_project(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x,
                                   MatmulCompute compute = MatmulCompute::f32);

/// Some rows of a batch by some outputs of its product.
struct OutputBlock {
  int64_t first_row = 0, rows = 0;
  int64_t first = 0, outputs = 0;  // `first` lies a multiple of 16 behind each LowRankOutputs that begins before it
  float* y = nullptr;              // of the first row and output
  int64_t y_stride = 0;
};
/// The second half of it on the calling thread.
void low_rank_apply(const LowRankProjection& projection, const OutputBlock& block);

/// Updates rows of y, a product of x's. Other rows stay as they are; a row's result depends on that row alone.
/// REQUIRES: no norm on x, and y is not added.
void low_rank_add(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x, const OutputRows& y,
                  MatmulCompute compute = MatmulCompute::f32);

/// The second half of it on the calling thread: y[i, n] += sum_r B[n, r] * projected[i, r].
void low_rank_rows(const LowRankOutputs& outputs, DType dtype, const InputRows& projected, const OutputRows& y);

}  // namespace kedge::cpu
