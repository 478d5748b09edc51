#include "models/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/check.h"

namespace kedge::models {
namespace {

constexpr int64_t kPageTokens = 32;  // keys and values are laid out in pages, as the attention kernel reads them

int64_t page_count(const EncoderSpec& spec) {
  return (spec.context_tokens() + kPageTokens - 1) / kPageTokens;
}

size_t token_floats(const EncoderSpec& spec, int64_t width) {
  return static_cast<size_t>(spec.context_tokens() * width);
}

size_t page_floats(const EncoderSpec& spec) {
  return static_cast<size_t>(kPageTokens * spec.hidden_size);
}

std::span<const std::byte> stored_bytes(const Linear& product) {
  return {product.weight.data, static_cast<size_t>(product.weight.rows) * product.weight.row_stride};
}

}  // namespace

uint64_t Encoder::buffer_bytes(const EncoderSpec& spec) {
  const size_t row = Arena::padded(token_floats(spec, spec.hidden_size) * sizeof(float));
  const size_t inner = Arena::padded(token_floats(spec, spec.intermediate_size) * sizeof(float));
  const size_t pages = Arena::padded(static_cast<size_t>(page_count(spec)) * page_floats(spec) * sizeof(float));
  const size_t qkv = Arena::padded(token_floats(spec, 3 * spec.hidden_size) * sizeof(float));
  return 2 * row + qkv + inner + (spec.relative.used() ? RelativeAttention::buffer_bytes(spec) : 2 * pages);
}

std::vector<Linear*> Encoder::products() {
  std::vector<Linear*> all;
  for (Layer& layer : layers_) {
    all.insert(all.end(), {&layer.query, &layer.key, &layer.value, &layer.output, &layer.inner, &layer.outer});
  }
  return all;
}

bool Encoder::takes_blocks(const Linear& product) const {
  return options_.onednn && cpu::has_blocked_form(product.weight, options_.compute);
}

LayoutPlan Encoder::plan_layout() {
  LayoutPlan plan;
  for (const Linear* const product : products()) {
    if (!takes_blocks(*product)) continue;
    plan.blocked_bytes += Arena::padded(cpu::blocked_bytes(product->weight, options_.compute));
    plan.replaced_bytes += stored_bytes(*product).size();
  }
  return plan;
}

Result<LayoutPlan> Encoder::plan_layout(const EncoderSpec& spec, std::shared_ptr<const WeightSource> source,
                                        const Options& options) {
  if (!options.onednn) return LayoutPlan{};
  Encoder encoder(spec, std::move(source), options);
  KEDGE_TRY(encoder.load());
  return encoder.plan_layout();
}

Status Encoder::lay_out(WorkerPool& pool) {
  const uint64_t bytes = plan_layout().bytes();
  if (bytes == 0) return Done{};
  blocks_ = PageBuffer(bytes);
  if (blocks_.data() == nullptr) {
    return Error{ErrorKind::out_of_memory, fmt::format("weights laid out anew need {} bytes", bytes)};
  }
  std::byte* at = blocks_.data();
  for (Linear* const product : products()) {
    if (!takes_blocks(*product)) continue;
    product->blocked = cpu::lay_out_blocked(pool, product->weight, options_.compute, at);
    source_->forget(stored_bytes(*product));
    at += Arena::padded(cpu::blocked_bytes(product->weight, options_.compute));
  }
  return Done{};
}

Result<std::unique_ptr<Encoder>> Encoder::open(WorkerPool& pool, const EncoderSpec& spec,
                                               std::shared_ptr<const WeightSource> source, const Options& options) {
  std::unique_ptr<Encoder> encoder(new Encoder(spec, std::move(source), options));
  KEDGE_TRY(encoder->load());
  encoder->arena_ = Arena(buffer_bytes(spec));
  if (!encoder->arena_.ok()) {
    return Error{ErrorKind::out_of_memory, fmt::format("activations need {} bytes", buffer_bytes(spec))};
  }
  encoder->take_buffers();
  KEDGE_TRY(encoder->load_positions(pool));
  KEDGE_TRY(encoder->lay_out(pool));
  return encoder;
}

void Encoder::take_buffers() {
  hidden_ = arena_.take<float>(token_floats(spec_, spec_.hidden_size));
  attended_ = arena_.take<float>(token_floats(spec_, spec_.hidden_size));
  qkv_ = arena_.take<float>(token_floats(spec_, 3 * spec_.hidden_size));
  inner_ = arena_.take<float>(token_floats(spec_, spec_.intermediate_size));
  if (spec_.relative.used()) {
    relative_.emplace(spec_, arena_);
    return;
  }
  const size_t pages = static_cast<size_t>(page_count(spec_));
  const size_t page_bytes = page_floats(spec_) * sizeof(float);
  key_pages_ = arena_.take<std::byte>(pages * page_bytes);
  value_pages_ = arena_.take<std::byte>(pages * page_bytes);
  for (size_t i = 0; i < pages; ++i) {
    key_table_.push_back(key_pages_.data() + i * page_bytes);
    value_table_.push_back(value_pages_.data() + i * page_bytes);
  }
}

/// What relative attention knows of positions, projected once: it depends on weights alone, and on those of q and k
/// before they are laid out anew.
Status Encoder::load_positions(WorkerPool& pool) {
  if (!relative_) return Done{};
  const RelativeAttentionSpec& relative = spec_.relative;
  const int64_t hidden = spec_.hidden_size;
  const int64_t rows = 2 * relative.span();
  KEDGE_ASSIGN(const cpu::WeightView stored, source_->matrix(spec_.prefix + "encoder.rel_embeddings.weight", rows,
                                                             hidden, "twice position_buckets x hidden_size"));
  std::vector<float> table(static_cast<size_t>(rows * hidden));
  for (int64_t i = 0; i < rows; ++i) cpu::dequantize_row(stored, i, table.data() + i * hidden);
  if (relative.norm) {
    KEDGE_ASSIGN(const NormWeights norm, norm_weights(spec_.prefix + "encoder.LayerNorm"));
    cpu::layer_norm(pool, {norm.weight.data(), norm.bias.data(), hidden, spec_.norm_epsilon},
                    {table.data(), hidden, rows}, {table.data(), hidden});
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const Linear& key = relative.shared_projections ? layer.key : layer.position_key;
    const Linear& query = relative.shared_projections ? layer.query : layer.position_query;
    relative_->project(pool, table, i, relative.content_to_position ? &key : nullptr,
                       relative.position_to_content ? &query : nullptr);
  }
  return Done{};
}

Result<Linear> Encoder::linear(const std::string& name, int64_t rows, int64_t columns) const {
  Linear result;
  KEDGE_ASSIGN(result.weight, source_->matrix(name + ".weight", rows, columns, "from the settings"));
  KEDGE_ASSIGN(result.bias, source_->vector(name + ".bias", rows));
  return result;
}

Result<NormWeights> Encoder::norm_weights(const std::string& name) const {
  NormWeights result;
  KEDGE_ASSIGN(result.weight, source_->vector(name + ".weight", spec_.hidden_size));
  KEDGE_ASSIGN(result.bias, source_->vector(name + ".bias", spec_.hidden_size));
  return result;
}

Status Encoder::load() {
  KEDGE_TRY(load_embeddings());
  for (int64_t i = 0; i < spec_.layer_count; ++i) {
    KEDGE_TRY(load_layer(fmt::format("{}encoder.layer.{}.", spec_.prefix, i)));
  }
  return spec_.head == EncoderHead::rerank ? load_head() : Status(Done{});
}

Status Encoder::load_embeddings() {
  const int64_t hidden = spec_.hidden_size;
  const std::string embeddings = spec_.prefix + "embeddings.";
  KEDGE_ASSIGN(words_, source_->matrix(embeddings + "word_embeddings.weight", spec_.vocabulary_size, hidden,
                                       "vocab_size x hidden_size"));
  if (spec_.positions > 0) {
    KEDGE_ASSIGN(positions_, source_->matrix(embeddings + "position_embeddings.weight", spec_.positions, hidden,
                                             "max_position_embeddings x hidden_size"));
  }
  if (spec_.token_types > 0) {
    KEDGE_ASSIGN(types_, source_->matrix(embeddings + "token_type_embeddings.weight", spec_.token_types, hidden,
                                         "type_vocab_size x hidden_size"));
  }
  KEDGE_ASSIGN(embedding_norm_, norm_weights(embeddings + "LayerNorm"));
  return Done{};
}

Status Encoder::load_layer(const std::string& prefix) {
  const int64_t hidden = spec_.hidden_size;
  const std::string self = prefix + "attention.self.";
  Layer layer;
  KEDGE_ASSIGN(layer.query, linear(self + "query" + spec_.projection_suffix, hidden, hidden));
  KEDGE_ASSIGN(layer.key, linear(self + "key" + spec_.projection_suffix, hidden, hidden));
  KEDGE_ASSIGN(layer.value, linear(self + "value" + spec_.projection_suffix, hidden, hidden));
  if (spec_.relative.used() && !spec_.relative.shared_projections) {
    if (spec_.relative.content_to_position) {
      KEDGE_ASSIGN(layer.position_key, linear(self + "pos_key_proj", hidden, hidden));
    }
    if (spec_.relative.position_to_content) {
      KEDGE_ASSIGN(layer.position_query, linear(self + "pos_query_proj", hidden, hidden));
    }
  }
  KEDGE_ASSIGN(layer.output, linear(prefix + "attention.output.dense", hidden, hidden));
  KEDGE_ASSIGN(layer.attention_norm, norm_weights(prefix + "attention.output.LayerNorm"));
  KEDGE_ASSIGN(layer.inner, linear(prefix + "intermediate.dense", spec_.intermediate_size, hidden));
  KEDGE_ASSIGN(layer.outer, linear(prefix + "output.dense", hidden, spec_.intermediate_size));
  KEDGE_ASSIGN(layer.output_norm, norm_weights(prefix + "output.LayerNorm"));
  layers_.push_back(std::move(layer));
  return Done{};
}

Status Encoder::load_head() {
  const int64_t hidden = spec_.hidden_size;
  if (!spec_.head_dense.empty()) {
    KEDGE_ASSIGN(head_dense_, linear(spec_.head_dense, hidden, hidden));
  }
  KEDGE_ASSIGN(head_out_, linear(spec_.head_output, std::max<int64_t>(std::ssize(spec_.labels), 1), hidden));
  return Done{};
}

void Encoder::embed(std::span<const int32_t> tokens, std::span<const int32_t> token_types) {
  const auto hidden = static_cast<size_t>(spec_.hidden_size);
  std::vector<float> addend(hidden);
  for (size_t i = 0; i < tokens.size(); ++i) {
    float* out = hidden_.data() + i * hidden;
    cpu::dequantize_row(words_, tokens[i], out);
    const auto add = [&](const cpu::WeightView& table, int64_t row) {
      if (table.rows == 0) return;
      cpu::dequantize_row(table, row, addend.data());
      for (size_t j = 0; j < hidden; ++j) out[j] += addend[j];
    };
    add(types_, token_types.empty() ? 0 : token_types[i]);
    add(positions_, spec_.first_position + static_cast<int64_t>(i));
  }
}

void Encoder::norm(WorkerPool& pool, const NormWeights& weights, int64_t count) {
  const int64_t size = spec_.hidden_size;
  cpu::layer_norm(pool, {weights.weight.data(), weights.bias.data(), size, spec_.norm_epsilon},
                  {hidden_.data(), size, count}, {hidden_.data(), size});
}

void Encoder::matmul(WorkerPool& pool, const Linear& linear, const float* x, int64_t count,
                     const cpu::OutputRows& y) const {
  const int64_t rows = linear.weight.rows;
  const cpu::InputRows input{x, linear.weight.columns, count};
  if (linear.blocked.data == nullptr) {
    return cpu::matmul(pool, linear.weight, input, y, linear.bias_data(), compute_);
  }
  float* const out = y.added ? qkv_.data() : y.data;  // nobody reads q, k and v behind the attention
  cpu::blocked_matmul(pool, linear.blocked, input, {out, y.added ? rows : y.stride}, linear.bias_data());
  if (y.added) cpu::add_scaled(pool, 1.0F, out, y.data, count * rows);
  if (y.activation != nullptr) cpu::activation(pool, *y.activation, y.data, count * rows);
}

void Encoder::project_qkv(WorkerPool& pool, const Layer& layer, int64_t count) {
  const int64_t hidden = spec_.hidden_size;
  cpu::OutputRows out{qkv_.data(), 3 * hidden};
  if (layer.query.blocked.data == nullptr) {
    const std::array<cpu::BiasedWeights, 3> qkv{layer.query.stored(), layer.key.stored(), layer.value.stored()};
    return cpu::stacked_matmul(pool, qkv, {hidden_.data(), hidden, count}, out, compute_);
  }
  for (const Linear* const product : {&layer.query, &layer.key, &layer.value}) {
    matmul(pool, *product, hidden_.data(), count, out);
    out.data += hidden;
  }
}

void Encoder::attend(WorkerPool& pool, int64_t count) {
  const int64_t hidden = spec_.hidden_size;
  const int64_t head_size = hidden / spec_.heads;
  const cpu::KvView kv{cpu::KvType::f32, kPageTokens, spec_.heads, head_size, key_table_, value_table_};
  const cpu::AttentionRun run{.kv = kv, .count = count, .context = count};
  const float* const query = qkv_.data();
  const float* const key = query + hidden;
  cpu::store_kv(pool, {&run, 1}, {key, 3 * hidden, count}, key + hidden);
  const cpu::Attention attention{.heads = spec_.heads, .scale = spec_.attention_scale, .causal = false, .prompt = true};
  cpu::attention(pool, attention, {&run, 1}, {query, 3 * hidden, count}, {attended_.data(), hidden});
}

void Encoder::run_layer(WorkerPool& pool, size_t index, int64_t count) {
  const Layer& layer = layers_[index];
  const int64_t hidden = spec_.hidden_size;
  const cpu::OutputRows residual{.data = hidden_.data(), .stride = hidden, .added = true};
  project_qkv(pool, layer, count);
  if (relative_) {
    relative_->attend(pool, index, qkv_.data(), count, attended_.data());
  } else {
    attend(pool, count);
  }
  matmul(pool, layer.output, attended_.data(), count, residual);
  norm(pool, layer.attention_norm, count);
  matmul(pool, layer.inner, hidden_.data(), count,
         {.data = inner_.data(), .stride = spec_.intermediate_size, .activation = &spec_.activation});
  matmul(pool, layer.outer, inner_.data(), count, residual);
  norm(pool, layer.output_norm, count);
}

std::span<const float> Encoder::forward(WorkerPool& pool, std::span<const int32_t> tokens,
                                        std::span<const int32_t> token_types) {
  const auto count = static_cast<int64_t>(tokens.size());
  KEDGE_CHECK(count >= 1 && count <= spec_.context_tokens());
  embed(tokens, token_types);
  norm(pool, embedding_norm_, count);
  for (size_t i = 0; i < layers_.size(); ++i) run_layer(pool, i, count);
  return hidden_.first(static_cast<size_t>(count * spec_.hidden_size));
}

std::vector<float> Encoder::head_scores(WorkerPool& pool) {
  KEDGE_CHECK(spec_.head == EncoderHead::rerank);
  const float* states = hidden_.data();
  if (!spec_.head_dense.empty()) {
    const std::span<float> dense = qkv_.first(static_cast<size_t>(spec_.hidden_size));
    matmul(pool, head_dense_, states, 1, {dense.data(), spec_.hidden_size});
    if (spec_.head_activation) {
      cpu::activation(pool, *spec_.head_activation, dense.data(), spec_.hidden_size);
    } else {
      for (float& value : dense) value = std::tanh(value);
    }
    states = dense.data();
  }
  std::vector<float> scores(std::max<size_t>(spec_.labels.size(), 1));
  matmul(pool, head_out_, states, 1, {scores.data(), std::ssize(scores)});
  return scores;
}

}  // namespace kedge::models
