#include "cpu/gather.h"

#include "cpu/scratch.h"

namespace kedge::cpu {

InputRows gathered(WorkerPool& pool, const InputRows& x, const int32_t* order, int64_t columns) {
  thread_local Scratch scratch;
  auto* const rows = reinterpret_cast<float*>(scratch.take(static_cast<size_t>(x.count * columns) * sizeof(float)));
  pool.parallel_for(x.count, 8, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < columns; ++k) rows[i * columns + k] = x.data[i * x.stride + order[k]];
    }
  });
  return {rows, columns, x.count};
}

}  // namespace kedge::cpu
