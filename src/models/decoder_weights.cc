#include "models/decoder_weights.h"

#include <fmt/format.h>

#include <string>

namespace kedge::models {
namespace {

class Loader {
 public:
  Loader(const DecoderSpec& spec, const WeightSource& source) : spec_(spec), source_(source) {}

  Result<DecoderWeights> load() {
    DecoderWeights weights;
    KEDGE_ASSIGN(weights.embedding, source_.matrix("model.embed_tokens.weight", spec_.vocabulary_size,
                                                   spec_.hidden_size, "vocab_size x hidden_size"));
    KEDGE_ASSIGN(weights.final_norm, norm("model.norm", spec_.hidden_size, spec_.norm == NormKind::layer));
    KEDGE_ASSIGN(weights.head, head(weights.embedding));
    for (int64_t i = 0; i < spec_.layer_count; ++i) {
      KEDGE_ASSIGN(DecoderLayerWeights layer, load_layer(fmt::format("model.layers.{}.", i)));
      weights.layers.push_back(std::move(layer));
    }
    return weights;
  }

 private:
  Result<NormWeights> norm(const std::string& name, int64_t size, bool with_bias) const {
    NormWeights result;
    KEDGE_ASSIGN(result.weight, source_.vector(name + ".weight", size));
    if (with_bias) {
      KEDGE_ASSIGN(result.bias, source_.vector(name + ".bias", size));
    }
    return result;
  }

  Result<Linear> linear(const std::string& name, int64_t rows, int64_t columns, bool with_bias,
                        const char* because) const {
    KEDGE_ASSIGN(Linear result, product(name, rows, columns, because));
    if (with_bias) {
      KEDGE_ASSIGN(result.bias, source_.vector(name + ".bias", rows));
    }
    return result;
  }

  Result<Linear> product(const std::string& name, int64_t rows, int64_t columns, const char* because) const {
    KEDGE_ASSIGN(StoredProduct stored, source_.product(name, rows, columns, because));
    return Linear{.weight = stored.weight, .quantized = std::move(stored.quantized)};
  }

  /// Tied models have no lm_head tensor; some carry a copy all the same, and the settings decide.
  Result<Linear> head(const cpu::WeightView& embedding) const {
    if (spec_.tied_embeddings || source_.find("lm_head.weight") == nullptr) {
      if (!spec_.tied_embeddings && source_.format() == "safetensors") {
        return linear("lm_head", spec_.vocabulary_size, spec_.hidden_size, false, "vocab_size x hidden_size");
      }
      return Linear{.weight = embedding};
    }
    return linear("lm_head", spec_.vocabulary_size, spec_.hidden_size, spec_.head_bias, "vocab_size x hidden_size");
  }

  Status load_attention(const std::string& prefix, DecoderLayerWeights& layer) const {
    const int64_t query_rows = spec_.heads * spec_.head_size;
    const int64_t key_rows = spec_.kv_heads * spec_.head_size;
    const int64_t hidden = spec_.hidden_size;
    const bool bias = spec_.query_key_value_bias;
    const std::string attention = prefix + "self_attn.";
    if (spec_.fused_qkv) {
      KEDGE_ASSIGN(layer.qkv, linear(attention + "qkv_proj", query_rows + 2 * key_rows, hidden, bias,
                                     "(heads + 2 x kv_heads) x head_dim, hidden_size"));
    } else {
      KEDGE_ASSIGN(layer.query, linear(attention + "q_proj", query_rows, hidden, bias,
                                       "num_attention_heads x head_dim, hidden_size"));
      KEDGE_ASSIGN(layer.key,
                   linear(attention + "k_proj", key_rows, hidden, bias, "num_key_value_heads x head_dim, hidden_size"));
      KEDGE_ASSIGN(layer.value,
                   linear(attention + "v_proj", key_rows, hidden, bias, "num_key_value_heads x head_dim, hidden_size"));
    }
    KEDGE_ASSIGN(layer.output, linear(attention + "o_proj", hidden, query_rows, spec_.output_bias,
                                      "hidden_size, num_attention_heads x head_dim"));
    if (spec_.query_key_norms) {
      KEDGE_ASSIGN(layer.query_norm, norm(attention + "q_norm", spec_.head_size, false));
      KEDGE_ASSIGN(layer.key_norm, norm(attention + "k_norm", spec_.head_size, false));
    }
    return Done{};
  }

  Status load_dense(const std::string& prefix, DecoderLayerWeights& layer) const {
    const int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size;
    if (spec_.fused_gate_up) {
      KEDGE_ASSIGN(layer.mlp.gate, linear(prefix + "mlp.gate_up_proj", 2 * inner, hidden, spec_.mlp_bias,
                                          "2 x intermediate_size, hidden_size"));
    } else {
      KEDGE_ASSIGN(layer.mlp.gate,
                   linear(prefix + "mlp.gate_proj", inner, hidden, spec_.mlp_bias, "intermediate_size x hidden_size"));
      KEDGE_ASSIGN(layer.mlp.up,
                   linear(prefix + "mlp.up_proj", inner, hidden, spec_.mlp_bias, "intermediate_size x hidden_size"));
    }
    KEDGE_ASSIGN(layer.mlp.down,
                 linear(prefix + "mlp.down_proj", hidden, inner, spec_.mlp_bias, "hidden_size x intermediate_size"));
    return Done{};
  }

  /// One expert's w1 (gate), w2 (down) or w3 (up): a tensor of its own, or a slice of the layer's (GGUF).
  Result<Linear> expert_part(const std::string& moe, int64_t expert, const char* part, int64_t rows,
                             int64_t columns) const {
    const std::string stacked = fmt::format("{}experts.{}.weight", moe, part);
    if (source_.find(stacked) != nullptr) {
      KEDGE_ASSIGN(const cpu::WeightView weight, source_.slice(stacked, expert, spec_.mixture.experts, rows, columns));
      return Linear{.weight = weight};
    }
    return product(fmt::format("{}experts.{}.{}", moe, expert, part), rows, columns,
                   "intermediate_size and hidden_size");
  }

  Status load_mixture(const std::string& prefix, DecoderLayerWeights& layer) const {
    const int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size;
    const std::string moe = prefix + "block_sparse_moe.";
    KEDGE_ASSIGN(layer.router.weight,
                 source_.matrix(moe + "gate.weight", spec_.mixture.experts, hidden, "num_local_experts x hidden_size"));
    for (int64_t expert = 0; expert < spec_.mixture.experts; ++expert) {
      MlpWeights mlp;
      KEDGE_ASSIGN(mlp.gate, expert_part(moe, expert, "w1", inner, hidden));
      KEDGE_ASSIGN(mlp.down, expert_part(moe, expert, "w2", hidden, inner));
      KEDGE_ASSIGN(mlp.up, expert_part(moe, expert, "w3", inner, hidden));
      layer.experts.push_back(std::move(mlp));
    }
    return Done{};
  }

  Result<DecoderLayerWeights> load_layer(const std::string& prefix) const {
    const bool bias = spec_.norm == NormKind::layer;
    const int64_t hidden = spec_.hidden_size;
    DecoderLayerWeights layer;
    KEDGE_ASSIGN(layer.input_norm, norm(prefix + "input_layernorm", hidden, bias));
    if (spec_.sandwich_norms) {
      KEDGE_ASSIGN(layer.attention_output_norm, norm(prefix + "post_attention_layernorm", hidden, bias));
      KEDGE_ASSIGN(layer.mlp_norm, norm(prefix + "pre_feedforward_layernorm", hidden, bias));
      KEDGE_ASSIGN(layer.mlp_output_norm, norm(prefix + "post_feedforward_layernorm", hidden, bias));
    } else {
      KEDGE_ASSIGN(layer.mlp_norm, norm(prefix + "post_attention_layernorm", hidden, bias));
    }
    KEDGE_TRY(load_attention(prefix, layer));
    KEDGE_TRY(spec_.mixture.experts > 0 ? load_mixture(prefix, layer) : load_dense(prefix, layer));
    return layer;
  }

  const DecoderSpec& spec_;
  const WeightSource& source_;
};

}  // namespace

Result<DecoderWeights> load_decoder_weights(const DecoderSpec& spec, const WeightSource& source) {
  return Loader(spec, source).load();
}

}  // namespace kedge::models
