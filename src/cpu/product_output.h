#pragma once
// What a worker does to outputs of a product while it has them in its caches: updates, gates. The same for weights as
// they are stored and packed ones.
//
// An Input is the rows of activations as some weights take them:
//   int64_t grain()         outputs that a worker takes at least
//   int64_t kept_outputs()  and at most, where those of two products are to stay in its caches
//   void multiply(const Factor& factor, const OutputRange& outputs)  on the calling thread

#include <algorithm>
#include <cstdint>

#include "core/check.h"
#include "core/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/kernel_table.h"
#include "cpu/low_rank.h"
#include "cpu/ops.h"
#include "cpu/scratch.h"

namespace kedge::cpu {

/// Weights and the bias of their outputs, which may be null. View: WeightView or PackedView.
template <typename View>
struct Factor {
  View w;
  const float* bias = nullptr;
};

/// Some of a matrix's rows and where their outputs go.
struct OutputRange {
  int64_t first = 0;
  int64_t count = 0;
  float* y = nullptr;  // of output `first`, token 0
  int64_t y_stride = 0;
  bool added = false;
  bool read_next = false;  // by this thread: outputs should stay in the caches
};

/// Calls function(some outputs) for `most` of them after the others.
template <typename Function>
void in_steps(const OutputRange& outputs, int64_t most, Function function) {
  for (int64_t done = 0; done < outputs.count; done += most) {
    OutputRange some = outputs;
    some.first += done;
    some.count = std::min(most, outputs.count - done);
    some.y += done;
    function(some);
  }
}

/// Where the rows of an input are: some of a batch's.
struct RowsOfBatch {
  int64_t first = 0;
  int64_t count = 0;
};

/// Some outputs, and what updates add to them. `first`: of the outputs that updates know.
template <typename Input, typename View>
void multiply_updated(const Input& input, const Factor<View>& factor, const LowRankProjection* update,
                      const RowsOfBatch& rows, OutputRange outputs, int64_t first) {
  outputs.read_next = outputs.read_next || update != nullptr;
  input.multiply(factor, outputs);
  if (update == nullptr) return;
  low_rank_apply(*update, {rows.first, rows.count, first, outputs.count, outputs.y, outputs.y_stride});
}

inline void activate(const KernelTable& table, Activation activation, const RowsOfBatch& rows,
                     const OutputRange& outputs) {
  const MapKernel kernel = map_kernel(table, activation);
  for (int64_t i = 0; i < rows.count; ++i) kernel(outputs.y + i * outputs.y_stride, outputs.count);
}

/// `before`: outputs that updates know before these.
template <typename Input, typename View>
void multiply(WorkerPool& pool, const Input& input, const Factor<View>& factor, const RowsOfBatch& rows,
              const OutputRows& y, int64_t before = 0) {
  KEDGE_DCHECK(y.added + (y.update != nullptr) + (y.activation != nullptr) <= 1);
  const bool finished = y.update != nullptr || y.activation != nullptr;  // while the worker has them
  const int64_t grain = finished ? std::max(input.grain(), kLowRankOutputs) : input.grain();
  pool.parallel_for_parts(factor.w.rows, grain, [&](int64_t begin, int64_t end, unsigned) {
    const int64_t step = finished ? input.kept_outputs() : end - begin;
    for (int64_t first = begin; first < end; first += step) {
      const OutputRange some{first, std::min(step, end - first), y.data + first, y.stride, y.added, finished};
      multiply_updated(input, factor, y.update, rows, some, before + first);
      if (y.activation != nullptr) activate(kernels(), *y.activation, rows, some);
    }
  });
}

/// The two products of a gated one, of one shape, and what one makes of the other.
template <typename View>
struct GatedFactors {
  Factor<View> gate, up;
  GateKernel kernel;
};

/// Updates know the outputs of `gate` and behind them those of `up`.
template <typename Input, typename View>
void multiply_gated(WorkerPool& pool, const Input& input, const GatedFactors<View>& factors, const RowsOfBatch& rows,
                    const OutputRows& y) {
  KEDGE_DCHECK(!y.added);
  const int64_t size = factors.gate.w.rows;
  const int64_t kept = input.kept_outputs();
  const int64_t grain = std::min(kept, std::max(input.grain(), kLowRankOutputs));
  pool.parallel_for_parts(size, grain, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const int64_t most = std::min(kept, end - begin);
    auto* const gates =
        reinterpret_cast<float*>(scratch.take(static_cast<size_t>(2 * rows.count * most) * sizeof(float)));
    float* const values = gates + rows.count * most;
    for (int64_t first = begin; first < end; first += kept) {
      const int64_t count = std::min(kept, end - first);
      multiply_updated(input, factors.gate, y.update, rows, {first, count, gates, most, false, true}, first);
      multiply_updated(input, factors.up, y.update, rows, {first, count, values, most, false, true}, size + first);
      for (int64_t i = 0; i < rows.count; ++i) {
        factors.kernel(gates + i * most, values + i * most, y.data + i * y.stride + first, count);
      }
    }
  });
}

}  // namespace kedge::cpu
