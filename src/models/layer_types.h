#pragma once
// Sliding windows by layer: the `layer_types` list, or a family's own rule where the settings have none.

#include <functional>

#include "kedge/result.h"
#include "models/config_reader.h"
#include "models/spec.h"

namespace kedge::models {

/// Sets the window of every layer that `layer_types` calls sliding_attention, or, without that list, of every layer for
/// which `is_sliding(index)`. No layer gets one when sliding_window is absent. Fails with corrupt_data.
Status apply_layer_types(ConfigReader& config, DecoderSpec& spec, const std::function<bool(int64_t)>& is_sliding);

}  // namespace kedge::models
