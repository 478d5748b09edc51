#pragma once
// Which kernels run: the tables of an instruction set and of those below it, laid over one another once.

#include <vector>

#include "core/dtype.h"
#include "cpu/isa.h"
#include "cpu/kernel_table.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// The complete table of `isa`: its own kernels, and those of the sets that it includes for what it leaves out.
const KernelTable& kernels_of(Isa isa);

/// The table of active_isa().
const KernelTable& kernels();

/// Every set with kernels of its own that this CPU runs, lowest first. Tests and benchmarks walk it.
std::vector<Isa> runnable_isas();

/// REQUIRES: a dtype that WeightView allows.
const FormatKernels& format_of(const KernelTable& table, DType dtype);

MapKernel map_kernel(const KernelTable& table, Activation act);
GateKernel gate_kernel(const KernelTable& table, Activation act);

/// `columns` elements from a block's border on, as f32.
void dequantize(const KernelTable& table, DType dtype, const std::byte* row, int64_t columns, float* out);

}  // namespace kedge::cpu
