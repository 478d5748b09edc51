#pragma once
// oneDNN as a second provider of matrix products: `--gemm onednn`. Its library is loaded while the program runs, so
// that the program starts where there is none.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "kedge/result.h"

namespace kedge::cpu {

/// Loads the library on the first call, which fixes the instruction sets that it may use to active_isa(). Fails with
/// unsupported, saying what was looked for and where, or that this build has no oneDNN.
Status load_onednn();

/// "oneDNN 3.2.0, 4011219, avx512_core_amx": all that a layout depends on. REQUIRES: load_onednn succeeded.
std::string onednn_version();

/// A matrix as `lay_out_blocked` wrote it, on a cache-line border.
struct BlockedView {
  MatmulCompute compute = MatmulCompute::f32;
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  const int32_t* column_order = nullptr;  // as in WeightView
};

/// Whether oneDNN multiplies `w` so that a row's result depends on that row alone: f32 weights in f32, f32 and bf16
/// ones in bf16, INT8 with one scale a row in int8, where the CPU has its block kernels. False unless load_onednn
/// succeeded.
bool has_blocked_form(const WeightView& w, MatmulCompute compute);

/// REQUIRES for all that follows: has_blocked_form.
size_t blocked_bytes(const WeightView& w, MatmulCompute compute);
/// What `lay_out_blocked` made of `w`, at `data`.
BlockedView blocked_view(const WeightView& w, MatmulCompute compute, const std::byte* data);
/// out: blocked_bytes on a cache-line border.
BlockedView lay_out_blocked(WorkerPool& pool, const WeightView& w, MatmulCompute compute, std::byte* out);

/// y = x * w + bias. int8: each row of x rounded to 8 bits with one scale (packed_matmul has one for each 32 columns),
/// codes summed exactly.
void blocked_matmul(WorkerPool& pool, const BlockedView& w, const InputRows& x, const OutputRows& y, const float* bias);

}  // namespace kedge::cpu
