#pragma once
// oneDNN's C interface, found in its library while the program runs.

#include <oneapi/dnnl/dnnl.h>

#include <memory>

#include "kedge/result.h"

namespace kedge::cpu::onednn {

/// The functions that are used, and the one engine. Never unloaded.
struct Library {
  decltype(&dnnl_version) version = nullptr;
  decltype(&dnnl_get_effective_cpu_isa) get_effective_cpu_isa = nullptr;
  decltype(&dnnl_set_max_cpu_isa) set_max_cpu_isa = nullptr;
  decltype(&dnnl_engine_create) engine_create = nullptr;
  decltype(&dnnl_stream_create) stream_create = nullptr;
  decltype(&dnnl_stream_destroy) stream_destroy = nullptr;
  decltype(&dnnl_memory_desc_create_with_strides) memory_desc_create_with_strides = nullptr;
  decltype(&dnnl_memory_desc_create_with_tag) memory_desc_create_with_tag = nullptr;
  decltype(&dnnl_memory_desc_clone) memory_desc_clone = nullptr;
  decltype(&dnnl_memory_desc_destroy) memory_desc_destroy = nullptr;
  decltype(&dnnl_memory_desc_get_size) memory_desc_get_size = nullptr;
  decltype(&dnnl_memory_create) memory_create = nullptr;
  decltype(&dnnl_memory_destroy) memory_destroy = nullptr;
  decltype(&dnnl_primitive_attr_create) primitive_attr_create = nullptr;
  decltype(&dnnl_primitive_attr_destroy) primitive_attr_destroy = nullptr;
  decltype(&dnnl_primitive_attr_set_scratchpad_mode) primitive_attr_set_scratchpad_mode = nullptr;
  decltype(&dnnl_matmul_primitive_desc_create) matmul_primitive_desc_create = nullptr;
  decltype(&dnnl_reorder_primitive_desc_create) reorder_primitive_desc_create = nullptr;
  decltype(&dnnl_primitive_desc_destroy) primitive_desc_destroy = nullptr;
  decltype(&dnnl_primitive_desc_query) primitive_desc_query = nullptr;
  decltype(&dnnl_primitive_desc_query_md) primitive_desc_query_md = nullptr;
  decltype(&dnnl_primitive_create) primitive_create = nullptr;
  decltype(&dnnl_primitive_destroy) primitive_destroy = nullptr;
  decltype(&dnnl_primitive_execute) primitive_execute = nullptr;
  void (*set_thread_count)(int) = nullptr;  // OpenMP's, of the calling thread
  dnnl_engine_t engine = nullptr;
};

/// The library, loaded on the first call. Fails with unsupported.
Result<const Library*> library();

/// Owns one of the library's objects.
template <typename T>
class Owned {
 public:
  using Destroy = dnnl_status_t (*)(T*);
  Owned() = default;
  Owned(T* object, Destroy destroy) : object_(object, destroy) {}
  [[nodiscard]] T* get() const { return object_.get(); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  struct Deleter {
    Destroy destroy = nullptr;
    Deleter() = default;
    Deleter(Destroy function) : destroy(function) {}  // NOLINT(google-explicit-constructor)
    void operator()(T* object) const { destroy(object); }
  };
  std::unique_ptr<T, Deleter> object_;
};

}  // namespace kedge::cpu::onednn
