#pragma once
// Products of many tokens in tile registers.

#include "core/thread_pool.h"
#include "cpu/kernel_table.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// As `matmul` in bf16, with the sums of TDPBF16PS. REQUIRES: table.tile_product and table.pack_tokens are there.
void tile_matmul(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x,
                 const OutputRows& y, const float* bias);

}  // namespace kedge::cpu
