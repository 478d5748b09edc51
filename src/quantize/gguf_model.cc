#include "quantize/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/model_settings.h"

namespace kedge::quantize {
namespace {

using formats::GgufValue;

cpu::WeightView rows_of(const TensorView& tensor) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
  const int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
  const auto stride = static_cast<size_t>(row_bytes(tensor.dtype, static_cast<uint64_t>(columns)).value());
  return {.dtype = tensor.dtype, .data = tensor.data.data(), .rows = rows, .columns = columns, .row_stride = stride};
}

GgufValue number(double value) {
  return {.type = GgufValue::Type::f32, .value = value};
}

/// What the spec has that GGUF's llama architecture cannot say; "" where it is one.
std::string foreign_feature(const models::DecoderSpec& spec) {
  const models::RopeSpec& rope = spec.ropes.front();
  const bool windowed = std::ranges::any_of(spec.layers, [](const auto& layer) { return layer.window > 0; });
  const double scale = 1.0 / std::sqrt(static_cast<double>(spec.head_size));
  const std::pair<bool, const char*> features[] = {
      {spec.mixture.experts > 0, "a mixture of experts"},
      {spec.norm != models::NormKind::rms || spec.norm_weight_offset != 0, "another norm"},
      {spec.sandwich_norms || spec.query_key_norms, "norms in other places"},
      {spec.activation != cpu::Activation::silu, "another activation"},
      {spec.fused_qkv || spec.fused_gate_up, "fused projections"},
      {spec.query_key_value_bias || spec.output_bias || spec.mlp_bias || spec.head_bias, "biases"},
      {spec.attention_softcap > 0 || spec.logit_softcap > 0, "soft capping"},
      {spec.embedding_scale != 1.0F || spec.logit_scale != 1.0F, "scaled embeddings or logits"},
      {std::abs(spec.attention_scale - scale) > 1e-6 * scale, "another attention scale"},
      {windowed, "a sliding window"},
      {spec.ropes.size() != 1 || rope.rotary != spec.head_size || rope.query_log_beta != 0, "other rotary embeddings"},
      {rope.scaling != models::RopeScaling::none && rope.scaling != models::RopeScaling::linear &&
           rope.scaling != models::RopeScaling::llama3,
       "a rope scaling other than linear and llama3"}};
  for (const auto& [has, name] : features) {
    if (has) return name;
  }
  return "";
}

class LlamaWriter {
 public:
  LlamaWriter(const models::WeightSource& source, const models::DecoderSpec& spec) : source_(source), spec_(spec) {}

  Result<GgufModel> write(const std::string& name) {
    add_metadata(name);
    KEDGE_TRY(add("token_embd.weight", "model.embed_tokens.weight"));
    if (!spec_.tied_embeddings) KEDGE_TRY(add("output.weight", "lm_head.weight"));
    KEDGE_TRY(add("output_norm.weight", "model.norm.weight"));
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) KEDGE_TRY(add_layer(layer));
    add_rope_factors();
    return std::move(model_);
  }

 private:
  void set(std::string_view key, GgufValue value) { model_.metadata.emplace_back(key, std::move(value)); }

  void add_metadata(const std::string& name) {
    const models::RopeSpec& rope = spec_.ropes.front();
    set("general.architecture", gguf_text("llama"));
    set("general.name", gguf_text(name));
    set("llama.block_count", gguf_integer(spec_.layer_count));
    set("llama.context_length", gguf_integer(spec_.context_tokens));
    set("llama.embedding_length", gguf_integer(spec_.hidden_size));
    set("llama.feed_forward_length", gguf_integer(spec_.intermediate_size));
    set("llama.attention.head_count", gguf_integer(spec_.heads));
    set("llama.attention.head_count_kv", gguf_integer(spec_.kv_heads));
    set("llama.attention.key_length", gguf_integer(spec_.head_size));
    set("llama.attention.value_length", gguf_integer(spec_.head_size));
    set("llama.attention.layer_norm_rms_epsilon", number(spec_.norm_epsilon));
    set("llama.rope.dimension_count", gguf_integer(spec_.head_size));
    set("llama.rope.freq_base", number(rope.theta));
    set("llama.vocab_size", gguf_integer(spec_.vocabulary_size));
    if (rope.scaling == models::RopeScaling::linear) {
      set("llama.rope.scaling.type", gguf_text("linear"));
      set("llama.rope.scaling.factor", number(rope.factor));
    }
  }

  Status add(std::string to, std::string_view from, int64_t rotated_heads = 0) {
    const TensorView* tensor = source_.find(from);
    if (tensor == nullptr) {
      return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' is missing", source_.file_of(from), from)};
    }
    const bool is_vector = tensor->shape.size() == 1;
    model_.tensors.push_back({.name = std::move(to),
                              .shape = tensor->shape,
                              .stored = rows_of(*tensor),
                              .rotated_heads = rotated_heads,
                              .values = {},
                              .kept_as = is_vector ? DType::f32 : tensor->dtype});
    return Done{};
  }

  Status add_layer(int64_t layer) {
    constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
        {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"}};
    for (const auto& [to, from] : kNames) {
      const int64_t heads = to == "attn_q" ? spec_.heads : to == "attn_k" ? spec_.kv_heads : 0;
      KEDGE_TRY(add(fmt::format("blk.{}.{}.weight", layer, to), fmt::format("model.layers.{}.{}.weight", layer, from),
                    heads));
    }
    return Done{};
  }

  /// Llama 3's scaling is in GGUF a divisor of each frequency.
  void add_rope_factors() {
    const models::RopeSpec& rope = spec_.ropes.front();
    if (rope.scaling != models::RopeScaling::llama3) return;
    models::RopeSpec plain = rope;
    plain.scaling = models::RopeScaling::none;
    const std::vector<float> scaled = rope.inverse_frequencies(spec_.context_tokens);
    std::vector<float> factors = plain.inverse_frequencies(spec_.context_tokens);
    for (size_t i = 0; i < factors.size(); ++i) factors[i] /= scaled[i];
    const auto count = static_cast<int64_t>(factors.size());
    model_.tensors.push_back(
        {.name = "rope_freqs.weight", .shape = {count}, .stored = {}, .values = std::move(factors)});
  }

  const models::WeightSource& source_;
  const models::DecoderSpec& spec_;
  GgufModel model_;
};

}  // namespace

GgufValue gguf_integer(int64_t value) {
  return {.type = GgufValue::Type::u32, .value = static_cast<uint64_t>(value)};
}

GgufValue gguf_text(std::string value) {
  return {.type = GgufValue::Type::string, .value = std::move(value)};
}

Matrix GgufTensor::widened_rows(WorkerPool& pool) const {
  if (stored.data == nullptr) {
    Matrix matrix(1, static_cast<int64_t>(values.size()));
    matrix.values = values;
    return matrix;
  }
  Matrix matrix = widened(pool, stored);
  if (rotated_heads == 0) return matrix;
  const int64_t head = matrix.rows / rotated_heads;
  Matrix paired(matrix.rows, matrix.columns);
  for (int64_t i = 0; i < matrix.rows; ++i) {
    const int64_t within = i % head;
    const int64_t from = i - within + within % 2 * (head / 2) + within / 2;
    std::copy_n(matrix.row(from), matrix.columns, paired.row(i));
  }
  return paired;
}

Result<GgufModel> gguf_model_of(std::shared_ptr<const formats::GgufFile> file) {
  GgufModel model;
  for (const auto& [key, value] : file->metadata()) {
    if (key != "general.alignment") model.metadata.emplace_back(key, value);
  }
  for (const TensorView& tensor : file->tensors()) {
    if (info_of(tensor.dtype).block_elements != 1) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: tensor '{}' is of type {} already, expected F32, F16 or BF16", file->name(),
                               tensor.name, name_of(tensor.dtype))};
    }
    model.tensors.push_back(
        {.name = tensor.name, .shape = tensor.shape, .stored = rows_of(tensor), .values = {}, .kept_as = tensor.dtype});
  }
  model.file = std::move(file);
  return model;
}

Result<GgufModel> gguf_model_of(const std::filesystem::path& folder, const models::WeightSource& source,
                                const models::DecoderSpec& spec) {
  if (const std::string feature = foreign_feature(spec); !feature.empty()) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: has {}, expected a model of GGUF's llama architecture, the only one that is converted; "
                    "quantize a .gguf file of the model instead",
                    folder.string(), feature)};
  }
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(folder, ignored);
  const std::string name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  KEDGE_ASSIGN(GgufModel model, LlamaWriter(source, spec).write(name));
  KEDGE_ASSIGN(auto tokenizer, gguf_tokenizer(folder, spec.vocabulary_size));
  std::ranges::move(tokenizer, std::back_inserter(model.metadata));
  return model;
}

}  // namespace kedge::quantize
