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
  return 2 * row + qkv + inner + 2 * pages;
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
  KEDGE_TRY(encoder->lay_out(pool));
  encoder->arena_ = Arena(buffer_bytes(spec));
  if (!encoder->arena_.ok()) {
    return Error{ErrorKind::out_of_memory, fmt::format("activations need {} bytes", buffer_bytes(spec))};
  }
  Arena& arena = encoder->arena_;
  encoder->hidden_ = arena.take<float>(token_floats(spec, spec.hidden_size));
  encoder->attended_ = arena.take<float>(token_floats(spec, spec.hidden_size));
  encoder->qkv_ = arena.take<float>(token_floats(spec, 3 * spec.hidden_size));
  encoder->inner_ = arena.take<float>(token_floats(spec, spec.intermediate_size));
  const size_t pages = static_cast<size_t>(page_count(spec));
  const size_t page_bytes = page_floats(spec) * sizeof(float);
  encoder->key_pages_ = arena.take<std::byte>(pages * page_bytes);
  encoder->value_pages_ = arena.take<std::byte>(pages * page_bytes);
  for (size_t i = 0; i < pages; ++i) {
    encoder->key_table_.push_back(encoder->key_pages_.data() + i * page_bytes);
    encoder->value_table_.push_back(encoder->value_pages_.data() + i * page_bytes);
  }
  return encoder;
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
  const int64_t hidden = spec_.hidden_size;
  const std::string embeddings = spec_.prefix + "embeddings.";
  KEDGE_ASSIGN(words_, source_->matrix(embeddings + "word_embeddings.weight", spec_.vocabulary_size, hidden,
                                       "vocab_size x hidden_size"));
  KEDGE_ASSIGN(positions_, source_->matrix(embeddings + "position_embeddings.weight", spec_.positions, hidden,
                                           "max_position_embeddings x hidden_size"));
  KEDGE_ASSIGN(types_, source_->matrix(embeddings + "token_type_embeddings.weight", spec_.token_types, hidden,
                                       "type_vocab_size x hidden_size"));
  KEDGE_ASSIGN(embedding_norm_, norm_weights(embeddings + "LayerNorm"));
  for (int64_t i = 0; i < spec_.layer_count; ++i) {
    KEDGE_TRY(load_layer(fmt::format("{}encoder.layer.{}.", spec_.prefix, i)));
  }
  return spec_.head == EncoderHead::rerank ? load_head() : Status(Done{});
}

Status Encoder::load_layer(const std::string& prefix) {
  const int64_t hidden = spec_.hidden_size;
  Layer layer;
  KEDGE_ASSIGN(layer.query, linear(prefix + "attention.self.query", hidden, hidden));
  KEDGE_ASSIGN(layer.key, linear(prefix + "attention.self.key", hidden, hidden));
  KEDGE_ASSIGN(layer.value, linear(prefix + "attention.self.value", hidden, hidden));
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
  const std::string dense = spec_.roberta_head ? "classifier.dense" : spec_.prefix + "pooler.dense";
  const std::string out = spec_.roberta_head ? "classifier.out_proj" : "classifier";
  KEDGE_ASSIGN(head_dense_, linear(dense, hidden, hidden));
  KEDGE_ASSIGN(head_out_, linear(out, std::max<int64_t>(std::ssize(spec_.labels), 1), hidden));
  return Done{};
}

void Encoder::embed(std::span<const int32_t> tokens, std::span<const int32_t> token_types) {
  const auto hidden = static_cast<size_t>(spec_.hidden_size);
  std::vector<float> addend(hidden);
  for (size_t i = 0; i < tokens.size(); ++i) {
    float* out = hidden_.data() + i * hidden;
    cpu::dequantize_row(words_, tokens[i], out);
    cpu::dequantize_row(types_, token_types.empty() ? 0 : token_types[i], addend.data());
    for (size_t j = 0; j < hidden; ++j) out[j] += addend[j];
    cpu::dequantize_row(positions_, spec_.first_position + static_cast<int64_t>(i), addend.data());
    for (size_t j = 0; j < hidden; ++j) out[j] += addend[j];
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
  const cpu::Attention attention{.heads = spec_.heads,
                                 .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size))),
                                 .causal = false,
                                 .prompt = true};
  cpu::attention(pool, attention, {&run, 1}, {query, 3 * hidden, count}, {attended_.data(), hidden});
}

void Encoder::run_layer(WorkerPool& pool, const Layer& layer, int64_t count) {
  const int64_t hidden = spec_.hidden_size;
  const cpu::OutputRows residual{.data = hidden_.data(), .stride = hidden, .added = true};
  project_qkv(pool, layer, count);
  attend(pool, count);
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
  for (const Layer& layer : layers_) run_layer(pool, layer, count);
  return hidden_.first(static_cast<size_t>(count * spec_.hidden_size));
}

std::vector<float> Encoder::head_scores(WorkerPool& pool) {
  KEDGE_CHECK(spec_.head == EncoderHead::rerank);
  const std::span<float> dense = qkv_.first(static_cast<size_t>(spec_.hidden_size));
  matmul(pool, head_dense_, hidden_.data(), 1, {dense.data(), spec_.hidden_size});
  for (float& value : dense) value = std::tanh(value);
  std::vector<float> scores(std::max<size_t>(spec_.labels.size(), 1));
  matmul(pool, head_out_, dense.data(), 1, {scores.data(), std::ssize(scores)});
  return scores;
}

}  // namespace kedge::models
