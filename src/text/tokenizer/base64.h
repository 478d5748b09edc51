#pragma once
// Base64, as vocabularies of bytes are written.

#include <string>
#include <string_view>

namespace kedge::text {

/// Appends what `encoded` stands for. False when it is not base64; padding may be missing.
bool append_base64(std::string& out, std::string_view encoded);

}  // namespace kedge::text
