// Gemma 1, 2 and 3 (text). Sources: Gemma Team 2024a, 2024b, 2025; transformers' modeling_gemma, _gemma2, _gemma3.

#include <cmath>

#include "models/layer_types.h"
#include "models/registry.h"

namespace kedge::models {
namespace {

void read_scales(ConfigReader& config, DecoderSpec& spec) {
  const double query = config.number_or("query_pre_attn_scalar", static_cast<double>(spec.head_size));
  if (query <= 0) config.fail(ErrorKind::corrupt_data, "query_pre_attn_scalar must be positive");
  spec.attention_scale = static_cast<float>(1.0 / std::sqrt(query));
  spec.attention_softcap = static_cast<float>(config.number_or("attn_logit_softcapping", 0.0));
  spec.logit_softcap = static_cast<float>(config.number_or("final_logit_softcapping", 0.0));
}

/// Gemma 3: local layers turn with their own base and no scaling, every sixth layer is global.
Status read_gemma3(ConfigReader& config, DecoderSpec& spec) {
  spec.query_key_norms = true;
  const int64_t pattern = config.integer_or("sliding_window_pattern", 6, 1, kLayersMax);
  KEDGE_TRY(apply_layer_types(config, spec, [pattern](int64_t layer) { return (layer + 1) % pattern != 0; }));
  KEDGE_ASSIGN(RopeSpec global, read_rope(config, spec.head_size, "full_attention"));
  RopeSpec local;
  local.rotary = spec.head_size / 2 * 2;
  local.theta = config.number_or("rope_local_base_freq", 10000.0);
  if (config.object("rope_parameters").has("sliding_attention")) {
    KEDGE_ASSIGN(local, read_rope(config, spec.head_size, "sliding_attention"));
  }
  spec.ropes = {std::move(global), std::move(local)};
  for (DecoderLayerSpec& layer : spec.layers) layer.rope_index = layer.window > 0 ? 1 : 0;
  return Done{};
}

}  // namespace

Result<ModelSpec> build_gemma(ConfigReader& config, const WeightSource& source) {
  KEDGE_ASSIGN(DecoderSpec spec, read_decoder(config, source));
  const std::string type = config.text_or("model_type", "");
  spec.tied_embeddings = config.boolean_or("tie_word_embeddings", true);
  spec.norm_weight_offset = source.norms_include_one() ? 0.0F : 1.0F;
  spec.activation =
      cpu::Activation::gelu_tanh;  // also where hidden_act says "gelu": the published models mean this form
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden_size));
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  if (type != "gemma") {
    spec.sandwich_norms = true;
    read_scales(config, spec);
  }
  KEDGE_TRY(config.status());
  if (type == "gemma2") KEDGE_TRY(apply_layer_types(config, spec, [](int64_t layer) { return layer % 2 == 0; }));
  if (type == "gemma3_text" || type == "gemma3") KEDGE_TRY(read_gemma3(config, spec));
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
