#pragma once
// model.safetensors.index.json: which shard holds which tensor.

#include <map>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::formats {

/// Tensor name to shard file name. Fails with corrupt_data: not JSON, no weight_map, a name twice, more than
/// kTensorCountMax names, or a shard that is not a plain file name (a path could lead out of the folder).
Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json, std::string_view file);

}  // namespace kedge::formats
