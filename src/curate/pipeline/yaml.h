#pragma once
// YAML as JSON values: the only place that catches the library's exceptions.

#include <string_view>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::curate {

inline constexpr size_t kYamlNodesMax = 100'000;  // aliases counted wherever they stand
inline constexpr int kYamlDepthMax = 32;

/// One document. Plain scalars become null, booleans, whole numbers or floats where they read as such (YAML 1.2's core
/// schema), quoted ones stay strings. Fails with corrupt_data naming `what`, the line and what is wrong.
Result<Json> parse_yaml(std::string_view text, std::string_view what);

}  // namespace kedge::curate
