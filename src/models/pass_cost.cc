#include "models/pass_cost.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "cpu/onednn.h"
#include "cpu/packed.h"

namespace kedge::models {
namespace {

/// Adds up one pass.
class Counter {
 public:
  Counter(const Decoder& decoder, const PassShape& shape) : spec_(decoder.spec()), shape_(shape) {
    stored_ = cpu::for_stored_weights(decoder.compute());
    packed_ = cpu::MatmulCompute::int8;
    if (shape.phase == Phase::prefill) {
      stored_ = cpu::for_many_tokens(stored_);
      packed_ = cpu::for_many_tokens(packed_);
    }
  }

  /// `tokens` rows times the matrix, which is read with probability `read`.
  void product(const Linear& linear, double tokens, double read = 1.0) {
    const cpu::WeightView& w = linear.weight;
    if (w.rows == 0) return;
    const bool blocked = linear.blocked.data != nullptr, packed = linear.packed.data != nullptr;
    const auto bytes = blocked  ? cpu::blocked_bytes(w, linear.blocked.compute)
                       : packed ? cpu::packed_bytes(w)
                                : static_cast<size_t>(w.rows) * w.row_stride;
    cost_.read_bytes += read * static_cast<double>(bytes);
    const double operations = 2.0 * tokens * static_cast<double>(w.rows) * static_cast<double>(w.columns);
    operations_of(blocked ? linear.blocked.compute : packed ? packed_ : stored_) += operations;
  }

  void mlp(const MlpWeights& weights, double tokens, double read = 1.0) {
    product(weights.gate, tokens, read);
    product(weights.up, tokens, read);
    product(weights.down, tokens, read);
  }

  void layer(const DecoderLayerWeights& weights, int64_t window) {
    const double all = tokens();
    product(weights.output, all);
    if (weights.qkv.weight.rows > 0) {
      product(weights.qkv, all);
    } else {
      for (const Linear* linear : {&weights.query, &weights.key, &weights.value}) product(*linear, all);
    }
    attention(window);
    if (weights.experts.empty()) return mlp(weights.mlp, all);
    const double share =
        static_cast<double>(spec_.mixture.experts_per_token) / static_cast<double>(spec_.mixture.experts);
    const double read = 1.0 - std::pow(1.0 - share, all);
    product(weights.router, all);
    for (const MlpWeights& expert : weights.experts) mlp(expert, all * share, read);
  }

  [[nodiscard]] double tokens() const { return static_cast<double>(shape_.sequences * shape_.tokens); }
  [[nodiscard]] const PassCost& cost() const { return cost_; }

 private:
  double& operations_of(cpu::MatmulCompute compute) {
    if (compute == cpu::MatmulCompute::int8) return cost_.int8_operations;
    return compute == cpu::MatmulCompute::f32 ? cost_.f32_operations : cost_.bf16_operations;
  }

  /// Scores and sums: two products for each element of a key that a head of a token sees.
  void attention(int64_t window) {
    const auto sequences = static_cast<double>(shape_.sequences);
    const int64_t end = shape_.first + shape_.tokens;
    const int64_t kept = window > 0 ? std::min(end, window + shape_.tokens - 1) : end;
    const int64_t token_bytes = spec_.kv_heads * cpu::kv_head_shape(shape_.kv_type, 1, spec_.head_size).token_bytes;
    cost_.read_bytes += 2 * sequences * static_cast<double>(kept) * static_cast<double>(token_bytes);
    double seen = 0;
    for (int64_t position = shape_.first; position < end; ++position) {
      seen += static_cast<double>(window > 0 ? std::min(position + 1, window) : position + 1);
    }
    const double operations = 4 * sequences * seen * static_cast<double>(spec_.heads * spec_.head_size);
    (shape_.kv_type == cpu::KvType::f32 ? cost_.f32_operations : cost_.bf16_operations) += operations;
  }

  const DecoderSpec& spec_;
  PassShape shape_;
  cpu::MatmulCompute stored_, packed_;
  PassCost cost_;
};

}  // namespace

PassCost& PassCost::operator+=(const PassCost& other) {
  read_bytes += other.read_bytes;
  f32_operations += other.f32_operations;
  bf16_operations += other.bf16_operations;
  int8_operations += other.int8_operations;
  return *this;
}

PassCost pass_cost(const Decoder& decoder, const PassShape& shape) {
  const DecoderSpec& spec = decoder.spec();
  const DecoderWeights& weights = decoder.weights();
  KEDGE_DCHECK(weights.layers.size() == spec.layers.size());
  Counter counter(decoder, shape);
  for (size_t i = 0; i < weights.layers.size(); ++i) counter.layer(weights.layers[i], spec.layers[i].window);
  if (shape.outputs > 0) counter.product(weights.head, static_cast<double>(shape.outputs));
  PassCost cost = counter.cost();
  cost.read_bytes += counter.tokens() * static_cast<double>(weights.embedding.row_stride);
  return cost;
}

}  // namespace kedge::models
