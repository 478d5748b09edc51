#pragma once
// Weights that are made up: any config.json as a model, to measure its speed without a checkpoint.

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "models/weight_source.h"

namespace kedge::models {

/// What the matrices of such a model may be stored as: "bf16", "int8", "int4-g32", ... and names of GGUF types.
std::vector<std::string_view> random_weight_names();

/// A decoder of the shape that `config` (a config.json, or a folder that holds one) gives, its matrices in the type
/// that `weights` names, except that rows which are no whole number of the type's blocks are bf16. Takes no memory that
/// matters before `materialize`. Fails with not_found, corrupt_data, invalid_input (an unknown name) or unsupported.
Result<std::shared_ptr<const WeightSource>> open_random_source(const std::filesystem::path& config,
                                                               std::string_view weights);

}  // namespace kedge::models
