#pragma once
// What the benchmarks of this folder share.

#include "core/thread_pool.h"

namespace kedge::cpu {

/// One pinned thread for each core that the process may use: `taskset -c 0` gives one.
inline WorkerPool& pool() {
  static WorkerPool workers(0, true);
  return workers;
}

}  // namespace kedge::cpu
