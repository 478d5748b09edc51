#pragma once
// Files of API keys.

#include <filesystem>
#include <vector>

#include "kedge/result.h"
#include "serve/api_keys.h"

namespace kedge::cli {

/// A YAML list, or one JSON object a line. Fails with not_found, corrupt_data or invalid_input, naming file and entry.
Result<std::vector<serve::ApiKey>> read_api_keys_file(const std::filesystem::path& path);

/// The same of a file's text; `what` names it.
Result<std::vector<serve::ApiKey>> parse_api_keys(std::string_view text, std::string_view what);

}  // namespace kedge::cli
