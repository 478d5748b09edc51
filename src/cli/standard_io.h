#pragma once
// Standard input and output of the command line.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::cli {

inline constexpr size_t kInputBytesMax = size_t{1} << 30;

/// All of standard input, byte for byte.
Result<std::string> read_standard_input();

/// Standard input as one JSON document.
Result<Json> read_json_input();

/// Writes to standard output and flushes. Fails with unavailable when the reader has gone.
Status write_output(std::string_view text);

/// One JSON document and a newline.
Status write_json(const Json& json);

/// A line on standard error.
void say(std::string_view line);

/// A list of token ids. `what` names it in the error.
Result<std::vector<int32_t>> token_ids(const Json& json, std::string_view what);

/// "1,2,3", as --ids takes it; "" is an empty list. Fails with invalid_input.
Result<std::vector<int32_t>> parse_id_list(std::string_view text);

}  // namespace kedge::cli
