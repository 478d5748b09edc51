#pragma once
// The data caches of a core, from which products take the size of their blocks.

#include <cstdint>

namespace kedge::cpu {

struct CacheSizes {
  int64_t first = 0;   // bytes
  int64_t second = 0;  // likewise, of one core
};

/// What the system says, found once; where it says nothing (some containers), what the smallest CPUs of today have.
const CacheSizes& cache_sizes();

}  // namespace kedge::cpu
