// Mistral 7B v0.1 to v0.3, Nemo, Ministral 8B and 3, Mixtral.
// Sources: Jiang et al. 2023 and 2024; transformers' modeling_mistral, modeling_mixtral, modeling_ministral3.

#include "models/layer_types.h"
#include "models/registry.h"

namespace kedge::models {

Result<ModelSpec> build_mistral(ConfigReader& config, const WeightSource& source) {
  KEDGE_ASSIGN(DecoderSpec spec, read_decoder(config, source));
  // Without layer_types every layer has the window, where there is one.
  KEDGE_TRY(apply_layer_types(config, spec, [](int64_t) { return true; }));
  if (config.text_or("model_type", "") == "mixtral") {
    spec.mixture.experts = config.integer("num_local_experts", 1, 1024);
    spec.mixture.experts_per_token = config.integer_or("num_experts_per_tok", 2, 1, spec.mixture.experts);
  }
  KEDGE_TRY(config.status());
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
