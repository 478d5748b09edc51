#pragma once
// Byte counts of shapes, with every product checked.

#include <cstdint>
#include <optional>
#include <span>

#include "core/dtype.h"

namespace kedge::formats {

/// Elements of a shape; nothing when a dimension is negative or when the product of its non-zero dimensions overflows
/// (so that a product of any of them is safe later, also beside a zero). An empty shape is a scalar: 1.
std::optional<int64_t> element_count(std::span<const int64_t> shape);

/// Bytes of a tensor as stored; nothing when element_count has nothing, when the last dimension is not a whole number
/// of blocks, or when the product overflows int64.
std::optional<int64_t> tensor_bytes(DType dtype, std::span<const int64_t> shape);

}  // namespace kedge::formats
