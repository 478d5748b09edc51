#pragma once
// What this machine can do at best: the bounds that measured speeds are compared with.

#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "kedge/result.h"

namespace kedge::cpu {

/// Of all threads of a pool together. An operation is a multiplication or an addition: a product that is added to a sum
/// counts as two.
struct MachineLimits {
  double read_bytes_per_second = 0;       // from main memory
  double f32_operations_per_second = 0;   // each with the fastest instruction that the active instruction set has
  double bf16_operations_per_second = 0;  // f32's where it has none for bf16
  double int8_operations_per_second = 0;
};

/// Streams over memory and multiplies in registers, on every thread of `pool`, for about a second; the best of several
/// passes counts, as other programs only ever take something away. Fails with out_of_memory.
Result<MachineLimits> measure_limits(WorkerPool& pool);

/// The sum of all words, read by every thread of `pool` in one pass: what a measurement of memory times.
uint64_t sum_of(WorkerPool& pool, std::span<const uint64_t> words);

}  // namespace kedge::cpu
