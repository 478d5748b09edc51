#include "models/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "models/routing.h"

namespace kedge::models {
namespace {

int64_t query_size(const DecoderSpec& spec) {
  return spec.heads * spec.head_size;
}
int64_t key_size(const DecoderSpec& spec) {
  return spec.kv_heads * spec.head_size;
}
int64_t qkv_size(const DecoderSpec& spec) {
  return query_size(spec) + 2 * key_size(spec);
}

/// Floats of every buffer, in the order of Decoder::Buffers.
std::vector<size_t> buffer_sizes(const DecoderSpec& spec, int64_t tokens, int64_t outputs) {
  int64_t half_rotary = 0;
  for (const RopeSpec& rope : spec.ropes) half_rotary += rope.rotary / 2;
  const bool mixed = spec.mixture.experts > 0;
  const int64_t sizes[] = {tokens * spec.hidden_size,     tokens * std::max(spec.hidden_size, query_size(spec)),
                           tokens * qkv_size(spec),       tokens * query_size(spec),
                           tokens * spec.hidden_size,     tokens * 2 * spec.intermediate_size,
                           tokens * half_rotary,          tokens * half_rotary,
                           tokens * spec.mixture.experts, mixed ? 2 * tokens * spec.hidden_size : 0,
                           outputs * spec.hidden_size,    outputs * spec.vocabulary_size};
  return {std::begin(sizes), std::end(sizes)};
}

}  // namespace

uint64_t Decoder::buffer_bytes(const DecoderSpec& spec, int64_t tokens_max, int64_t outputs_max) {
  uint64_t bytes = 0;
  for (const size_t count : buffer_sizes(spec, tokens_max, outputs_max)) bytes += Arena::padded(count * sizeof(float));
  return bytes;
}

Result<std::unique_ptr<Decoder>> Decoder::open(WorkerPool& pool, const DecoderSpec& spec,
                                               std::shared_ptr<const WeightSource> source,
                                               const DecoderOptions& options) {
  const int64_t tokens_max = options.tokens_max, outputs_max = options.outputs_max;
  std::unique_ptr<Decoder> decoder(new Decoder(spec, std::move(source), options));
  KEDGE_ASSIGN(decoder->weights_, load_decoder_weights(spec, *decoder->source_));
  const uint64_t bytes = buffer_bytes(spec, tokens_max, outputs_max);
  decoder->arena_ = Arena(bytes);
  if (!decoder->arena_.ok()) {
    return Error{ErrorKind::out_of_memory, fmt::format("activations of {} tokens need {} bytes", tokens_max, bytes)};
  }
  const std::vector<size_t> sizes = buffer_sizes(spec, tokens_max, outputs_max);
  Buffers& b = decoder->buffers_;
  std::span<float>* const parts[] = {&b.hidden, &b.normed, &b.qkv,    &b.attended, &b.projected, &b.inner,
                                     &b.cosine, &b.sine,   &b.router, &b.gathered, &b.outputs,   &b.logits};
  for (size_t i = 0; i < sizes.size(); ++i) *parts[i] = decoder->arena_.take<float>(sizes[i]);
  LayoutOptions layout = options.layout;
  layout.source = decoder->source_.get();
  layout.choice = {.compute = options.compute, .onednn = options.onednn};
  KEDGE_ASSIGN(decoder->laid_out_, lay_out_weights(pool, decoder->weights_, layout));
  decoder->routed_.resize(static_cast<size_t>(spec.mixture.experts));
  return decoder;
}

void Decoder::begin(Phase phase, std::span<const TokenRun> runs) {
  phase_ = phase;
  stored_compute_ = cpu::for_stored_weights(compute_);
  packed_compute_ = cpu::MatmulCompute::int8;
  if (phase == Phase::prefill) {
    stored_compute_ = cpu::for_many_tokens(stored_compute_);
    packed_compute_ = cpu::for_many_tokens(packed_compute_);
  }
  token_count_ = 0;
  adapter_rows_.clear();
  for (const TokenRun& run : runs) {
    const auto count = static_cast<int64_t>(run.tokens.size());
    if (run.adapter != nullptr) {
      AdapterRows* const last = adapter_rows_.empty() ? nullptr : &adapter_rows_.back();
      if (last != nullptr && last->adapter == run.adapter && last->first + last->count == token_count_) {
        last->count += count;
      } else {
        adapter_rows_.push_back({run.adapter, token_count_, count});
      }
    }
    token_count_ += count;
  }
  KEDGE_CHECK(static_cast<size_t>(token_count_) * hidden() <= buffers_.hidden.size());
}

void Decoder::run_layer(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index, std::span<float> states,
                        ProductSink sink, void* sink_context) {
  begin(Phase::prefill, runs);
  KEDGE_CHECK(states.size() == static_cast<size_t>(token_count_) * hidden());
  std::ranges::copy(states, buffers_.hidden.begin());
  fill_rope(runs);
  product_sink_ = sink;
  product_sink_context_ = sink_context;
  attention_block(pool, runs, layer_index);
  mlp_block(pool, layer_index);
  product_sink_ = nullptr;
  std::ranges::copy(buffers_.hidden.first(states.size()), states.begin());
}

std::span<float> Decoder::forward(WorkerPool& pool, Phase phase, std::span<const TokenRun> runs, HiddenSink sink,
                                  void* sink_context) {
  begin(phase, runs);
  embed(runs);
  fill_rope(runs);
  for (int64_t i = 0; i < spec_.layer_count; ++i) {
    if (sink != nullptr) sink(sink_context, i, buffers_.hidden.data());
    attention_block(pool, runs, i);
    mlp_block(pool, i);
  }
  if (sink != nullptr) {
    norm(pool, weights_.final_norm, buffers_.hidden.data(), token_count_, buffers_.normed.data());
    sink(sink_context, spec_.layer_count, buffers_.normed.data());
  }
  collect_outputs(pool, runs);
  return buffers_.logits.first(output_count_ * static_cast<size_t>(spec_.vocabulary_size));
}

void Decoder::embed(std::span<const TokenRun> runs) {
  float* out = buffers_.hidden.data();
  for (const TokenRun& run : runs) {
    for (const int32_t token : run.tokens) {
      cpu::dequantize_row(weights_.embedding, token, out);
      if (spec_.embedding_scale != 1.0F) {
        for (size_t i = 0; i < hidden(); ++i) out[i] *= spec_.embedding_scale;
      }
      out += hidden();
    }
  }
}

void Decoder::fill_rope(std::span<const TokenRun> runs) {
  float* cosine = buffers_.cosine.data();
  float* sine = buffers_.sine.data();
  for (const RopeSpec& rope : spec_.ropes) {
    for (const TokenRun& run : runs) {
      const auto count = static_cast<int64_t>(run.tokens.size());
      fill_rope_tables(rope, rope.inverse_frequencies(run.length), rope.amplitude(run.length), run.first, count, cosine,
                       sine);
      cosine += count * rope.rotary / 2;
      sine += count * rope.rotary / 2;
    }
  }
}

void Decoder::norm(WorkerPool& pool, const NormWeights& weights, const float* x, int64_t count, float* out) const {
  const int64_t size = spec_.hidden_size;
  if (spec_.norm == NormKind::layer) {
    cpu::layer_norm(pool, {weights.weight.data(), weights.bias.data(), size, spec_.norm_epsilon}, {x, size, count},
                    {out, size});
  } else {
    cpu::rms_norm(pool, {weights.weight.data(), size, spec_.norm_epsilon, spec_.norm_weight_offset}, {x, size, count},
                  {out, size});
  }
}

cpu::MatmulCompute Decoder::compute_of(const Linear& stored) const {
  return phase_ == Phase::decode ? cpu::for_decoding(stored_compute_, stored.weight) : stored_compute_;
}

void Decoder::matmul(WorkerPool& pool, const Linear& linear, const cpu::InputRows& x, const cpu::OutputRows& y) const {
  if (product_sink_ != nullptr) product_sink_(product_sink_context_, linear, x);
  const bool rounded = round_inputs_ && linear.quantized != nullptr;
  const cpu::InputRows inputs =
      rounded ? cpu::rounded_inputs(pool, x, linear.weight.columns, linear.quantized->input()) : x;
  if (linear.blocked.data != nullptr) {
    cpu::blocked_matmul(pool, linear.blocked, inputs, y, linear.bias_data());
  } else if (linear.packed.data != nullptr) {
    cpu::packed_matmul(pool, linear.packed, inputs, y, linear.bias_data(), packed_compute_);
  } else {
    cpu::matmul(pool, linear.weight, inputs, y, linear.bias_data(), compute_of(linear));
  }
}

bool Decoder::are_one_operation(const Siblings& siblings) const {
  if (product_sink_ != nullptr || round_inputs_) return false;
  const Linear& first = *siblings.parts[0];
  for (const Linear* part : siblings.all()) {
    const bool in_order = part->weight.column_order == nullptr && part->packed.column_order == nullptr;
    if (part->blocked.data != nullptr || !in_order) return false;
    const bool alike = part->packed.data == nullptr && compute_of(*part) == compute_of(first);
    if (siblings.count > 1 && !alike) return false;
  }
  return true;
}

void Decoder::multiply(WorkerPool& pool, const Siblings& siblings, const cpu::InputRows& x, cpu::OutputRows y,
                       Updates updates) const {
  cpu::LowRankProjection projection;
  if (!updates.empty() && are_one_operation(siblings) && are_aligned(updates)) {
    projection = cpu::low_rank_project(pool, updates, x, stored_compute_);
    y.update = &projection;
    updates = {};
  }
  if (siblings.count > 1 && are_one_operation(siblings)) {
    std::array<cpu::BiasedWeights, Siblings::kMost> stack;
    std::ranges::transform(siblings.all(), stack.begin(), [](const Linear* part) { return part->stored(); });
    cpu::stacked_matmul(pool, {stack.data(), siblings.count}, x, y, compute_of(*siblings.parts[0]));
  } else {
    cpu::OutputRows some = y;
    for (const Linear* part : siblings.all()) {
      matmul(pool, *part, x, some);
      some.data += part->weight.rows;
    }
  }
  cpu::low_rank_add(pool, updates, x, y, stored_compute_);
}

bool Decoder::are_aligned(Updates updates) {
  return std::ranges::all_of(updates, [](const cpu::LowRankRows& rows) { return Adapter::is_aligned(*rows.update); });
}

cpu::InputRows Decoder::normed_input(WorkerPool& pool, const NormWeights& weights, const Siblings& products,
                                     Updates updates) {
  if (are_one_operation(products) && spec_.norm == NormKind::rms && updates.empty()) {
    input_norm_ = {weights.weight.data(), spec_.hidden_size, spec_.norm_epsilon, spec_.norm_weight_offset};
    return {buffers_.hidden.data(), spec_.hidden_size, token_count_, &input_norm_};
  }
  norm(pool, weights, buffers_.hidden.data(), token_count_, buffers_.normed.data());
  return {buffers_.normed.data(), spec_.hidden_size, token_count_};
}

Decoder::Updates Decoder::updates(int64_t layer_index, AdapterSite site) {
  std::vector<cpu::LowRankRows>& found = updates_[static_cast<size_t>(site)];
  found.clear();
  for (const AdapterRows& rows : adapter_rows_) {
    const cpu::LowRank* const update = rows.adapter->find(layer_index, site);
    if (update != nullptr) found.push_back({update, rows.first, rows.count});
  }
  return found;
}

void Decoder::rotate(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index) {
  const size_t rope_index = spec_.layers[static_cast<size_t>(layer_index)].rope_index;
  const RopeSpec& rope = spec_.ropes[rope_index];
  int64_t offset = 0;
  for (size_t i = 0; i < rope_index; ++i) offset += token_count_ * spec_.ropes[i].rotary / 2;
  const float* cosine = buffers_.cosine.data() + offset;
  const float* sine = buffers_.sine.data() + offset;
  const int64_t stride = qkv_size(spec_);
  float* q = buffers_.qkv.data();
  cpu::Rope queries{cosine, sine, rope.rotary, spec_.heads, spec_.head_size, spec_.interleaved_rope};
  cpu::Rope keys{cosine, sine, rope.rotary, spec_.kv_heads, spec_.head_size, spec_.interleaved_rope};
  cpu::apply_rope(pool, queries, q, stride, token_count_);
  cpu::apply_rope(pool, keys, q + query_size(spec_), stride, token_count_);
  if (rope.query_log_beta == 0.0) return;
  for (const TokenRun& run : runs) {
    for (size_t i = 0; i < run.tokens.size(); ++i, q += stride) {
      const int64_t turns = (run.first + static_cast<int64_t>(i)) / rope.original_context;
      const auto factor = static_cast<float>(1.0 + rope.query_log_beta * std::log(1.0 + static_cast<double>(turns)));
      for (int64_t j = 0; j < query_size(spec_); ++j) q[j] *= factor;
    }
  }
}

void Decoder::attention_block(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index) {
  const DecoderLayerWeights& layer = weights_.layers[static_cast<size_t>(layer_index)];
  const int64_t stride = qkv_size(spec_);
  float* q = buffers_.qkv.data();
  const Updates qkv = updates(layer_index, AdapterSite::qkv);
  const Siblings products = siblings_of(layer);
  multiply(pool, products, normed_input(pool, layer.input_norm, products, qkv), {q, stride}, qkv);
  if (spec_.query_key_norms) {
    // Each head is a row of its own; a token's heads are contiguous, tokens are `stride` apart.
    const cpu::RmsNorm queries{layer.query_norm.weight.data(), spec_.head_size, spec_.norm_epsilon,
                               spec_.norm_weight_offset};
    const cpu::RmsNorm keys{layer.key_norm.weight.data(), spec_.head_size, spec_.norm_epsilon,
                            spec_.norm_weight_offset};
    for (int64_t head = 0; head < spec_.heads + spec_.kv_heads; ++head) {
      float* column = q + head * spec_.head_size;
      cpu::rms_norm(pool, head < spec_.heads ? queries : keys, {column, stride, token_count_}, {column, stride});
    }
  }
  rotate(pool, runs, layer_index);

  attend(pool, runs, layer_index);
  project_output(pool, layer, layer_index);
}

void Decoder::project_output(WorkerPool& pool, const DecoderLayerWeights& layer, int64_t layer_index) {
  const Updates update = updates(layer_index, AdapterSite::output);
  const cpu::OutputRows output = residual_output(layer.output, update);
  const cpu::InputRows x{buffers_.attended.data(), query_size(spec_), token_count_};
  multiply(pool, {{&layer.output}}, x, output, update);
  if (!output.added) add_to_hidden(pool, layer.attention_output_norm);
}

cpu::OutputRows Decoder::residual_output(const Linear& product, Updates updates) {
  if (product.blocked.data != nullptr || spec_.sandwich_norms || !updates.empty()) {
    return {buffers_.projected.data(), spec_.hidden_size};
  }
  return {buffers_.hidden.data(), spec_.hidden_size, true};
}

void Decoder::add_to_hidden(WorkerPool& pool, const NormWeights& sandwich_norm) {
  float* const projected = buffers_.projected.data();
  if (spec_.sandwich_norms) norm(pool, sandwich_norm, projected, token_count_, projected);
  cpu::add_scaled(pool, 1.0F, projected, buffers_.hidden.data(), token_count_ * spec_.hidden_size);
}

void Decoder::attend(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index) {
  const int64_t stride = qkv_size(spec_);
  const float* const k = buffers_.qkv.data() + query_size(spec_);
  attention_runs_.clear();
  for (const TokenRun& run : runs) {
    const auto count = static_cast<int64_t>(run.tokens.size());
    attention_runs_.push_back(
        {.kv = run.cache->layer(layer_index), .first = run.first, .count = count, .context = run.first + count});
  }
  cpu::store_kv(pool, attention_runs_, {k, stride, token_count_}, k + key_size(spec_));
  const cpu::Attention attention{.heads = spec_.heads,
                                 .scale = spec_.attention_scale,
                                 .softcap = spec_.attention_softcap,
                                 .window = spec_.layers[static_cast<size_t>(layer_index)].window,
                                 .prompt = phase_ == Phase::prefill};
  cpu::attention(pool, attention, attention_runs_, {buffers_.qkv.data(), stride, token_count_},
                 {buffers_.attended.data(), query_size(spec_)});
}

void Decoder::multiply_gated(WorkerPool& pool, const Siblings& products, const cpu::InputRows& x, cpu::OutputRows y,
                             Updates updates) const {
  cpu::LowRankProjection projection;
  if (!updates.empty()) {
    projection = cpu::low_rank_project(pool, updates, x, stored_compute_);
    y.update = &projection;
  }
  const Linear& first = *products.parts[0];
  if (first.packed.data != nullptr) {
    return cpu::packed_gated_matmul(pool, first.packed, {spec_.activation, first.bias_data()}, x, y, packed_compute_);
  }
  const int64_t inner = spec_.intermediate_size;
  cpu::GatedWeights weights{first.stored(), products.parts[products.count - 1]->stored(), spec_.activation};
  if (products.count == 1) {
    weights.gate.weight = first.weight.slice(0, inner);
    weights.up.weight = first.weight.slice(inner, inner);
    if (weights.up.bias != nullptr) weights.up.bias += inner;
  }
  cpu::gated_matmul(pool, weights, x, y, compute_of(first));
}

void Decoder::dense(WorkerPool& pool, const MlpWeights& mlp, const MlpUpdates& updates, const cpu::InputRows& x,
                    const cpu::OutputRows& y) {
  const int64_t inner = spec_.intermediate_size;
  float* const gate = buffers_.inner.data();
  const Siblings products = siblings_of(mlp);
  const bool whole_panels = products.parts[0]->packed.data == nullptr || inner % cpu::kPackedRows == 0;
  if (are_one_operation(products) && whole_panels && are_aligned(updates.gate_up)) {
    multiply_gated(pool, products, x, {gate, inner}, updates.gate_up);
    return multiply(pool, {{&mlp.down}}, {gate, inner, x.count}, y, updates.down);
  }
  multiply(pool, products, x, {gate, 2 * inner}, updates.gate_up);
  cpu::gated_activation(pool, spec_.activation, {gate, 2 * inner, x.count}, gate + inner, inner, {gate, 2 * inner});
  multiply(pool, {{&mlp.down}}, {gate, 2 * inner, x.count}, y, updates.down);
}

void Decoder::route(WorkerPool& pool, const DecoderLayerWeights& layer) {
  // Always in f32: a router that rounds its input picks other experts.
  cpu::matmul(pool, layer.router.weight, {buffers_.normed.data(), spec_.hidden_size, token_count_},
              {buffers_.router.data(), spec_.mixture.experts}, nullptr, cpu::MatmulCompute::f32);
  for (auto& tokens : routed_) tokens.clear();
  std::vector<Choice> choices;
  for (int64_t token = 0; token < token_count_; ++token) {
    const float* scores = buffers_.router.data() + token * spec_.mixture.experts;
    choose_experts(spec_.mixture, {scores, static_cast<size_t>(spec_.mixture.experts)}, choices);
    for (const Choice& choice : choices) {
      routed_[static_cast<size_t>(choice.expert)].push_back({static_cast<int32_t>(token), choice.weight});
    }
  }
}

void Decoder::mixture(WorkerPool& pool, const DecoderLayerWeights& layer) {
  route(pool, layer);
  std::ranges::fill(buffers_.projected.first(static_cast<size_t>(token_count_) * hidden()), 0.0F);
  float* rows = buffers_.gathered.data();
  float* results = rows + buffers_.gathered.size() / 2;
  for (size_t expert = 0; expert < routed_.size(); ++expert) {
    const std::vector<Expert>& tokens = routed_[expert];
    if (tokens.empty()) continue;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const float* x = buffers_.normed.data() + static_cast<size_t>(tokens[i].token) * hidden();
      std::copy_n(x, hidden(), rows + i * hidden());
    }
    dense(pool, layer.experts[expert], {}, {rows, spec_.hidden_size, static_cast<int64_t>(tokens.size())},
          {results, spec_.hidden_size});
    // Experts in ascending order: the sum of a token does not depend on the tokens beside it.
    for (size_t i = 0; i < tokens.size(); ++i) {
      float* y = buffers_.projected.data() + static_cast<size_t>(tokens[i].token) * hidden();
      for (size_t j = 0; j < hidden(); ++j) y[j] += tokens[i].weight * results[i * hidden() + j];
    }
  }
}

void Decoder::mlp_block(WorkerPool& pool, int64_t layer_index) {
  const DecoderLayerWeights& layer = weights_.layers[static_cast<size_t>(layer_index)];
  if (spec_.mixture.experts > 0) {
    norm(pool, layer.mlp_norm, buffers_.hidden.data(), token_count_, buffers_.normed.data());
    mixture(pool, layer);
    return add_to_hidden(pool, layer.mlp_output_norm);
  }
  const MlpWeights& mlp = layer.mlp;
  const MlpUpdates update{updates(layer_index, AdapterSite::gate_up), updates(layer_index, AdapterSite::down)};
  const cpu::OutputRows output = residual_output(mlp.down, update.down);
  dense(pool, mlp, update, normed_input(pool, layer.mlp_norm, siblings_of(mlp), update.gate_up), output);
  if (!output.added) add_to_hidden(pool, layer.mlp_output_norm);
}

void Decoder::collect_outputs(WorkerPool& pool, std::span<const TokenRun> runs) {
  output_count_ = 0;
  size_t token = 0;
  for (const TokenRun& run : runs) {
    for (size_t i = 0; i < run.tokens.size(); ++i, ++token) {
      if (static_cast<int64_t>(i) < run.output_from) continue;
      KEDGE_CHECK((output_count_ + 1) * hidden() <= buffers_.outputs.size());
      std::copy_n(buffers_.hidden.data() + token * hidden(), hidden(),
                  buffers_.outputs.data() + output_count_ * hidden());
      ++output_count_;
    }
  }
  if (output_count_ == 0) return;
  const auto count = static_cast<int64_t>(output_count_);
  norm(pool, weights_.final_norm, buffers_.outputs.data(), count, buffers_.outputs.data());
  matmul(pool, weights_.head, {buffers_.outputs.data(), spec_.hidden_size, count},
         {buffers_.logits.data(), spec_.vocabulary_size});
  const int64_t size = count * spec_.vocabulary_size;
  if (spec_.logit_softcap > 0) cpu::softcap(pool, spec_.logit_softcap, buffers_.logits.data(), size);
}

}  // namespace kedge::models
