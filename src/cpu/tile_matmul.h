#pragma once
// Products of many tokens in tile registers.

#include "core/thread_pool.h"
#include "cpu/kernel_table.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// The most outputs whose sums a worker keeps at once (with those of 512 tokens, half a megabyte).
inline constexpr int64_t kTileOutputsMax = 256;
/// In what units `rows` outputs are dealt to workers: as many as a quarter of the second-level cache holds the sums of,
/// or fewer where there are not enough for all.
int64_t tile_outputs_at_once(int64_t rows, int64_t workers);

/// As `matmul` in bf16, with the sums of TDPBF16PS. REQUIRES: table.tile_product and table.pack_tokens are there.
void tile_matmul(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x,
                 const OutputRows& y, const float* bias);

}  // namespace kedge::cpu
