// Matrices cut into slices of outputs, each in oneDNN's layout; workers take slices and blocks of rows, and call oneDNN
// on one thread each. Its own threads would stand beside the pool's and wait for one another: on two cores, 512 rows of
// 2048 x 2048 took between once and ten times as long so (Sapphire Rapids).

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/aligned.h"
#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/onednn.h"
#include "cpu/onednn/products.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

using onednn::Library;
using onednn::Product;
using onednn::Products;

// Enough to spread small matrices over the workers; wider ones were no faster (128 rows of 2048 columns in bf16: 879
// GFLOP/s on one core in slices of 128 outputs, 873 of 256, 789 of 512).
constexpr int64_t kSliceOutputs = 128;
// Of a primitive: powers of two up to here make up any number of rows, so that primitives stay few.
constexpr int64_t kRowsMax = 128;

int64_t slices_of(int64_t rows) {
  return (rows + kSliceOutputs - 1) / kSliceOutputs;
}

// Codes of activations become unsigned by this: oneDNN has no kernels of two signed operands for every shape.
constexpr int32_t kCodeOffset = 128;
// Of 8-bit products: sums of unsigned by signed codes stay below 2^31.
constexpr int64_t kInt8ColumnsMax = 65536;

/// Where a slice's parts lie: oneDNN's bytes, then for int8 three vectors over the outputs.
struct SliceLayout {
  size_t weights_bytes = 0;
  size_t vector_bytes = 0;
  [[nodiscard]] size_t scales() const { return weights_bytes; }
  [[nodiscard]] size_t zeros() const { return weights_bytes + vector_bytes; }
  [[nodiscard]] size_t offsets() const { return weights_bytes + 2 * vector_bytes; }  // kCodeOffset times sums of codes
  [[nodiscard]] size_t bytes() const { return weights_bytes + 3 * vector_bytes; }
};

SliceLayout slice_layout(MatmulCompute compute, int64_t outputs, int64_t columns) {
  const Product* const product = Products::instance().weights_of(compute, outputs, columns);
  KEDGE_CHECK(product != nullptr);
  const size_t vector =
      compute == MatmulCompute::int8 ? Arena::padded(static_cast<size_t>(outputs) * sizeof(float)) : 0;
  return {Arena::padded(product->weights_bytes()), vector};
}

/// The bytes of a whole slice: all but the last are.
size_t slice_bytes(MatmulCompute compute, int64_t rows, int64_t columns) {
  return slice_layout(compute, std::min(rows, kSliceOutputs), columns).bytes();
}

bool takes(const WeightView& w, MatmulCompute compute) {
  switch (compute) {
    case MatmulCompute::f32:
      return w.dtype == DType::f32;
    case MatmulCompute::bf16:
      return w.dtype == DType::bf16 || w.dtype == DType::f32;
    case MatmulCompute::int8:
      return w.dtype == DType::int8_scaled && w.scale_columns >= w.columns && w.columns <= kInt8ColumnsMax;
    case MatmulCompute::bf16_tiles:
      break;
  }
  return false;
}

/// Of activations, and of weights.
size_t element_bytes(MatmulCompute compute) {
  return compute == MatmulCompute::f32 ? sizeof(float) : compute == MatmulCompute::bf16 ? sizeof(uint16_t) : 1;
}

int32_t sum_of(const std::byte* codes, int64_t count) {
  int32_t sum = 0;
  for (int64_t k = 0; k < count; ++k) sum += static_cast<int8_t>(codes[k]);
  return sum;
}

/// Rows of one slice as plain numbers, without holes, and what belongs to each row.
class PlainSlice {
 public:
  PlainSlice(const WeightView& w, MatmulCompute compute, int64_t outputs)
      : w_(w), compute_(compute), row_bytes_(static_cast<size_t>(w.columns) * element_bytes(compute)) {
    rows_ = PageBuffer(static_cast<size_t>(outputs) * row_bytes_);
    KEDGE_CHECK(rows_.data() != nullptr);
  }
  [[nodiscard]] const std::byte* data() const { return rows_.data(); }

  void read(int64_t first, int64_t outputs, const SliceLayout& layout, std::byte* out) {
    auto* const scales = reinterpret_cast<float*>(out + layout.scales());
    auto* const zeros = reinterpret_cast<int32_t*>(out + layout.zeros());
    auto* const offsets = reinterpret_cast<int32_t*>(out + layout.offsets());
    for (int64_t n = 0; n < outputs; ++n) {
      const std::byte* const row = w_.data + static_cast<size_t>(first + n) * w_.row_stride;
      std::byte* const plain = rows_.data() + static_cast<size_t>(n) * row_bytes_;
      if (compute_ == MatmulCompute::int8) {
        std::memcpy(scales + n, row, sizeof(float));
        zeros[n] = static_cast<int8_t>(row[4]);
        copy_codes(row, plain);
        offsets[n] = kCodeOffset * sum_of(plain, w_.columns);
      } else if (w_.dtype == DType::f32 && compute_ == MatmulCompute::bf16) {
        thread_local Scratch aligned;
        std::byte* const wide = aligned.take(static_cast<size_t>(w_.columns) * sizeof(float));
        std::memcpy(wide, row, static_cast<size_t>(w_.columns) * sizeof(float));
        kernels().to_bf16(reinterpret_cast<const float*>(wide), w_.columns, reinterpret_cast<uint16_t*>(plain));
      } else {
        std::memcpy(plain, row, row_bytes_);
      }
    }
  }

 private:
  void copy_codes(const std::byte* row, std::byte* out) const {
    const DTypeInfo& info = info_of(DType::int8_scaled);
    for (int64_t k = 0; k < w_.columns; k += 32, row += info.block_bytes, out += 32) std::memcpy(out, row + 5, 32);
  }

  const WeightView& w_;
  MatmulCompute compute_;
  size_t row_bytes_;
  PageBuffer rows_;
};

/// oneDNN's layout of a plain slice.
void reorder(const Library& l, MatmulCompute compute, const Product& product, int64_t outputs, int64_t columns,
             const std::byte* plain, std::byte* out) {
  l.set_thread_count(1);
  const onednn::MemoryDesc rows =
      onednn::matrix_desc(l, onednn::weight_type(compute), {columns, outputs}, {1, columns});
  dnnl_primitive_desc_t desc = nullptr;
  KEDGE_CHECK(l.reorder_primitive_desc_create(&desc, rows.get(), l.engine, product.weights(), l.engine, nullptr) ==
              dnnl_success);
  const onednn::Owned<dnnl_primitive_desc> owned_desc(desc, l.primitive_desc_destroy);
  dnnl_primitive_t primitive = nullptr;
  KEDGE_CHECK(l.primitive_create(&primitive, desc) == dnnl_success);
  const onednn::Owned<dnnl_primitive> owned(primitive, l.primitive_destroy);
  dnnl_memory_t from = nullptr, to = nullptr;
  KEDGE_CHECK(l.memory_create(&from, rows.get(), l.engine, const_cast<std::byte*>(plain)) == dnnl_success);
  const onednn::Owned<dnnl_memory> owned_from(from, l.memory_destroy);
  KEDGE_CHECK(l.memory_create(&to, product.weights(), l.engine, out) == dnnl_success);
  const onednn::Owned<dnnl_memory> owned_to(to, l.memory_destroy);
  const std::array<dnnl_exec_arg_t, 2> arguments = {{{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
  KEDGE_CHECK(l.primitive_execute(primitive, onednn::stream(l), 2, arguments.data()) == dnnl_success);
}

/// Activations as the kernels read them: rows without holes, as not every kernel takes others.
struct Inputs {
  const std::byte* data = nullptr;
  size_t element_bytes = 0;
  const float* scales = nullptr;  // int8: of each row,
  const int32_t* sums = nullptr;  // and the sum of its codes
};

Inputs inputs_of(WorkerPool& pool, MatmulCompute compute, const InputRows& x, int64_t columns) {
  if (compute == MatmulCompute::f32 && x.stride == columns) {
    return {reinterpret_cast<const std::byte*>(x.data), sizeof(float)};
  }
  thread_local Scratch codes, scales, sums;
  const size_t element = element_bytes(compute), row_bytes = static_cast<size_t>(columns) * element;
  std::byte* const rows = codes.take(row_bytes * static_cast<size_t>(x.count));
  auto* const row_scales = reinterpret_cast<float*>(scales.take(static_cast<size_t>(x.count) * sizeof(float)));
  auto* const row_sums = reinterpret_cast<int32_t*>(sums.take(static_cast<size_t>(x.count) * sizeof(int32_t)));
  const int64_t grain = std::max<int64_t>(1, 32768 / columns);  // fewer elements are not worth waking a worker
  pool.parallel_for(x.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const float* const from = x.data + i * x.stride;
      std::byte* const row = rows + static_cast<size_t>(i) * row_bytes;
      if (compute == MatmulCompute::f32) {
        std::memcpy(row, from, row_bytes);
      } else if (compute == MatmulCompute::bf16) {
        kernels().to_bf16(from, columns, reinterpret_cast<uint16_t*>(row));
      } else {
        kernels().quantize_kv_int8(from, columns, row, row_scales + i);
        row_sums[i] = sum_of(row, columns);
        for (int64_t k = 0; k < columns; ++k) row[k] ^= std::byte{kCodeOffset};
      }
    }
  });
  return {rows, element, row_scales, row_sums};
}

/// The product of some rows with one slice after the other.
class BlockedProduct {
 public:
  BlockedProduct(const BlockedView& w, const InputRows& x, const Inputs& inputs, const OutputRows& y, const float* bias)
      : w_(w), count_(x.count), inputs_(inputs), y_(y), bias_(bias) {
    slice_bytes_ = slice_bytes(w.compute, w.rows, w.columns);
    layouts_ = {slice_layout(w.compute, outputs_of(0), w.columns),
                slice_layout(w.compute, outputs_of(slices_of(w.rows) - 1), w.columns)};
    for (int64_t rows = 1; rows <= std::min(kRowsMax, count_); rows *= 2) find_products(rows);
  }

  /// Item by item, slices outside: a slice's weights stay in the second-level cache for its next rows.
  void run(WorkerPool& pool) const {
    const int64_t groups = (count_ + kRowsMax - 1) / kRowsMax;
    pool.parallel_for_parts(slices_of(w_.rows) * groups, 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t first = item % groups * kRowsMax;
        multiply(item / groups, first, std::min(count_, first + kRowsMax));
      }
    });
  }

 private:
  static constexpr size_t kSizes = 8;  // powers of two up to kRowsMax
  struct Choice {
    const Product* product = nullptr;
    bool direct = false;  // to y
  };

  [[nodiscard]] int64_t outputs_of(int64_t slice) const {
    return std::min(kSliceOutputs, w_.rows - slice * kSliceOutputs);
  }
  static size_t size_index(int64_t rows) { return static_cast<size_t>(std::countr_zero(static_cast<uint64_t>(rows))); }

  void find_products(int64_t rows) {
    const int64_t last = outputs_of(slices_of(w_.rows) - 1);
    for (const int64_t outputs : {std::min(kSliceOutputs, w_.rows), last}) {
      // Sums of codes go through scratch: they are scaled after. So do slices that oneDNN does not write to rows so far
      // apart (of one output).
      onednn::Shape shape{w_.compute, rows, outputs, w_.columns, y_.stride};
      const Product* product = w_.compute == MatmulCompute::int8 ? nullptr : Products::instance().find(shape);
      const bool direct = product != nullptr;
      shape.y_stride = outputs;
      if (!direct) product = Products::instance().find(shape);
      KEDGE_CHECK(product != nullptr);
      products_[outputs == last ? 1 : 0][size_index(rows)] = {product, direct};
    }
  }

  /// Rows [begin, end) of one slice.
  void multiply(int64_t slice, int64_t begin, int64_t end) const {
    const int64_t outputs = outputs_of(slice);
    const size_t which = outputs == outputs_of(slices_of(w_.rows) - 1) ? 1 : 0;
    const std::byte* const weights = w_.data + static_cast<size_t>(slice) * slice_bytes_;
    for (int64_t first = begin; first < end;) {
      const auto rows = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(end - first)));
      const auto [product, direct] = products_[which][size_index(rows)];
      const std::byte* const x = inputs_.data + static_cast<size_t>(first * w_.columns) * inputs_.element_bytes;
      float* const y = y_.data + first * y_.stride + slice * kSliceOutputs;
      if (direct) {
        product->run(x, weights, y);
      } else {
        thread_local Scratch scratch;
        std::byte* const sums = scratch.take(static_cast<size_t>(rows * outputs) * sizeof(float));
        product->run(x, weights, sums);
        for (int64_t i = 0; i < rows; ++i) {
          const std::byte* const from = sums + static_cast<size_t>(i * outputs) * sizeof(float);
          finish_row(from, weights, layouts_[which], {first + i, outputs}, y + i * y_.stride);
        }
      }
      if (bias_ != nullptr) add_bias(bias_ + slice * kSliceOutputs, rows, outputs, y);
      first += rows;
    }
  }

  struct Row {
    int64_t index = 0;
    int64_t outputs = 0;
  };
  void finish_row(const std::byte* sums, const std::byte* slice, const SliceLayout& layout, Row row, float* y) const {
    if (w_.compute != MatmulCompute::int8) {
      std::memcpy(y, sums, static_cast<size_t>(row.outputs) * sizeof(float));
      return;
    }
    const auto* const exact = reinterpret_cast<const int32_t*>(sums);
    const auto* const scales = reinterpret_cast<const float*>(slice + layout.scales());
    const auto* const zeros = reinterpret_cast<const int32_t*>(slice + layout.zeros());
    const auto* const offsets = reinterpret_cast<const int32_t*>(slice + layout.offsets());
    const float scale = inputs_.scales[row.index];
    const int32_t sum = inputs_.sums[row.index];
    for (int64_t n = 0; n < row.outputs; ++n) {
      y[n] = static_cast<float>(exact[n] - offsets[n] - zeros[n] * sum) * (scale * scales[n]);
    }
  }
  void add_bias(const float* bias, int64_t rows, int64_t outputs, float* y) const {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t n = 0; n < outputs; ++n) y[i * y_.stride + n] += bias[n];
    }
  }

  const BlockedView& w_;
  int64_t count_;
  const Inputs& inputs_;
  OutputRows y_;
  const float* bias_;
  size_t slice_bytes_ = 0;
  std::array<SliceLayout, 2> layouts_{};  // of whole slices, of the last
  std::array<std::array<Choice, kSizes>, 2> products_{};
};

}  // namespace

bool has_blocked_form(const WeightView& w, MatmulCompute compute) {
  if (!takes(w, compute) || w.rows <= 0) return false;
  const int64_t whole = std::min(w.rows, kSliceOutputs), last = (w.rows - 1) % kSliceOutputs + 1;
  Products& products = Products::instance();
  for (const int64_t outputs : {whole, last}) {
    if (products.weights_of(compute, outputs, w.columns) == nullptr) return false;
    for (int64_t rows = 1; rows <= kRowsMax; rows *= 2) {
      if (products.find({compute, rows, outputs, w.columns, outputs}) == nullptr) return false;
    }
  }
  return true;
}

size_t blocked_bytes(const WeightView& w, MatmulCompute compute) {
  const int64_t slices = slices_of(w.rows);
  return static_cast<size_t>(slices - 1) * slice_bytes(compute, w.rows, w.columns) +
         slice_layout(compute, w.rows - (slices - 1) * kSliceOutputs, w.columns).bytes();
}

BlockedView blocked_view(const WeightView& w, MatmulCompute compute, const std::byte* data) {
  return {compute, data, w.rows, w.columns, w.column_order};
}

BlockedView lay_out_blocked(WorkerPool& pool, const WeightView& w, MatmulCompute compute, std::byte* out) {
  const Library& l = *onednn::library().value();
  const size_t whole = slice_bytes(compute, w.rows, w.columns);
  pool.parallel_for(slices_of(w.rows), 1, [&](int64_t begin, int64_t end, unsigned) {
    PlainSlice plain(w, compute, std::min(kSliceOutputs, w.rows));
    for (int64_t slice = begin; slice < end; ++slice) {
      const int64_t first = slice * kSliceOutputs, outputs = std::min(kSliceOutputs, w.rows - first);
      const SliceLayout layout = slice_layout(compute, outputs, w.columns);
      std::byte* const target = out + static_cast<size_t>(slice) * whole;
      plain.read(first, outputs, layout, target);
      const Product& product = *Products::instance().weights_of(compute, outputs, w.columns);
      reorder(l, compute, product, outputs, w.columns, plain.data(), target);
    }
  });
  return blocked_view(w, compute, out);
}

void blocked_matmul(WorkerPool& pool, const BlockedView& w, const InputRows& x, const OutputRows& y,
                    const float* bias) {
  if (x.count <= 0 || w.rows <= 0) return;
  if (w.column_order != nullptr) {
    BlockedView in_order = w;
    in_order.column_order = nullptr;
    return blocked_matmul(pool, in_order, gathered(pool, x, w.column_order, w.columns), y, bias);
  }
  const Inputs inputs = inputs_of(pool, w.compute, x, w.columns);
  BlockedProduct(w, x, inputs, y, bias).run(pool);
}

}  // namespace kedge::cpu
