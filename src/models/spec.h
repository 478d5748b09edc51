#pragma once
// What distinguishes one model from another, as data: a family fills a spec from the settings, and one decoder and one
// encoder run every spec.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cpu/ops.h"
#include "models/rope.h"

namespace kedge::models {

enum class NormKind : uint8_t { rms, layer };

/// How a mixture of experts weighs its choices.
enum class Routing : uint8_t {
  softmax_top_k,  // Mixtral: softmax over all experts, the k largest, renormalised
  sparse_mixer    // Phi-3.5-MoE (SparseMixer, Liu et al. 2023): two experts, each weighed by a softmax over the
                  // experts whose score is near the best of its round
};

struct MixtureSpec {
  int64_t experts = 0;  // 0: a dense MLP
  int64_t experts_per_token = 2;
  Routing routing = Routing::softmax_top_k;
  float jitter = 0.0F;  // sparse_mixer: near means within 2 * jitter of the best, relatively
};

struct DecoderLayerSpec {
  int64_t window = 0;     // 0: full attention
  size_t rope_index = 0;  // into DecoderSpec::ropes
};

struct DecoderSpec {
  int64_t hidden_size = 0, layer_count = 0, heads = 0, kv_heads = 0, head_size = 0;
  int64_t intermediate_size = 0, vocabulary_size = 0, context_tokens = 0;

  NormKind norm = NormKind::rms;
  float norm_epsilon = 1e-5F;
  float norm_weight_offset = 0.0F;  // 1 where weights are stored as w of (1 + w)
  bool sandwich_norms = false;      // norms after attention and MLP too (Gemma 2, 3)
  bool query_key_norms = false;     // RMSNorm of each head's q and k (Qwen 3, Gemma 3)
  cpu::Activation activation = cpu::Activation::silu;

  bool fused_qkv = false, fused_gate_up = false;  // Phi-3's tensor layout
  bool query_key_value_bias = false, output_bias = false, mlp_bias = false, head_bias = false;
  bool tied_embeddings = false;

  float attention_scale = 0.0F;
  float attention_softcap = 0.0F, logit_softcap = 0.0F;  // 0: none
  float embedding_scale = 1.0F;
  float logit_scale = 1.0F;

  bool interleaved_rope = false;
  std::vector<RopeSpec> ropes;
  std::vector<DecoderLayerSpec> layers;
  MixtureSpec mixture;
};

enum class EncoderHead : uint8_t { embed, rerank };

/// Attention by content and relative position (disentangled; He et al. 2021): q and k of content meet each other, and
/// each of them the other's kind of projected position.
struct RelativeAttentionSpec {
  int64_t buckets = 0;       // far distances share rows, the more the farther (He et al. 2023); 0: one for each
  int64_t distance_max = 0;  // from which on all distances share one row
  bool content_to_position = false, position_to_content = false;  // the terms that a score has
  bool shared_projections = false;  // positions pass the layer's own query and key products
  bool norm = false;                // of the table of positions

  [[nodiscard]] bool used() const { return content_to_position || position_to_content; }
  /// Rows of the table of positions for each direction; distance 0 is in row span().
  [[nodiscard]] int64_t span() const { return buckets > 0 ? buckets : distance_max; }
};

struct EncoderSpec {
  int64_t hidden_size = 0, layer_count = 0, heads = 0, intermediate_size = 0, vocabulary_size = 0;
  int64_t positions = 0;            // rows of the position table; 0: none
  int64_t first_position = 0;       // of the first token (RoBERTa: pad_id + 1)
  int64_t relative_tokens_max = 0;  // without a position table: the longest sequence
  int64_t token_types = 0;          // rows of the token type table; 0: none
  float norm_epsilon = 1e-12F;
  float attention_scale = 0.0F;
  RelativeAttentionSpec relative;
  cpu::Activation activation = cpu::Activation::gelu_erf;
  EncoderHead head = EncoderHead::embed;
  std::vector<std::string> labels;  // of the head's outputs; empty: it has one, and no name for it
  bool multi_label = false;         // any of them may hold: a sigmoid for each, else a softmax over all
  std::string head_dense;           // the head's first product, of the first token's states; empty: it has none
  std::optional<cpu::Activation> head_activation;  // behind it; none: tanh
  std::string head_output;                         // the product that gives the scores
  std::string prefix;                              // of the body's tensor names ("roberta.", "bert.", "")
  std::string projection_suffix;                   // of the names of q, k and v's products ("_proj", "")

  [[nodiscard]] int64_t context_tokens() const {
    return positions > 0 ? positions - first_position : relative_tokens_max;
  }
};

struct ModelSpec {
  std::string family;
  std::string architecture;
  std::variant<DecoderSpec, EncoderSpec> network;
};

}  // namespace kedge::models
