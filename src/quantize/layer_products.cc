#include "quantize/layer_products.h"

#include <fmt/format.h>

#include <charconv>

namespace kedge::quantize {
namespace {

class Lister {
 public:
  Lister(const models::DecoderSpec& spec, const models::DecoderLayerWeights& weights)
      : spec_(spec), weights_(weights) {}

  LayerProducts list() {
    attention();
    if (spec_.mixture.experts > 0) {
      for (size_t expert = 0; expert < weights_.experts.size(); ++expert) {
        const std::string prefix = fmt::format("block_sparse_moe.experts.{}.", expert);
        // The router reads the same norm in full precision: no factor may go there.
        const size_t in =
            input({.name = fmt::format("mlp.{}", expert), .columns = spec_.hidden_size, .stage = 2, .routed = true});
        gated(weights_.experts[expert], in, {prefix + "w1", prefix + "w3", prefix + "w2"}, expert);
      }
    } else {
      const char* norm = spec_.sandwich_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm";
      const size_t in =
          input({.name = "mlp", .columns = spec_.hidden_size, .producer = Producer::norm, .norm = norm, .stage = 2});
      const char* gate = spec_.fused_gate_up ? "mlp.gate_up_proj" : "mlp.gate_proj";
      gated(weights_.mlp, in, {gate, "mlp.up_proj", "mlp.down_proj"}, -1);
    }
    return std::move(result_);
  }

 private:
  struct GatedNames {
    std::string gate, up, down;
  };

  size_t input(ProductInput description) {
    if (description.head_size == 0) description.head_size = description.columns;
    result_.inputs.push_back(std::move(description));
    return result_.inputs.size() - 1;
  }
  size_t product(std::string name, const models::Linear& linear, size_t input) {
    result_.products.push_back({std::move(name), &linear, input});
    return result_.products.size() - 1;
  }

  void attention() {
    const size_t in = input(
        {.name = "attention", .columns = spec_.hidden_size, .producer = Producer::norm, .norm = "input_layernorm"});
    size_t values = 0;
    int64_t first_row = 0;
    if (spec_.fused_qkv) {
      values = product("self_attn.qkv_proj", weights_.qkv, in);
      first_row = (spec_.heads + spec_.kv_heads) * spec_.head_size;
    } else {
      product("self_attn.q_proj", weights_.query, in);
      product("self_attn.k_proj", weights_.key, in);
      values = product("self_attn.v_proj", weights_.value, in);
    }
    const size_t heads = input({.name = "heads",
                                .columns = spec_.heads * spec_.head_size,
                                .producer = Producer::rows,
                                .product = values,
                                .first_row = first_row,
                                .head_size = spec_.head_size,
                                .repeats = spec_.heads / spec_.kv_heads,
                                .stage = 1});
    product("self_attn.o_proj", weights_.output, heads);
  }

  void gated(const models::MlpWeights& mlp, size_t in, const GatedNames& names, int64_t expert) {
    size_t up = product(names.gate, mlp.gate, in);
    const bool fused = mlp.up.weight.rows == 0;
    if (!fused) up = product(names.up, mlp.up, in);
    const size_t inner = input({.name = expert < 0 ? "inner" : fmt::format("inner.{}", expert),
                                .columns = spec_.intermediate_size,
                                .producer = Producer::rows,
                                .product = up,
                                .first_row = fused ? spec_.intermediate_size : 0,
                                .stage = 3,
                                .routed = expert >= 0});
    product(names.down, mlp.down, inner);
  }

  const models::DecoderSpec& spec_;
  const models::DecoderLayerWeights& weights_;
  LayerProducts result_;
};

}  // namespace

LayerProducts products_of(const models::DecoderSpec& spec, const models::DecoderLayerWeights& weights) {
  return Lister(spec, weights).list();
}

int64_t layer_of_tensor(std::string_view tensor_name) {
  for (const std::string_view prefix :
       {"language_model.model.layers.", "model.language_model.layers.", "model.layers."}) {
    if (!tensor_name.starts_with(prefix)) continue;
    const std::string_view rest = tensor_name.substr(prefix.size());
    int64_t layer = -1;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    if (error == std::errc() && end < rest.data() + rest.size() && *end == '.') return layer;
  }
  return -1;
}

}  // namespace kedge::quantize
