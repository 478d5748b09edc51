#pragma once
// GPTQ (Frantar et al. 2022): weights are rounded column by column, and what a column lost is made good by those after
// it, as the inputs of the calibration text weigh them.

#include "core/thread_pool.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

struct GptqOptions {
  double damping = 0.01;         // added to the diagonal, of its mean
  bool activation_order = true;  // columns with the strongest inputs first; groups stay where they are
  /// InputStatistics::cross(): outputs are then those of the source's inputs as nearly as ours allow, so that what the
  /// layers before lost is made good too (Li et al. 2025, GPTAQ). May be null.
  const Matrix* cross = nullptr;
};

/// `gram`: InputStatistics::gram() of the inputs.
CodedMatrix gptq(WorkerPool& pool, const Matrix& weights, const Matrix& gram, CodedMatrix coded,
                 const GptqOptions& options);

/// Coded matrix whose grids cost the least by the strength of each input alone, codes not yet chosen.
CodedMatrix grids_for_inputs(WorkerPool& pool, const Matrix& weights, const Matrix& gram, const Format& format,
                             DType scale_type);

}  // namespace kedge::quantize
