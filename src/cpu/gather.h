#pragma once
// Activations in the order of a matrix's columns, for weights that lie in another order than their inputs.

#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/ops.h"

namespace kedge::cpu {

/// Rows of `columns` elements: element k is element order[k] of x's row. Valid until this thread's next call.
InputRows gathered(WorkerPool& pool, const InputRows& x, const int32_t* order, int64_t columns);

}  // namespace kedge::cpu
