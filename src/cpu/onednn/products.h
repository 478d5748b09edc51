#pragma once
// oneDNN's matrix product primitives, made once for each shape.

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "cpu/onednn/library.h"
#include "cpu/ops.h"

namespace kedge::cpu::onednn {

using MemoryDesc = Owned<dnnl_memory_desc>;

/// y[rows, outputs] = x[rows, columns] * w[columns, outputs], of types by `compute`.
struct Shape {
  MatmulCompute compute = MatmulCompute::f32;
  int64_t rows = 0;
  int64_t outputs = 0;
  int64_t columns = 0;
  int64_t y_stride = 0;  // elements; those of x lie without holes
  auto operator<=>(const Shape&) const = default;
};

/// One primitive. Any thread may run it.
class Product {
 public:
  /// Null when oneDNN has no kernel for the shape that sums over k in one order whatever `rows` is. `weights`: the
  /// layout; null: oneDNN chooses it.
  static std::unique_ptr<Product> make(const Library& library, const Shape& shape, const_dnnl_memory_desc_t weights);

  /// Runs on the calling thread alone. x: f32, bf16 or u8; y: f32, for int8 i32.
  void run(const void* x, const void* weights, void* y) const;

  [[nodiscard]] const_dnnl_memory_desc_t weights() const { return weights_.get(); }
  [[nodiscard]] size_t weights_bytes() const { return library_.memory_desc_get_size(weights_.get()); }

 private:
  explicit Product(const Library& library) : library_(library) {}

  const Library& library_;
  MemoryDesc x_, weights_, y_, scratch_;
  Owned<dnnl_primitive> primitive_;
};

/// A plain row-major desc.
MemoryDesc matrix_desc(const Library& library, dnnl_data_type_t type, const dnnl_dims_t& sizes,
                       const dnnl_dims_t& strides);
dnnl_data_type_t weight_type(MatmulCompute compute);

/// All primitives of the process. Any thread.
class Products {
 public:
  static Products& instance();

  /// Null as Product::make says. The layout of the weights is that of weights_of.
  const Product* find(const Shape& shape);
  /// The product whose layout of weights holds for every number of rows; null likewise.
  const Product* weights_of(MatmulCompute compute, int64_t outputs, int64_t columns);

 private:
  const Product* find_locked(const Shape& shape, const_dnnl_memory_desc_t weights);

  std::mutex mutex_;
  std::map<Shape, std::unique_ptr<Product>> products_;
};

/// This thread's stream.
dnnl_stream_t stream(const Library& library);

}  // namespace kedge::cpu::onednn
