#pragma once
// The version that this build is.

#include <string_view>

namespace kedge::serve {

extern const std::string_view kVersion;

}  // namespace kedge::serve
