#include "formats/message.h"

#include <fmt/format.h>

namespace kedge::formats {

Error corrupt(std::string_view file, std::string_view what) {
  return {ErrorKind::corrupt_data, fmt::format("{}: {}", file, what)};
}

Error corrupt_tensor(std::string_view file, std::string_view tensor, std::string_view what) {
  return {ErrorKind::corrupt_data, fmt::format("{}: tensor {} {}", file, printable(tensor), what)};
}

}  // namespace kedge::formats
