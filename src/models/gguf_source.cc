#include "models/gguf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

namespace kedge::models {
namespace {

using formats::GgufFile;

/// A GGUF architecture and the config.json it stands for.
struct Architecture {
  std::string_view gguf;
  std::string_view model_type;
  std::string_view class_name;
  std::string_view activation;
  bool interleaved_rope = false;
  bool norms_include_one = false;
};

constexpr Architecture kArchitectures[] = {
    {"llama", "llama", "LlamaForCausalLM", "silu", true, false},
    {"mistral3", "ministral3", "Ministral3ForCausalLM", "silu", true, false},
    {"gemma", "gemma", "GemmaForCausalLM", "gelu_pytorch_tanh", false, true},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", "gelu_pytorch_tanh", false, true},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM", "gelu_pytorch_tanh", false, true},
    {"phi3", "phi3", "Phi3ForCausalLM", "silu", false, false},
    {"phimoe", "phimoe", "PhiMoEForCausalLM", "silu", false, false},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", "silu", false, false},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", "silu", false, false},
};

using NamePair = std::pair<std::string_view, std::string_view>;

constexpr NamePair kTopNames[] = {
    {"token_embd.", "model.embed_tokens."}, {"output_norm.", "model.norm."}, {"output.", "lm_head."}};

// Tensors of a layer: the part after "blk.N." and the part after "model.layers.N.".
constexpr NamePair kLayerNames[] = {{"attn_norm.", "input_layernorm."},
                                    {"attn_q.", "self_attn.q_proj."},
                                    {"attn_k.", "self_attn.k_proj."},
                                    {"attn_v.", "self_attn.v_proj."},
                                    {"attn_qkv.", "self_attn.qkv_proj."},
                                    {"attn_output.", "self_attn.o_proj."},
                                    {"attn_q_norm.", "self_attn.q_norm."},
                                    {"attn_k_norm.", "self_attn.k_norm."},
                                    {"ffn_gate_inp.", "block_sparse_moe.gate."},
                                    {"ffn_gate_exps.", "block_sparse_moe.experts.w1."},
                                    {"ffn_down_exps.", "block_sparse_moe.experts.w2."},
                                    {"ffn_up_exps.", "block_sparse_moe.experts.w3."},
                                    {"ffn_gate.", "mlp.gate_proj."},
                                    {"ffn_up.", "mlp.up_proj."},
                                    {"ffn_down.", "mlp.down_proj."},
                                    {"ffn_norm.", "post_attention_layernorm."},
                                    {"post_ffw_norm.", "post_feedforward_layernorm."}};

// Gemma 2 and 3 have norms on both sides of each part, Phi-3 a fused gate and up: these come first.
constexpr NamePair kSandwichNames[] = {{"ffn_norm.", "pre_feedforward_layernorm."},
                                       {"post_attention_norm.", "post_attention_layernorm."}};
constexpr NamePair kFusedNames[] = {{"ffn_up.", "mlp.gate_up_proj."}};

std::string replaced(std::string_view rest, std::span<const NamePair> names, std::string_view prefix) {
  for (const auto& [from, to] : names) {
    if (rest.starts_with(from)) return fmt::format("{}{}{}", prefix, to, rest.substr(from.size()));
  }
  return "";
}

/// Metadata of one architecture, read into the keys of config.json.
class ConfigWriter {
 public:
  ConfigWriter(const GgufFile& file, const Architecture& architecture) : file_(file), architecture_(architecture) {}

  Json config() {
    json_["architectures"] = Json::array({architecture_.class_name});
    json_["model_type"] = architecture_.model_type;
    json_["hidden_act"] = architecture_.activation;
    copy_integer("embedding_length", "hidden_size");
    copy_integer("block_count", "num_hidden_layers");
    copy_integer("feed_forward_length", "intermediate_size");
    copy_integer("context_length", "max_position_embeddings");
    copy_integer("attention.head_count", "num_attention_heads");
    copy_integer("attention.head_count_kv", "num_key_value_heads");
    copy_integer("attention.key_length", "head_dim");
    copy_integer("attention.sliding_window", "sliding_window");
    copy_integer("expert_count", "num_local_experts");
    copy_integer("expert_used_count", "num_experts_per_tok");
    copy_number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
    copy_number("rope.freq_base", "rope_theta");
    copy_number("attn_logit_softcapping", "attn_logit_softcapping");
    copy_number("final_logit_softcapping", "final_logit_softcapping");
    vocabulary();
    token_ids();
    rope();
    family_details();
    return std::move(json_);
  }

 private:
  [[nodiscard]] std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_.gguf, name); }

  void copy_integer(std::string_view from, std::string_view to) {
    if (const auto value = file_.integer(key(from))) json_[std::string(to)] = *value;
  }
  void copy_number(std::string_view from, std::string_view to) {
    if (const auto value = file_.number(key(from))) json_[std::string(to)] = *value;
  }
  [[nodiscard]] double number(std::string_view name, double fallback) const {
    return file_.number(key(name)).value_or(fallback);
  }

  void vocabulary() {
    if (const TensorView* embedding = file_.find("token_embd.weight"); embedding && embedding->shape.size() == 2) {
      json_["vocab_size"] = embedding->shape[0];
    }
    json_["tie_word_embeddings"] = file_.find("output.weight") == nullptr;
  }

  void token_ids() {
    if (const auto id = file_.integer("tokenizer.ggml.bos_token_id")) json_["bos_token_id"] = *id;
    Json ends = Json::array();
    for (const char* name :
         {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (const auto id = file_.integer(name)) ends.push_back(*id);
    }
    if (!ends.empty()) json_["eos_token_id"] = ends;
  }

  void factors(const char* tensor_name, const char* to, Json& scaling) const {
    const TensorView* tensor = file_.find(tensor_name);
    if (tensor == nullptr || tensor->dtype != DType::f32 || tensor->shape.size() != 1) return;
    Json list = Json::array();
    const auto* values = reinterpret_cast<const float*>(tensor->data.data());
    for (int64_t i = 0; i < tensor->shape[0]; ++i) list.push_back(values[i]);
    scaling[to] = std::move(list);
  }

  void rope() {
    const auto heads = static_cast<double>(file_.integer(key("attention.head_count")).value_or(1));
    const double width = static_cast<double>(file_.integer(key("embedding_length")).value_or(1));
    const double head_size = number("attention.key_length", width / std::max(heads, 1.0));
    const double rotated = number("rope.dimension_count", head_size);
    if (rotated < head_size && head_size > 0) json_["partial_rotary_factor"] = rotated / head_size;

    Json scaling = Json::object();
    if (const auto original = file_.integer(key("rope.scaling.original_context_length"))) {
      scaling["original_max_position_embeddings"] = *original;
      json_["original_max_position_embeddings"] = *original;
    }
    if (file_.find("rope_factors_long.weight") != nullptr) {
      scaling["rope_type"] = "longrope";
      factors("rope_factors_long.weight", "long_factor", scaling);
      factors("rope_factors_short.weight", "short_factor", scaling);
      if (const auto factor = file_.number(key("rope.scaling.attn_factor"))) scaling["attention_factor"] = *factor;
    } else if (file_.find("rope_freqs.weight") != nullptr) {
      scaling["rope_type"] = "gguf_factors";
      factors("rope_freqs.weight", "factors", scaling);
    } else if (const std::string* type = file_.string(key("rope.scaling.type")); type && *type != "none") {
      scaling["rope_type"] = *type;
      scaling["factor"] = number("rope.scaling.factor", 1.0);
      scale_yarn(scaling);
    } else if (const double linear = number("rope.scale_linear", 1.0); linear != 1.0) {
      scaling["rope_type"] = "linear";
      scaling["factor"] = linear;
    }
    if (scaling.contains("rope_type")) json_["rope_scaling"] = std::move(scaling);
  }

  void scale_yarn(Json& scaling) const {
    scaling["beta_fast"] = number("rope.scaling.yarn_beta_fast", 32.0);
    scaling["beta_slow"] = number("rope.scaling.yarn_beta_slow", 1.0);
    if (const auto scale = file_.number(key("attention.temperature_scale"))) scaling["llama_4_scaling_beta"] = *scale;
  }

  /// What a family's converter drops because every published model of it has the same value.
  void family_details() {
    const std::string_view name = architecture_.gguf;
    if (name == "llama" && json_.contains("num_local_experts") && json_["num_local_experts"] != 0) {
      json_["model_type"] = "mixtral";
      json_["architectures"] = Json::array({"MixtralForCausalLM"});
    }
    if (name == "gemma2" || name == "gemma3") {
      const bool large = large_gemma();
      const double width = number("embedding_length", 1.0);
      const double heads = number("attention.head_count", 1.0);
      json_["query_pre_attn_scalar"] = large ? width / heads : number("attention.key_length", 256.0);
    }
    if (name == "gemma3") json_["rope_local_base_freq"] = number("rope.freq_base_swa", 10000.0);
    if (name == "qwen2" || name == "qwen3") json_["use_sliding_window"] = false;
    if (name == "phimoe") {
      json_["lm_head_bias"] = file_.find("output.bias") != nullptr;
      json_["attention_bias"] = file_.find("blk.0.attn_q.bias") != nullptr;
    }
    if (name == "llama") {
      json_["attention_bias"] = file_.find("blk.0.attn_q.bias") != nullptr;
    }
  }

  /// The 27B sizes of Gemma 2 and 3 scale queries by hidden_size / heads, all others by the head size.
  [[nodiscard]] bool large_gemma() const {
    const auto layers = file_.integer(key("block_count")).value_or(0);
    return (architecture_.gguf == "gemma2" && layers == 46) || (architecture_.gguf == "gemma3" && layers == 62);
  }

  const GgufFile& file_;
  const Architecture& architecture_;
  Json json_ = Json::object();
};

class GgufSource final : public WeightSource {
 public:
  GgufSource(std::shared_ptr<const GgufFile> file, const Architecture& architecture)
      : file_(std::move(file)), architecture_(architecture), config_name_(file_->name()) {
    config_ = ConfigWriter(*file_, architecture_).config();
    for (const TensorView& tensor : file_->tensors()) {
      std::string name = checkpoint_name(tensor.name, architecture_.gguf);
      if (!name.empty()) index_.emplace(std::move(name), &tensor);
    }
  }

  [[nodiscard]] const Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return config_name_; }
  [[nodiscard]] std::string_view format() const override { return "gguf"; }
  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : it->second;
  }
  [[nodiscard]] std::vector<const TensorView*> tensors() const override {
    std::vector<const TensorView*> all;
    for (const TensorView& tensor : file_->tensors()) all.push_back(&tensor);
    return all;
  }
  [[nodiscard]] std::string file_of(std::string_view) const override { return file_->name(); }
  void forget(std::span<const std::byte> bytes) const override { file_->forget(bytes); }
  [[nodiscard]] bool interleaved_rope() const override { return architecture_.interleaved_rope; }
  [[nodiscard]] bool norms_include_one() const override { return architecture_.norms_include_one; }

 private:
  std::shared_ptr<const GgufFile> file_;
  const Architecture& architecture_;
  std::string config_name_;
  Json config_;
  std::map<std::string, const TensorView*, std::less<>> index_;
};

}  // namespace

std::string checkpoint_name(std::string_view gguf_name, std::string_view architecture) {
  if (!gguf_name.starts_with("blk.")) return replaced(gguf_name, kTopNames, "");
  const size_t dot = gguf_name.find('.', 4);
  if (dot == std::string_view::npos) return "";
  const std::string prefix = fmt::format("model.layers.{}.", gguf_name.substr(4, dot - 4));
  const std::string_view rest = gguf_name.substr(dot + 1);
  std::string name;
  if (architecture == "gemma2" || architecture == "gemma3") name = replaced(rest, kSandwichNames, prefix);
  if (architecture == "phi3") name = replaced(rest, kFusedNames, prefix);
  return name.empty() ? replaced(rest, kLayerNames, prefix) : name;
}

Result<std::shared_ptr<const WeightSource>> open_gguf_source(std::shared_ptr<const GgufFile> file) {
  const std::string* name = file->string("general.architecture");
  if (name == nullptr) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: key 'general.architecture' is missing", file->name())};
  }
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.gguf == *name) {
      return std::shared_ptr<const WeightSource>(std::make_shared<GgufSource>(std::move(file), architecture));
    }
  }
  return Error{
      ErrorKind::unsupported,
      fmt::format("{}: architecture '{}', expected one of llama, mistral3, gemma, gemma2, gemma3, phi3, phimoe, "
                  "qwen2, qwen3",
                  file->name(), *name)};
}

}  // namespace kedge::models
