#pragma once
// A folder of models: what lies there, and when it was changed.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "kedge/result.h"

namespace kedge::serve {

/// Sizes and times of a model's files: another signature is another model.
using ModelSignature = std::vector<std::pair<int64_t, uint64_t>>;
ModelSignature signature_of(const std::filesystem::path& model);

struct FoundModel {
  std::string name;
  std::filesystem::path path;  // a checkpoint folder or a .gguf file
};

/// By name: NAME.gguf, NAME/config.json, NAME/ANY.gguf (one), and the same one level deeper as ORG/NAME. Hidden entries
/// are passed over. Fails with not_found when the folder cannot be read.
Result<std::vector<FoundModel>> list_models(const std::filesystem::path& folder);

}  // namespace kedge::serve
