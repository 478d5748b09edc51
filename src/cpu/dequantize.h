#pragma once
// The definition of every stored number type: rows of weights as float32. Vector kernels are compared with this.

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace kedge::cpu {

/// out[columns] = the row as float32, with the roundings of the GGUF reference (products of scales first). `row` needs
/// no alignment. REQUIRES: row_bytes(dtype, columns) bytes at `row`; columns a whole number of blocks.
void dequantize_row_scalar(DType dtype, const std::byte* row, int64_t columns, float* out);

/// The 16 values of IQ4_NL and IQ4_XS codes.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace kedge::cpu
