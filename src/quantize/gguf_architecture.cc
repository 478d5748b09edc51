#include "quantize/gguf_architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace kedge::quantize {
namespace {

using models::DecoderSpec;
using models::RopeScaling;
using models::RopeSpec;

// As llama.cpp reads them (src/models/*.cpp there). Mixtral and Mistral without a window are `llama`.
constexpr GgufArchitecture kArchitectures[] = {
    {.name = "llama", .rope_pairs = true, .mixture = true},
    {.name = "qwen2", .input_bias = true},
    {.name = "qwen3", .head_norms = true},
    {.name = "phi3", .fused = true, .longrope = true, .window_period = 1},
    {.name = "gemma", .gemma = true, .tied = true},
    {.name = "gemma2", .sandwich_norms = true, .gemma = true, .tied = true, .softcaps = true, .window_period = 2},
    {.name = "gemma3", .head_norms = true, .sandwich_norms = true, .gemma = true, .window_period = 6}};

// llama.cpp tells the largest Gemmas, which scale queries in their own way, by their layers.
constexpr std::pair<std::string_view, int64_t> kLargeModels[] = {{"gemma2", 46}, {"gemma3", 62}};

bool near(double a, double b) {
  return std::abs(a - b) <= 1e-6 * std::abs(b);
}

bool is_gemma(const DecoderSpec& spec) {
  return spec.activation == cpu::Activation::gelu_tanh && spec.norm_weight_offset == 1.0F &&
         near(spec.embedding_scale, std::sqrt(static_cast<double>(spec.hidden_size)));
}

double attention_scale_of(const GgufArchitecture& architecture, const DecoderSpec& spec) {
  const bool large = std::ranges::any_of(kLargeModels, [&](const auto& model) {
    return model.first == architecture.name && model.second == spec.layer_count;
  });
  return 1.0 / std::sqrt(static_cast<double>(large ? spec.hidden_size / spec.heads : spec.head_size));
}

bool windows_fit(const GgufArchitecture& architecture, const DecoderSpec& spec) {
  const int64_t window = spec.layers.front().window, period = architecture.window_period;
  for (int64_t i = 0; i < spec.layer_count; ++i) {
    const bool windowed = period == 1 || (period > 1 && (i + 1) % period != 0);
    if (spec.layers[static_cast<size_t>(i)].window != (windowed ? window : 0)) return false;
  }
  return period < 2 || window > 0;
}

bool scaling_fits(const GgufArchitecture& architecture, const RopeSpec& rope) {
  if (rope.scaling == RopeScaling::longrope) {
    return architecture.longrope && near(rope.short_attention_factor, rope.long_attention_factor);
  }
  const bool factors = rope.scaling == RopeScaling::llama3 && architecture.name == "llama";
  return rope.scaling == RopeScaling::none || rope.scaling == RopeScaling::linear || factors;
}

bool ropes_fit(const GgufArchitecture& architecture, const DecoderSpec& spec) {
  const bool two = architecture.window_period > 2;
  if (spec.ropes.size() != (two ? 2U : 1U)) return false;
  if (two && (spec.ropes[1].scaling != RopeScaling::none || spec.ropes[1].rotary != spec.head_size)) return false;
  return spec.ropes[0].query_log_beta == 0 && (architecture.longrope || spec.ropes[0].rotary == spec.head_size);
}

/// What the spec has that the architecture cannot say; "" where it says all.
std::string foreign_feature(const GgufArchitecture& architecture, const DecoderSpec& spec) {
  const cpu::Activation activation = architecture.gemma ? cpu::Activation::gelu_tanh : cpu::Activation::silu;
  const bool plain_scales = spec.embedding_scale == 1.0F || architecture.gemma;
  const bool mixture = spec.mixture.experts > 0;
  const std::pair<bool, const char*> features[] = {
      {mixture && (!architecture.mixture || spec.mixture.routing != models::Routing::softmax_top_k),
       "a mixture of experts"},
      {spec.norm != models::NormKind::rms || (spec.norm_weight_offset != 0) != architecture.gemma, "another norm"},
      {spec.activation != activation, "another activation"},
      {spec.fused_qkv != spec.fused_gate_up, "fused projections"},
      {spec.output_bias || spec.mlp_bias || spec.head_bias, "biases"},
      {(spec.attention_softcap > 0) != architecture.softcaps || (spec.logit_softcap > 0) != architecture.softcaps,
       "soft capping"},
      {!plain_scales || spec.logit_scale != 1.0F, "scaled embeddings or logits"},
      {architecture.tied && !spec.tied_embeddings, "an output matrix of its own"},
      {!near(spec.attention_scale, attention_scale_of(architecture, spec)), "another attention scale"},
      {!windows_fit(architecture, spec), "a sliding window in other layers"},
      {!ropes_fit(architecture, spec), "other rotary embeddings"},
      {!scaling_fits(architecture, spec.ropes.front()), "another rope scaling"}};
  for (const auto& [has, name] : features) {
    if (has) return name;
  }
  return "";
}

}  // namespace

Result<GgufArchitecture> gguf_architecture_of(const DecoderSpec& spec) {
  const auto* found = std::ranges::find_if(kArchitectures, [&](const GgufArchitecture& known) {
    return known.gemma == is_gemma(spec) && known.sandwich_norms == spec.sandwich_norms &&
           known.head_norms == spec.query_key_norms && known.input_bias == spec.query_key_value_bias &&
           known.fused == spec.fused_qkv;
  });
  if (found == std::end(kArchitectures)) {
    return Error{ErrorKind::unsupported,
                 "has norms, biases or matrices that none of GGUF's architectures llama, qwen2, qwen3, phi3, gemma, "
                 "gemma2, gemma3 has"};
  }
  if (const std::string feature = foreign_feature(*found, spec); !feature.empty()) {
    return Error{ErrorKind::unsupported,
                 fmt::format("has {}, which GGUF's architecture {} has not", feature, found->name)};
  }
  return *found;
}

}  // namespace kedge::quantize
