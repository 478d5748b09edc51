#include "cpu/onednn/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "cpu/isa.h"
#include "cpu/onednn.h"

namespace kedge::cpu {
namespace onednn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libdnnl.so.3";

/// Beside the program, as an installation lays it out, where the build found it, where the system's loader looks.
std::vector<std::string> candidates() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> paths;
  if (!error) paths = {program / kFile, program / "lib" / kFile, program.parent_path() / "lib" / kFile};
  paths.emplace_back(KEDGE_ONEDNN_LIBRARY);
  paths.emplace_back(kFile);
  return paths;
}

template <typename Function>
bool find(void* file, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(file, name));
  return function != nullptr;
}

bool find_all(void* file, Library& l) {
  return find(file, "dnnl_version", l.version) && find(file, "dnnl_get_effective_cpu_isa", l.get_effective_cpu_isa) &&
         find(file, "dnnl_set_max_cpu_isa", l.set_max_cpu_isa) && find(file, "dnnl_engine_create", l.engine_create) &&
         find(file, "dnnl_stream_create", l.stream_create) && find(file, "dnnl_stream_destroy", l.stream_destroy) &&
         find(file, "dnnl_memory_desc_create_with_strides", l.memory_desc_create_with_strides) &&
         find(file, "dnnl_memory_desc_create_with_tag", l.memory_desc_create_with_tag) &&
         find(file, "dnnl_memory_desc_clone", l.memory_desc_clone) &&
         find(file, "dnnl_memory_desc_destroy", l.memory_desc_destroy) &&
         find(file, "dnnl_memory_desc_get_size", l.memory_desc_get_size) &&
         find(file, "dnnl_memory_create", l.memory_create) && find(file, "dnnl_memory_destroy", l.memory_destroy) &&
         find(file, "dnnl_primitive_attr_create", l.primitive_attr_create) &&
         find(file, "dnnl_primitive_attr_destroy", l.primitive_attr_destroy) &&
         find(file, "dnnl_primitive_attr_set_scratchpad_mode", l.primitive_attr_set_scratchpad_mode) &&
         find(file, "dnnl_matmul_primitive_desc_create", l.matmul_primitive_desc_create) &&
         find(file, "dnnl_reorder_primitive_desc_create", l.reorder_primitive_desc_create) &&
         find(file, "dnnl_primitive_desc_destroy", l.primitive_desc_destroy) &&
         find(file, "dnnl_primitive_desc_query", l.primitive_desc_query) &&
         find(file, "dnnl_primitive_desc_query_md", l.primitive_desc_query_md) &&
         find(file, "dnnl_primitive_create", l.primitive_create) &&
         find(file, "dnnl_primitive_destroy", l.primitive_destroy) &&
         find(file, "dnnl_primitive_execute", l.primitive_execute) &&
         find(file, "omp_set_num_threads", l.set_thread_count);  // of the OpenMP that the library brings
}

dnnl_cpu_isa_t isa_of(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return dnnl_cpu_isa_sse41;
    case Isa::avx2:
      return dnnl_cpu_isa_avx2;
    case Isa::avx_vnni:
      return dnnl_cpu_isa_avx2_vnni;
    case Isa::avx512:
      return dnnl_cpu_isa_avx512_core;
    case Isa::avx512_vnni:
      return dnnl_cpu_isa_avx512_core_vnni;
    case Isa::avx512_bf16:
      return dnnl_cpu_isa_avx512_core_bf16;
    case Isa::amx:
      break;
  }
  return dnnl_cpu_isa_avx512_core_amx;
}

std::string_view name_of(dnnl_cpu_isa_t isa) {
  if (isa == dnnl_cpu_isa_avx512_core_amx) return "avx512_core_amx";
  if (isa == dnnl_cpu_isa_avx512_core_bf16) return "avx512_core_bf16";
  if (isa == dnnl_cpu_isa_avx512_core_vnni) return "avx512_core_vnni";
  if (isa == dnnl_cpu_isa_avx512_core) return "avx512_core";
  if (isa == dnnl_cpu_isa_avx2) return "avx2";
  return "another instruction set";
}

Result<const Library*> load() {
  std::string tried;
  for (const std::string& path : candidates()) {
    void* const file = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (file == nullptr) {
      tried += fmt::format("\n  {}", ::dlerror());
      continue;
    }
    static Library loaded;
    if (!find_all(file, loaded) || loaded.version()->major != DNNL_VERSION_MAJOR) {
      tried += fmt::format("\n  {}: is no oneDNN {} over OpenMP", path, DNNL_VERSION_MAJOR);
      continue;
    }
    if (active_isa() < detected_isa()) loaded.set_max_cpu_isa(isa_of(active_isa()));  // else ONEDNN_MAX_CPU_ISA holds
    if (loaded.engine_create(&loaded.engine, dnnl_cpu, 0) != dnnl_success) {
      return Error{ErrorKind::unsupported, fmt::format("{}: oneDNN made no engine for this CPU", path)};
    }
    return &loaded;
  }
  return Error{ErrorKind::unsupported, fmt::format("oneDNN's library was not found; tried:{}", tried)};
}

}  // namespace

Result<const Library*> library() {
  static const Result<const Library*> loaded = load();
  return loaded;
}

}  // namespace onednn

Status load_onednn() {
  const Result<const onednn::Library*> library = onednn::library();
  if (!library.ok()) return library.error();
  return Done{};
}

std::string onednn_version() {
  const onednn::Library& library = *onednn::library().value();
  const dnnl_version_t& version = *library.version();
  return fmt::format("oneDNN {}.{}.{}, {:.7}, {}", version.major, version.minor, version.patch, version.hash,
                     onednn::name_of(library.get_effective_cpu_isa()));
}

}  // namespace kedge::cpu
