// Qwen 2, 2.5 and 3 (dense). Sources: Yang et al. 2024, 2025; transformers' modeling_qwen2, modeling_qwen3.

#include "models/layer_types.h"
#include "models/registry.h"

namespace kedge::models {

Result<ModelSpec> build_qwen(ConfigReader& config, const WeightSource& source) {
  KEDGE_ASSIGN(DecoderSpec spec, read_decoder(config, source));
  const bool third = config.text_or("model_type", "") == "qwen3";
  spec.query_key_norms = third;
  spec.query_key_value_bias = !third || config.boolean_or("attention_bias", false);
  spec.output_bias = third && config.boolean_or("attention_bias", false);
  if (config.boolean_or("use_sliding_window", false)) {
    const int64_t full_layers = config.integer_or("max_window_layers", spec.layer_count, 0, kLayersMax);
    KEDGE_TRY(apply_layer_types(config, spec, [full_layers](int64_t layer) { return layer >= full_layers; }));
  }
  KEDGE_TRY(config.status());
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
