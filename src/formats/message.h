#pragma once
// Errors about foreign files.

#include <string_view>

#include "core/printable.h"
#include "kedge/result.h"

namespace kedge::formats {

/// corrupt_data: "FILE: WHAT".
Error corrupt(std::string_view file, std::string_view what);

/// corrupt_data: "FILE: tensor 'NAME' WHAT".
Error corrupt_tensor(std::string_view file, std::string_view tensor, std::string_view what);

}  // namespace kedge::formats
