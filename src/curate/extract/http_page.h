#pragma once
// A stored HTTP response as decoded text.

#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::curate {

inline constexpr size_t kPageBytesMax = size_t{64} << 20;  // after decompression

/// The body of a response with status 200 and a type of HTML or text, in UTF-8: transfer and content codings undone,
/// the character set taken from the header, a meta element, a byte order mark, or by detection. Fails with
/// invalid_input (another status or type, too large) or corrupt_data (no HTTP response).
Result<std::string> read_http_page(std::string_view response);

/// Bytes in UTF-8. `declared`: what the header says, or "".
std::string decode_page(std::string_view bytes, std::string_view declared);

}  // namespace kedge::curate
