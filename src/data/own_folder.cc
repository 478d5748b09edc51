#include "data/own_folder.h"

#include <dlfcn.h>

#include <string_view>

namespace kedge::data {

std::filesystem::path own_folder() {
  Dl_info info{};
  const bool found = ::dladdr(reinterpret_cast<const void*>(&own_folder), &info) != 0 && info.dli_fname != nullptr;
  // Of a program it is the name that it was started by, which need not be a path.
  const bool is_library = found && std::string_view(info.dli_fname).ends_with(".so");
  std::error_code code;
  const std::filesystem::path file =
      is_library ? std::filesystem::path(info.dli_fname) : std::filesystem::read_symlink("/proc/self/exe", code);
  return file.parent_path();
}

}  // namespace kedge::data
