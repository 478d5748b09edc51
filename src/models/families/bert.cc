// BERT (MiniLM and other sentence encoders), RoBERTa and XLM-RoBERTa: embeddings, and rerankers with a classifier.
// Sources: Devlin et al. 2019; Liu et al. 2019; Conneau et al. 2020; transformers' modeling_bert, modeling_xlm_roberta.

#include <fmt/format.h>

#include <cmath>

#include "models/registry.h"

namespace kedge::models {
namespace {

std::string body_prefix(const WeightSource& source, bool roberta) {
  const char* prefix = roberta ? "roberta." : "bert.";
  return source.find(fmt::format("{}embeddings.word_embeddings.weight", prefix)) != nullptr ? prefix : "";
}

}  // namespace

Result<ModelSpec> build_bert(ConfigReader& config, const WeightSource& source) {
  EncoderSpec spec;
  const bool roberta = config.text_or("model_type", "") != "bert";
  spec.hidden_size = config.size("hidden_size");
  spec.layer_count = config.integer("num_hidden_layers", 1, kLayersMax);
  spec.heads = config.size("num_attention_heads");
  spec.intermediate_size = config.size("intermediate_size");
  spec.vocabulary_size = config.size("vocab_size");
  spec.positions = config.size("max_position_embeddings");
  spec.token_types = config.integer_or("type_vocab_size", 2, 1, 1024);
  spec.norm_epsilon = static_cast<float>(config.number_or("layer_norm_eps", 1e-12));
  spec.first_position = roberta ? config.integer_or("pad_token_id", 1, 0, kDimensionMax) + 1 : 0;
  spec.prefix = body_prefix(source, roberta);
  spec.head_dense = roberta ? "classifier.dense" : spec.prefix + "pooler.dense";
  spec.head_output = roberta ? "classifier.out_proj" : "classifier";
  const std::string position_kind = config.text_or("position_embedding_type", "absolute");
  const std::string activation = config.text_or("hidden_act", "gelu");
  if (position_kind != "absolute") {
    config.fail(ErrorKind::unsupported, fmt::format("position_embedding_type '{}', expected absolute", position_kind));
  }
  if (spec.hidden_size % spec.heads != 0) {
    config.fail(ErrorKind::corrupt_data,
                fmt::format("hidden_size {} is no multiple of num_attention_heads {}", spec.hidden_size, spec.heads));
  }
  if (spec.first_position >= spec.positions) {
    config.fail(ErrorKind::corrupt_data,
                fmt::format("pad_token_id {} leaves no position of {}", spec.first_position - 1, spec.positions));
  }
  KEDGE_TRY(config.status());
  KEDGE_ASSIGN(spec.activation, activation_from_name(config, activation));
  spec.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.hidden_size / spec.heads)));
  KEDGE_TRY(read_head(config, source, spec));
  return ModelSpec{.network = std::move(spec)};
}

}  // namespace kedge::models
