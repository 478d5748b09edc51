#pragma once
// JSON values (nlohmann::json) with errors as values: the only place that catches the library's exceptions.

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge {

/// Object members keep the order of the text (chat templates depend on it).
using Json = nlohmann::ordered_json;

inline constexpr size_t kJsonDepthMax = 256;
inline constexpr size_t kJsonFileBytesMax = size_t{512} << 20;

/// Parses one UTF-8 JSON document. `what` names it in the error ("config.json", "request body").
/// Fails with corrupt_data: not JSON, or nested deeper than kJsonDepthMax.
Result<Json> parse_json(std::string_view text, std::string_view what);

/// Reads and parses a file. Fails with not_found or corrupt_data.
Result<Json> read_json_file(const std::filesystem::path& path);

/// Compact text; invalid UTF-8 inside strings is written as U+FFFD instead of failing.
std::string to_text(const Json& json);

}  // namespace kedge
