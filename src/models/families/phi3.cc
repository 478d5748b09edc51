// Phi-3 mini, Phi-3.5 mini and MoE, Phi-4 14B and mini.
// Sources: Abdin et al. 2024; transformers' modeling_phi3, modeling_phimoe.

#include "models/layer_types.h"
#include "models/registry.h"

namespace kedge::models {
namespace {

void read_mixture(ConfigReader& config, DecoderSpec& spec) {
  spec.norm = NormKind::layer;
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.head_bias = config.boolean_or("lm_head_bias", false);
  spec.mixture.experts = config.integer("num_local_experts", 2, 1024);
  spec.mixture.experts_per_token = config.integer_or("num_experts_per_tok", 2, 2, 2);
  spec.mixture.routing = Routing::sparse_mixer;
  spec.mixture.jitter = static_cast<float>(config.number_or("router_jitter_noise", 0.01));
}

}  // namespace

Result<ModelSpec> build_phi3(ConfigReader& config, const WeightSource& source) {
  KEDGE_ASSIGN(DecoderSpec spec, read_decoder(config, source));
  KEDGE_TRY(apply_layer_types(config, spec, [](int64_t) { return true; }));
  if (config.text_or("model_type", "") == "phimoe") {
    read_mixture(config, spec);
  } else {
    spec.fused_qkv = true;
    spec.fused_gate_up = true;
  }
  KEDGE_TRY(config.status());
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
