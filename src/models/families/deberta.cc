// DeBERTa v2 and v3: bodies, heads as transformers writes them, and the classifiers of NeMo Curator, whose output reads
// the first token's states. Sources: He et al. 2021 (DeBERTa), 2023 (DeBERTaV3); transformers' modeling_deberta_v2.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "models/registry.h"

namespace kedge::models {
namespace {

/// Without a position table any length can be computed. The published bodies were trained on max_position_embeddings
/// tokens; NVIDIA's classifiers of quality and content type give the same bodies 1,024, which is twice as many.
constexpr int64_t kTrainedLengths = 2;

/// The settings that microsoft/deberta-v3-base publishes; those of mdeberta-v3-base differ in vocab_size alone.
Json published_settings(std::string_view base) {
  return {{"vocab_size", base == "microsoft/mdeberta-v3-base" ? 251000 : 128100},
          {"hidden_size", 768},
          {"num_hidden_layers", 12},
          {"num_attention_heads", 12},
          {"intermediate_size", 3072},
          {"max_position_embeddings", 512},
          {"layer_norm_eps", 1e-7},
          {"relative_attention", true},
          {"position_buckets", 256},
          {"max_relative_positions", -1},
          {"norm_rel_ebd", "layer_norm"},
          {"share_att_key", true},
          {"pos_att_type", "p2c|c2p"},
          {"position_biased_input", false},
          {"type_vocab_size", 0}};
}

/// NeMo Curator's classifiers name the body (base_model) that they were trained from and need not repeat its settings.
Json with_base_settings(const ConfigReader& config) {
  Json settings = config.json();
  const auto base = settings.is_object() ? settings.find("base_model") : settings.end();
  if (!settings.is_object() || base == settings.end() || !base->is_string()) return settings;
  const auto name = base->get<std::string>();
  if (name != "microsoft/deberta-v3-base" && name != "microsoft/mdeberta-v3-base") return settings;
  const Json published = published_settings(name);
  for (const auto& [key, value] : published.items()) {
    if (!config.has(key)) settings[key] = value;
  }
  return settings;
}

/// The parts of "p2c|c2p", which may be a list too; "none" is no part.
std::vector<std::string> parts_of(ConfigReader& config, const char* key) {
  if (!config.has(key)) return {};
  if (config.json()[key].is_array()) return config.texts(key);
  std::vector<std::string> parts(1);
  for (const char character : config.text_or(key, "")) {
    if (character == '|') {
      parts.emplace_back();
    } else if (character != ' ') {
      parts.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
    }
  }
  std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "none"; });
  return parts;
}

void read_terms(ConfigReader& config, RelativeAttentionSpec& relative) {
  for (const std::string& term : parts_of(config, "pos_att_type")) {
    if (term == "c2p") {
      relative.content_to_position = true;
    } else if (term == "p2c") {
      relative.position_to_content = true;
    } else {
      config.fail(ErrorKind::unsupported, fmt::format("pos_att_type has '{}', expected c2p, p2c or both", term));
    }
  }
  for (const std::string& norm : parts_of(config, "norm_rel_ebd")) {
    relative.norm = norm == "layer_norm";
    if (!relative.norm) {
      config.fail(ErrorKind::unsupported, fmt::format("norm_rel_ebd '{}', expected layer_norm or none", norm));
    }
  }
}

/// The scale of a score counts its terms, also where attention is not relative.
void read_attention(ConfigReader& config, int64_t positions, EncoderSpec& spec) {
  RelativeAttentionSpec& relative = spec.relative;
  read_terms(config, relative);
  const int64_t terms = 1 + (relative.content_to_position ? 1 : 0) + (relative.position_to_content ? 1 : 0);
  const int64_t head_size = spec.hidden_size / spec.heads;
  spec.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size * terms)));
  if (!config.boolean_or("relative_attention", false)) {
    relative = {};
    return;
  }
  relative.buckets = std::max<int64_t>(0, config.integer_or("position_buckets", -1, -1, kDimensionMax));
  relative.distance_max = config.integer_or("max_relative_positions", -1, -1, kDimensionMax);
  if (relative.distance_max < 1) relative.distance_max = positions;
  relative.shared_projections = config.boolean_or("share_att_key", false);
  const bool logarithmic = relative.buckets >= 2 && relative.distance_max - 1 > relative.buckets / 2;
  if (relative.buckets > 0 && !logarithmic) {
    config.fail(ErrorKind::corrupt_data,
                fmt::format("position_buckets {} for distances of up to {}, expected 2 or more and half of them below "
                            "the longest distance",
                            relative.buckets, relative.distance_max - 1));
  }
}

void refuse_unsupported(ConfigReader& config, const EncoderSpec& spec) {
  if (const int64_t kernel = config.integer_or("conv_kernel_size", 0, 0, kDimensionMax); kernel > 0) {
    config.fail(ErrorKind::unsupported,
                fmt::format("conv_kernel_size {}: the convolution behind the first layer (deberta-v2-xlarge and "
                            "-xxlarge have one) is not supported, expected a body without it, such as DeBERTa-v3's",
                            kernel));
  }
  for (const char* const key : {"embedding_size", "pooler_hidden_size"}) {
    if (const int64_t size = config.integer_or(key, spec.hidden_size, 1, kDimensionMax); size != spec.hidden_size) {
      config.fail(ErrorKind::unsupported,
                  fmt::format("{} {} beside hidden_size {}, expected the same", key, size, spec.hidden_size));
    }
  }
  const int64_t head_size = config.integer_or("attention_head_size", spec.hidden_size / spec.heads, 1, kDimensionMax);
  if (head_size * spec.heads != spec.hidden_size) {
    config.fail(ErrorKind::corrupt_data,
                fmt::format("{} heads of {}, expected hidden_size {} in all", spec.heads, head_size, spec.hidden_size));
  }
}

/// transformers' classifiers pool the first token; NeMo Curator's have one product, `fc`, and the body under `model.`.
Status name_tensors(ConfigReader& config, const WeightSource& source, EncoderSpec& spec) {
  for (const char* const prefix : {"deberta.", "model."}) {
    if (source.find(fmt::format("{}embeddings.word_embeddings.weight", prefix)) != nullptr) spec.prefix = prefix;
  }
  spec.projection_suffix = "_proj";
  if (source.find("fc.weight") != nullptr) {
    spec.head_output = "fc";
    return Done{};
  }
  spec.head_dense = "pooler.dense";
  spec.head_output = "classifier";
  const std::string activation = config.text_or("pooler_hidden_act", "gelu");
  KEDGE_TRY(config.status());
  if (activation == "tanh") return Done{};
  KEDGE_ASSIGN(spec.head_activation, activation_from_name(config, activation));
  return Done{};
}

}  // namespace

Result<ModelSpec> build_deberta(ConfigReader& file, const WeightSource& source) {
  const Json settings = with_base_settings(file);
  ConfigReader config(settings, file.name());
  EncoderSpec spec;
  spec.hidden_size = config.size("hidden_size");
  spec.layer_count = config.integer("num_hidden_layers", 1, kLayersMax);
  spec.heads = config.size("num_attention_heads");
  spec.intermediate_size = config.size("intermediate_size");
  spec.vocabulary_size = config.size("vocab_size");
  spec.token_types = config.integer_or("type_vocab_size", 0, 0, 1024);
  spec.norm_epsilon = static_cast<float>(config.number_or("layer_norm_eps", 1e-7));
  const int64_t positions = config.integer_or("max_position_embeddings", 512, 1, kDimensionMax);
  if (config.boolean_or("position_biased_input", true)) {
    spec.positions = positions;
  } else {
    spec.relative_tokens_max = kTrainedLengths * positions;
  }
  KEDGE_TRY(config.status());
  if (spec.hidden_size % spec.heads != 0) {
    config.fail(ErrorKind::corrupt_data,
                fmt::format("hidden_size {} is no multiple of num_attention_heads {}", spec.hidden_size, spec.heads));
  }
  read_attention(config, positions, spec);
  refuse_unsupported(config, spec);
  const std::string activation = config.text_or("hidden_act", "gelu");
  KEDGE_TRY(config.status());
  KEDGE_ASSIGN(spec.activation, activation_from_name(config, activation));
  KEDGE_TRY(name_tensors(config, source, spec));
  KEDGE_TRY(read_head(config, source, spec));
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
