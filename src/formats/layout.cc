#include "formats/layout.h"

namespace kedge::formats {

std::optional<int64_t> element_count(std::span<const int64_t> shape) {
  int64_t product = 1;
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

std::optional<int64_t> tensor_bytes(DType dtype, std::span<const int64_t> shape) {
  const std::optional<int64_t> elements = element_count(shape);
  if (!elements.has_value()) return std::nullopt;
  const DTypeInfo& info = info_of(dtype);
  const int64_t columns = shape.empty() ? 1 : shape.back();
  if (columns % info.block_elements != 0) return std::nullopt;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(*elements / info.block_elements, static_cast<int64_t>(info.block_bytes), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace kedge::formats
