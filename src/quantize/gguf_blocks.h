#pragma once
// Floats to the blocks of GGUF files, with the roundings of the reference (ggml-quants.c): Q8_0, Q5_0 and Q4_0 by their
// definition, Q4_K and Q6_K with its search for scales.

#include <cstddef>

#include "core/dtype.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

/// Whether `encode_row` knows the type: F32, F16, BF16, Q8_0, Q5_0, Q4_0, Q4_K, Q6_K.
bool has_encoder(DType dtype);

/// One row. REQUIRES: has_encoder(dtype), columns a whole number of blocks, row_bytes(dtype, columns) bytes at `out`.
void encode_row(DType dtype, const float* values, int64_t columns, std::byte* out);

/// All rows, one after the other.
std::vector<std::byte> encoded(WorkerPool& pool, DType dtype, const Matrix& values);

}  // namespace kedge::quantize
