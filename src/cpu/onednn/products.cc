#include "cpu/onednn/products.h"

#include <array>
#include <string_view>

#include "core/check.h"
#include "cpu/scratch.h"

namespace kedge::cpu::onednn {
namespace {

constexpr int64_t kLayoutRows = 128;  // the layout is the same for any number of rows; this asks for it

dnnl_data_type_t input_type(MatmulCompute compute) {
  return compute == MatmulCompute::f32 ? dnnl_f32 : compute == MatmulCompute::bf16 ? dnnl_bf16 : dnnl_u8;
}

Owned<dnnl_primitive_attr> attributes(const Library& library) {
  dnnl_primitive_attr_t attr = nullptr;
  if (library.primitive_attr_create(&attr) != dnnl_success) return {};
  Owned<dnnl_primitive_attr> owned(attr, library.primitive_attr_destroy);
  // Scratch that belongs to the primitive would keep two threads from running it.
  KEDGE_CHECK(library.primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success);
  return owned;
}

Owned<dnnl_memory> memory(const Library& library, const MemoryDesc& desc, const void* bytes) {
  dnnl_memory_t object = nullptr;
  KEDGE_CHECK(library.memory_create(&object, desc.get(), library.engine, const_cast<void*>(bytes)) == dnnl_success);
  return {object, library.memory_destroy};
}

}  // namespace

dnnl_data_type_t weight_type(MatmulCompute compute) {
  return compute == MatmulCompute::int8 ? dnnl_s8 : input_type(compute);
}

MemoryDesc matrix_desc(const Library& library, dnnl_data_type_t type, const dnnl_dims_t& sizes,
                       const dnnl_dims_t& strides) {
  dnnl_memory_desc_t desc = nullptr;
  if (library.memory_desc_create_with_strides(&desc, 2, sizes, type, strides) != dnnl_success) return {};
  return {desc, library.memory_desc_destroy};
}

std::unique_ptr<Product> Product::make(const Library& library, const Shape& shape, const_dnnl_memory_desc_t weights) {
  library.set_thread_count(1);
  std::unique_ptr<Product> product(new Product(library));
  const int64_t m = shape.rows, n = shape.outputs, k = shape.columns;
  product->x_ = matrix_desc(library, input_type(shape.compute), {m, k}, {k, 1});
  product->y_ =
      matrix_desc(library, shape.compute == MatmulCompute::int8 ? dnnl_s32 : dnnl_f32, {m, n}, {shape.y_stride, 1});
  const dnnl_dims_t weight_sizes = {k, n};
  dnnl_memory_desc_t any = nullptr;
  KEDGE_CHECK(library.memory_desc_create_with_tag(&any, 2, weight_sizes, weight_type(shape.compute),
                                                  dnnl_format_tag_any) == dnnl_success);
  const MemoryDesc any_layout(any, library.memory_desc_destroy);
  const Owned<dnnl_primitive_attr> attr = attributes(library);
  dnnl_primitive_desc_t found = nullptr;
  if (library.matmul_primitive_desc_create(&found, library.engine, product->x_.get(),
                                           weights != nullptr ? weights : any, nullptr, product->y_.get(),
                                           attr.get()) != dnnl_success) {
    return nullptr;
  }
  const Owned<dnnl_primitive_desc> primitive(found, library.primitive_desc_destroy);
  // Its block kernels alone sum alike for every number of rows (onednn_test.cc): "gemm:jit" does not. And before VNNI
  // sums of 8-bit products saturate.
  const char* name = "";
  library.primitive_desc_query(found, dnnl_query_impl_info_str, 0, static_cast<void*>(&name));
  const std::string_view implementation(name);
  const bool exact = implementation.ends_with("vnni") || implementation.find("amx") != std::string_view::npos;
  if (!implementation.starts_with("brg") || (shape.compute == MatmulCompute::int8 && !exact)) return nullptr;
  const auto copy_of = [&](dnnl_query_t what) {
    dnnl_memory_desc_t copy = nullptr;
    KEDGE_CHECK(library.memory_desc_clone(&copy, library.primitive_desc_query_md(found, what, 0)) == dnnl_success);
    return MemoryDesc(copy, library.memory_desc_destroy);
  };
  product->weights_ = copy_of(dnnl_query_weights_md);
  product->scratch_ = copy_of(dnnl_query_scratchpad_md);
  dnnl_primitive_t made = nullptr;
  if (library.primitive_create(&made, found) != dnnl_success) return nullptr;
  product->primitive_ = {made, library.primitive_destroy};
  return product;
}

void Product::run(const void* x, const void* weights, void* y) const {
  thread_local Scratch scratch;
  library_.set_thread_count(1);
  const auto from = memory(library_, x_, x);
  const auto with = memory(library_, weights_, weights);
  const auto to = memory(library_, y_, y);
  const auto working = memory(library_, scratch_, scratch.take(library_.memory_desc_get_size(scratch_.get()) + 1));
  const std::array<dnnl_exec_arg_t, 4> all = {{{DNNL_ARG_SRC, from.get()},
                                               {DNNL_ARG_WEIGHTS, with.get()},
                                               {DNNL_ARG_DST, to.get()},
                                               {DNNL_ARG_SCRATCHPAD, working.get()}}};
  KEDGE_CHECK(library_.primitive_execute(primitive_.get(), stream(library_), 4, all.data()) == dnnl_success);
}

Products& Products::instance() {
  static Products products;
  return products;
}

const Product* Products::find_locked(const Shape& shape, const_dnnl_memory_desc_t weights) {
  const auto at = products_.find(shape);
  if (at != products_.end()) return at->second.get();
  const auto library = onednn::library();
  if (!library.ok()) return nullptr;
  return products_.emplace(shape, Product::make(*library.value(), shape, weights)).first->second.get();
}

const Product* Products::weights_of(MatmulCompute compute, int64_t outputs, int64_t columns) {
  const std::lock_guard lock(mutex_);
  return find_locked({compute, kLayoutRows, outputs, columns, outputs}, nullptr);
}

const Product* Products::find(const Shape& shape) {
  const Product* const layout = weights_of(shape.compute, shape.outputs, shape.columns);
  if (layout == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  return find_locked(shape, layout->weights());
}

dnnl_stream_t stream(const Library& library) {
  thread_local Owned<dnnl_stream> own;
  if (!own) {
    dnnl_stream_t made = nullptr;
    KEDGE_CHECK(library.stream_create(&made, library.engine, dnnl_stream_default_flags) == dnnl_success);
    own = {made, library.stream_destroy};
  }
  return own.get();
}

}  // namespace kedge::cpu::onednn
