// A checkpoint folder under the names, in the order of rows and with the keys that GGUF has for its architecture.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/gguf_source.h"
#include "quantize/gguf_architecture.h"
#include "quantize/gguf_model.h"

namespace kedge::quantize {
namespace {

using formats::GgufValue;
using models::RopeScaling;
using models::RopeSpec;

class FolderWriter {
 public:
  FolderWriter(const models::WeightSource& source, const models::DecoderSpec& spec,
               const GgufArchitecture& architecture)
      : source_(source), spec_(spec), architecture_(architecture) {}

  Result<GgufModel> write(const std::string& name) {
    model_.metadata.emplace_back("general.architecture", gguf_text(std::string(architecture_.name)));
    model_.metadata.emplace_back("general.name", gguf_text(name));
    add_sizes();
    add_rope_keys();
    add_family_keys();
    KEDGE_TRY(add("token_embd.weight"));
    if (!spec_.tied_embeddings) KEDGE_TRY(add("output.weight"));
    KEDGE_TRY(add("output_norm.weight"));
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) KEDGE_TRY(add_layer(layer));
    add_rope_factors();
    return std::move(model_);
  }

 private:
  void set(std::string_view key, GgufValue value) {
    model_.metadata.emplace_back(fmt::format("{}.{}", architecture_.name, key), std::move(value));
  }

  void add_sizes() {
    set("block_count", gguf_integer(spec_.layer_count));
    set("context_length", gguf_integer(spec_.context_tokens));
    set("embedding_length", gguf_integer(spec_.hidden_size));
    set("feed_forward_length", gguf_integer(spec_.intermediate_size));
    set("attention.head_count", gguf_integer(spec_.heads));
    set("attention.head_count_kv", gguf_integer(spec_.kv_heads));
    set("attention.key_length", gguf_integer(spec_.head_size));
    set("attention.value_length", gguf_integer(spec_.head_size));
    set("attention.layer_norm_rms_epsilon", gguf_number(spec_.norm_epsilon));
    set("vocab_size", gguf_integer(spec_.vocabulary_size));
  }

  void add_rope_keys() {
    const RopeSpec& rope = spec_.ropes.front();
    set("rope.dimension_count", gguf_integer(rope.rotary));
    set("rope.freq_base", gguf_number(rope.theta));
    if (rope.scaling == RopeScaling::linear) {
      set("rope.scaling.type", gguf_text("linear"));
      set("rope.scaling.factor", gguf_number(rope.factor));
    }
    if (rope.scaling == RopeScaling::longrope) {
      set("rope.scaling.original_context_length", gguf_integer(rope.original_context));
      set("rope.scaling.attn_factor", gguf_number(rope.long_attention_factor));
    }
    if (spec_.ropes.size() > 1) set("rope.freq_base_swa", gguf_number(spec_.ropes[1].theta));
  }

  void add_family_keys() {
    // Phi-3's readers want the key even where there is no window: 0 tells Phi-4 from the others.
    if (architecture_.window_period > 0) set("attention.sliding_window", gguf_integer(spec_.layers.front().window));
    if (architecture_.softcaps) {
      set("attn_logit_softcapping", gguf_number(spec_.attention_softcap));
      set("final_logit_softcapping", gguf_number(spec_.logit_softcap));
    }
    if (spec_.mixture.experts > 0) {
      set("expert_count", gguf_integer(spec_.mixture.experts));
      set("expert_used_count", gguf_integer(spec_.mixture.experts_per_token));
    }
  }

  Result<const TensorView*> find(std::string_view name) const {
    if (const TensorView* tensor = source_.find(name)) return tensor;
    return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' is missing", source_.file_of(name), name)};
  }

  /// The tensor of GGUF's `name`, from the one that a reader of GGUF looks up there.
  Status add(const std::string& name, int64_t rotated_heads = 0) {
    KEDGE_ASSIGN(const TensorView* tensor, find(models::checkpoint_name(name, architecture_.name)));
    // Vectors and routers are never rounded, and readers expect them in F32.
    const bool wide = tensor->shape.size() == 1 || name.find("ffn_gate_inp.") != std::string::npos;
    model_.tensors.push_back({.name = name,
                              .shape = tensor->shape,
                              .stored = {gguf_rows(*tensor)},
                              .rotated_heads = rotated_heads,
                              .added = name.ends_with("_norm.weight") ? spec_.norm_weight_offset : 0.0F,
                              .values = {},
                              .kept_as = wide ? DType::f32 : tensor->dtype});
    return Done{};
  }

  Status add_layer(int64_t layer) {
    const std::string prefix = fmt::format("blk.{}.", layer);
    const auto rotated = [&](int64_t heads) { return architecture_.rope_pairs ? heads : 0; };
    KEDGE_TRY(add(prefix + "attn_norm.weight"));
    if (spec_.fused_qkv) {
      KEDGE_TRY(add(prefix + "attn_qkv.weight"));
    } else {
      KEDGE_TRY(add(prefix + "attn_q.weight", rotated(spec_.heads)));
      KEDGE_TRY(add(prefix + "attn_k.weight", rotated(spec_.kv_heads)));
      KEDGE_TRY(add(prefix + "attn_v.weight"));
    }
    std::vector<std::string_view> others = {"attn_output.weight", "ffn_norm.weight"};
    if (spec_.query_key_value_bias) others.insert(others.end(), {"attn_q.bias", "attn_k.bias", "attn_v.bias"});
    if (spec_.query_key_norms) others.insert(others.end(), {"attn_q_norm.weight", "attn_k_norm.weight"});
    if (spec_.sandwich_norms) others.insert(others.end(), {"post_attention_norm.weight", "post_ffw_norm.weight"});
    if (spec_.mixture.experts > 0) {
      others.emplace_back("ffn_gate_inp.weight");
    } else {
      if (!spec_.fused_gate_up) others.emplace_back("ffn_gate.weight");
      others.insert(others.end(), {"ffn_up.weight", "ffn_down.weight"});
    }
    for (const std::string_view name : others) KEDGE_TRY(add(prefix + std::string(name)));
    if (spec_.mixture.experts == 0) return Done{};
    for (const char* part : {"ffn_gate_exps", "ffn_down_exps", "ffn_up_exps"}) {
      KEDGE_TRY(add_experts(fmt::format("{}{}.weight", prefix, part)));
    }
    return Done{};
  }

  /// One matrix of every expert of a layer, one after another.
  Status add_experts(const std::string& name) {
    const std::string stacked = models::checkpoint_name(name, architecture_.name);  // ...experts.w1.weight
    const size_t number = stacked.find("experts.") + std::string_view("experts.").size();
    GgufTensor all{.name = name, .shape = {spec_.mixture.experts}, .stored = {}, .values = {}};
    for (int64_t expert = 0; expert < spec_.mixture.experts; ++expert) {
      KEDGE_ASSIGN(const TensorView* tensor,
                   find(fmt::format("{}{}.{}", stacked.substr(0, number), expert, stacked.substr(number))));
      if (expert == 0) all.shape.insert(all.shape.end(), tensor->shape.begin(), tensor->shape.end());
      all.stored.push_back(gguf_rows(*tensor));
      all.kept_as = tensor->dtype;
    }
    model_.tensors.push_back(std::move(all));
    return Done{};
  }

  void add_values(const char* name, std::vector<float> values) {
    const auto count = static_cast<int64_t>(values.size());
    model_.tensors.push_back({.name = name, .shape = {count}, .stored = {}, .values = std::move(values)});
  }

  /// Llama 3's scaling is in GGUF a divisor of each frequency, LongRoPE's are two sets of them.
  void add_rope_factors() {
    const RopeSpec& rope = spec_.ropes.front();
    if (rope.scaling == RopeScaling::longrope) {
      add_values("rope_factors_long.weight", {rope.long_factors.begin(), rope.long_factors.end()});
      add_values("rope_factors_short.weight", {rope.short_factors.begin(), rope.short_factors.end()});
    }
    if (rope.scaling != RopeScaling::llama3) return;
    RopeSpec plain = rope;
    plain.scaling = RopeScaling::none;
    const std::vector<float> scaled = rope.inverse_frequencies(spec_.context_tokens);
    std::vector<float> factors = plain.inverse_frequencies(spec_.context_tokens);
    for (size_t i = 0; i < factors.size(); ++i) factors[i] /= scaled[i];
    add_values("rope_freqs.weight", std::move(factors));
  }

  const models::WeightSource& source_;
  const models::DecoderSpec& spec_;
  const GgufArchitecture& architecture_;
  GgufModel model_;
};

}  // namespace

Result<GgufModel> gguf_model_of(const std::filesystem::path& folder, const models::WeightSource& source,
                                const models::DecoderSpec& spec) {
  const Result<GgufArchitecture> architecture = gguf_architecture_of(spec);
  if (!architecture.ok()) {
    return Error{architecture.error().kind, fmt::format("{}: {}; quantize a .gguf file of the model instead",
                                                        folder.string(), architecture.error().message)};
  }
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(folder, ignored);
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  KEDGE_ASSIGN(GgufModel model, FolderWriter(source, spec, architecture.value()).write(name));
  KEDGE_ASSIGN(auto tokenizer, gguf_tokenizer(folder, spec.vocabulary_size));
  std::ranges::move(tokenizer, std::back_inserter(model.metadata));
  return model;
}

}  // namespace kedge::quantize
