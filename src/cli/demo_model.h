#pragma once
// The built-in demo model: a small checkpoint folder inside the binary.

#include <filesystem>

#include "kedge/result.h"

namespace kedge::cli {

/// A folder with the demo model, unpacked into the user's cache (or the temporary folder where there is none) at first
/// use. Fails with unavailable when neither can be written.
Result<std::filesystem::path> demo_model_folder();

}  // namespace kedge::cli
