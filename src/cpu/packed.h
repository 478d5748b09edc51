#pragma once
// Weights laid out once for fast products with activations of 8 bits: `--compute int8`.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "core/thread_pool.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// A packed matrix: the bytes that `pack` wrote, on a cache-line border.
struct PackedView {
  DType dtype = DType::f32;  // what it was packed from
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t block_columns = 0;              // that share a head in the packed form
  const int32_t* column_order = nullptr;  // as in WeightView
};

/// Outputs of a panel: matrices that lie side by side are one where all but the last have whole panels.
inline constexpr int64_t kPackedRows = 16;

/// The stored types that have a packed form.
std::span<const DType> packable_types();
bool has_packed_form(DType dtype);

/// REQUIRES: has_packed_form(w.dtype).
size_t packed_bytes(const WeightView& w);
/// What `pack` made of `w`, at `data`.
PackedView packed_view(const WeightView& w, const std::byte* data);
/// Rearranges every code and scale of `w`; no value changes. out: packed_bytes(w) bytes on a cache-line border.
PackedView pack(WorkerPool& pool, const WeightView& w, std::byte* out);

/// y = x * w + bias. compute int8: each row of x rounded to 8 bits in groups of 32 (scale = largest magnitude / 127,
/// codes to nearest even); the same bits on every instruction set, whatever x.count is. compute bf16_tiles: the bits of
/// `matmul` in bf16_tiles with the stored weights. With x.norm the bits of rms_norm and this after it;
/// with y.added those of this and add_scaled.
/// With y.update the bits of this and low_rank_add.
/// REQUIRES: for bf16_tiles, a CPU with tile registers; no norm where w has a column order; of y.added and y.update one
/// at most.
void packed_matmul(WorkerPool& pool, const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias,
                   MatmulCompute compute);

/// What a gated product does besides multiplying.
struct Gate {
  Activation activation = Activation::silu;
  const float* bias = nullptr;  // of both halves; may be null
};
/// The first half of w's rows gates the second: y[i, j] = act(x[i] * w[j] + bias[j]) * (x[i] * w[size + j] +
/// bias[size + j]) for j in [0, size), size = w.rows / 2; y.update updates both factors. The bits of packed_matmul and
/// gated_activation after it.
/// REQUIRES: as there; size is a multiple of kPackedRows; w has no column order; y is not added.
void packed_gated_matmul(WorkerPool& pool, const PackedView& w, const Gate& gate, const InputRows& x,
                         const OutputRows& y, MatmulCompute compute);

}  // namespace kedge::cpu
