#pragma once
// The triangular factor of a symmetric matrix that GPTQ walks along.

#include "quantize/matrix.h"

namespace kedge::quantize {

/// Turns the lower triangle of a symmetric positive definite A into that of G with A = G^T G, in place (the part above
/// the diagonal is neither read nor kept). False where A is not positive definite, with the contents lost.
bool factor_from_the_end(WorkerPool& pool, Matrix& a);

}  // namespace kedge::quantize
