#include "data/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "data/own_folder.h"

namespace kedge::data {
namespace {

// Arrow must find its own simdjson before ours; the sanitizers' runtimes refuse to have it so, and do without.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

}  // namespace

Result<void*> load_beside_program(const char* library, const char* what, const char* remedy) {
  const std::filesystem::path path = own_folder() / library;
  void* const handle = ::dlopen(path.c_str(), kLoadFlags);
  if (handle != nullptr) return handle;
  const char* why = ::dlerror();
  return Error{ErrorKind::unsupported, fmt::format("{} needs {} beside the program: {}; {}", what, library,
                                                   why != nullptr ? why : "not found", remedy)};
}

Result<void*> function_of(void* library, const char* name) {
  void* const function = ::dlsym(library, name);
  if (function != nullptr) return function;
  return Error{ErrorKind::unsupported, fmt::format("the library beside the program has no {}: it is of another build "
                                                   "of kedge; build both again",
                                                   name)};
}

}  // namespace kedge::data
