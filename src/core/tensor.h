#pragma once
// A named, typed, shaped view of bytes that someone else owns (a mapped file, usually).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace kedge {

struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;       // row-major, slowest dimension first: [rows, columns] for a matrix
  std::span<const std::byte> data;  // exactly rows * row_bytes(columns) bytes
};

/// "[4096, 11008]", as messages print a shape.
std::string shape_text(std::span<const int64_t> shape);

}  // namespace kedge
