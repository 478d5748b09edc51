#include "models/layer_types.h"

#include <fmt/format.h>

namespace kedge::models {

Status apply_layer_types(ConfigReader& config, DecoderSpec& spec, const std::function<bool(int64_t)>& is_sliding) {
  const int64_t window = config.integer_or("sliding_window", 0, 0, kDimensionMax);
  const std::vector<std::string> types = config.texts("layer_types");
  KEDGE_TRY(config.status());
  if (!types.empty() && types.size() != spec.layers.size()) {
    config.fail(ErrorKind::corrupt_data, fmt::format("'layer_types' has {} entries, expected {} (num_hidden_layers)",
                                                     types.size(), spec.layers.size()));
    return config.status();
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    bool sliding = types.empty() ? is_sliding(static_cast<int64_t>(i)) : types[i] == "sliding_attention";
    if (!types.empty() && !sliding && types[i] != "full_attention") {
      config.fail(ErrorKind::unsupported,
                  fmt::format("'layer_types' holds '{}', expected full_attention or sliding_attention", types[i]));
      return config.status();
    }
    spec.layers[i].window = sliding ? window : 0;
  }
  return Done{};
}

}  // namespace kedge::models
