#pragma once
// Error messages about foreign files: names in them come from the file, so they are made safe to print.

#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::formats {

inline constexpr size_t kPrintableBytesMax = 200;

/// 'text' with control bytes, quotes and bytes over 0x7F outside UTF-8 as \xNN, cut after kPrintableBytesMax bytes.
std::string printable(std::string_view text);

/// corrupt_data: "FILE: WHAT".
Error corrupt(std::string_view file, std::string_view what);

/// corrupt_data: "FILE: tensor 'NAME' WHAT".
Error corrupt_tensor(std::string_view file, std::string_view tensor, std::string_view what);

}  // namespace kedge::formats
