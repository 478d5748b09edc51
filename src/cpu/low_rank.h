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
  const std::byte* panels = nullptr;  // as pack_low_rank lays them out, of A's type
  const float* gain = nullptr;        // of each output; null: 1 (DoRA, Liu et al. 2024)
  const float* offset = nullptr;      // of each output; null: 0
};

/// One update: y[n] = gain[n] * y[n] + offset[n] + sum_r B[n, r] * (A[r] . x), for the outputs that `outputs` cover.
struct LowRank {
  WeightView a;  // [ranks, columns], f32 or bf16
  std::span<const LowRankOutputs> outputs;
};

/// Rows of a batch that one update is for.
struct LowRankRows {
  const LowRank* update = nullptr;
  int64_t first = 0;
  int64_t count = 0;
};

size_t low_rank_bytes(DType dtype, int64_t outputs, int64_t rank);
/// Lays out B [outputs, rank], f32 or rounded to bf16. out: low_rank_bytes(...) bytes.
void pack_low_rank(std::span<const float> b, int64_t rank, DType dtype, std::byte* out);

/// Updates rows of y, a product of x's. Other rows stay as they are; a row's result depends on that row alone.
/// REQUIRES: no norm on x, and y is not added.
void low_rank_add(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x, const OutputRows& y);

/// The second half of it on the calling thread: y[i, n] += sum_r B[n, r] * projected[i, r].
void low_rank_rows(const LowRankOutputs& outputs, DType dtype, const InputRows& projected, const OutputRows& y);

}  // namespace kedge::cpu
