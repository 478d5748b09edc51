#include "models/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace kedge::models {
namespace {

struct Family {
  std::string_view name;
  std::vector<std::string_view> model_types;  // as config.json spells them
  Result<ModelSpec> (*build)(ConfigReader& config, const WeightSource& source);
  std::vector<std::string_view> base_models = {};  // names that stand for a model_type where there is none
};

const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {"llama", {"llama"}, build_llama},
      {"mistral", {"mistral", "mixtral", "ministral", "ministral3"}, build_mistral},
      {"gemma", {"gemma", "gemma2", "gemma3_text", "gemma3"}, build_gemma},
      {"phi3", {"phi3", "phimoe"}, build_phi3},
      {"qwen", {"qwen2", "qwen3"}, build_qwen},
      {"bert", {"bert", "roberta", "xlm-roberta"}, build_bert},
      {"deberta", {"deberta-v2"}, build_deberta, {"microsoft/deberta-v3-base", "microsoft/mdeberta-v3-base"}},
  };
  return kFamilies;
}

std::string known_types() {
  std::string text;
  for (const Family& family : families()) {
    for (const std::string_view type : family.model_types) text += fmt::format("{}{}", text.empty() ? "" : ", ", type);
  }
  return text;
}

std::string known_base_models() {
  std::string text;
  for (const Family& family : families()) {
    for (const std::string_view base : family.base_models)
      text += fmt::format("{}{}", text.empty() ? "" : " or ", base);
  }
  return text;
}

/// id2label: names by "0", "1", ...; problem_type says how several go together.
Status read_labels(ConfigReader& config, const std::vector<int64_t>& shape, EncoderSpec& spec) {
  constexpr int64_t kLabelsMax = 100'000;
  const ConfigReader names = config.object("id2label");
  if (!config.has("id2label") || !names.json().is_object()) {  // transformers' names
    const int64_t count = shape.empty() ? 1 : std::min(shape[0], kLabelsMax);
    for (int64_t i = 0; i < count; ++i) spec.labels.push_back(fmt::format("LABEL_{}", i));
    return Done{};
  }
  for (size_t i = 0; i < names.json().size(); ++i) {
    const auto name = names.json().find(std::to_string(i));
    if (name == names.json().end() || !name->is_string() || name->get<std::string>().empty()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: id2label has no name for \"{}\", expected one for each of 0 to {}", config.name(),
                               i, names.json().size() - 1)};
    }
    spec.labels.push_back(name->get<std::string>());
  }
  spec.multi_label = config.text_or("problem_type", "") == "multi_label_classification";
  return Done{};
}

}  // namespace

Result<cpu::Activation> activation_from_name(const ConfigReader& config, const std::string& name) {
  if (name == "silu" || name == "swish") return cpu::Activation::silu;
  if (name == "gelu") return cpu::Activation::gelu_erf;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return cpu::Activation::gelu_tanh;
  if (name == "relu") return cpu::Activation::relu;
  return Error{ErrorKind::unsupported,
               fmt::format("{}: activation '{}', expected silu, gelu, gelu_pytorch_tanh or relu", config.name(), name)};
}

Status read_head(ConfigReader& config, const WeightSource& source, EncoderSpec& spec) {
  const TensorView* const output = source.find(spec.head_output + ".weight");
  if (output == nullptr) return Done{};
  spec.head = EncoderHead::rerank;
  return read_labels(config, output->shape, spec);
}

Result<DecoderSpec> read_decoder(ConfigReader& config, const WeightSource& source) {
  DecoderSpec spec;
  spec.hidden_size = config.size("hidden_size");
  spec.layer_count = config.integer("num_hidden_layers", 1, kLayersMax);
  spec.heads = config.size("num_attention_heads");
  spec.kv_heads = config.integer_or("num_key_value_heads", spec.heads, 1, kDimensionMax);
  spec.intermediate_size = config.size("intermediate_size");
  spec.vocabulary_size = config.size("vocab_size");
  spec.context_tokens = config.integer_or("max_position_embeddings", 2048, 1, kDimensionMax);
  spec.head_size = config.integer_or("head_dim", std::max<int64_t>(1, spec.hidden_size / spec.heads), 1, 1 << 16);
  spec.norm_epsilon = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  spec.tied_embeddings = config.boolean_or("tie_word_embeddings", false);
  spec.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.head_size)));
  spec.interleaved_rope = source.interleaved_rope();
  if (spec.heads % spec.kv_heads != 0) {
    config.fail(ErrorKind::corrupt_data, fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}",
                                                     spec.heads, spec.kv_heads));
  }
  const std::string activation = config.text_or("hidden_activation", config.text_or("hidden_act", "silu"));
  KEDGE_TRY(config.status());
  KEDGE_ASSIGN(spec.activation, activation_from_name(config, activation));
  KEDGE_ASSIGN(RopeSpec rope, read_rope(config, spec.head_size));
  spec.ropes = {std::move(rope)};
  spec.layers.assign(static_cast<size_t>(spec.layer_count), DecoderLayerSpec{});
  return spec;
}

Result<ModelSpec> build_spec(const WeightSource& source) {
  ConfigReader config(source.config(), source.config_name());
  const std::string type = config.text_or("model_type", "");
  const std::string base = type.empty() ? config.text_or("base_model", "") : "";
  const std::vector<std::string> architectures = config.texts("architectures");
  KEDGE_TRY(config.status());
  for (const Family& family : families()) {
    const bool named = std::ranges::find(family.model_types, type) != family.model_types.end();
    if (!named && std::ranges::find(family.base_models, base) == family.base_models.end()) continue;
    KEDGE_ASSIGN(ModelSpec spec, family.build(config, source));
    spec.family = family.name;
    spec.architecture = !architectures.empty() ? architectures.front() : !type.empty() ? type : base;
    return spec;
  }
  if (!base.empty()) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: no model_type and base_model '{}', expected {}, or the settings of the body beside it",
                    source.config_name(), base, known_base_models())};
  }
  return Error{ErrorKind::unsupported,
               fmt::format("{}: model_type '{}', expected one of {}", source.config_name(), type, known_types())};
}

}  // namespace kedge::models
