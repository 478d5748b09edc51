// Llama 2, 3, 3.1, 3.2, 3.3 and what shares their layout (stories260K, TinyLlama).
// Sources: Touvron et al. 2023; Llama Team 2024; transformers' modeling_llama.

#include "models/registry.h"

namespace kedge::models {

Result<ModelSpec> build_llama(ConfigReader& config, const WeightSource& source) {
  KEDGE_ASSIGN(DecoderSpec spec, read_decoder(config, source));
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  KEDGE_TRY(config.status());
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
