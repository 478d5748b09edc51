#pragma once
// The tensors of a decoder, found by name and checked against the spec.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cpu/onednn.h"
#include "cpu/ops.h"
#include "cpu/packed.h"
#include "kedge/result.h"
#include "models/spec.h"
#include "models/weight_source.h"

namespace kedge::models {

struct NormWeights {
  std::vector<float> weight;
  std::vector<float> bias;  // empty where the norm has none
};

/// A matrix product with an optional bias. An empty view means "not there".
struct Linear {
  cpu::WeightView weight;
  cpu::PackedView packed;                            // empty unless models/packed_weights.h filled it
  cpu::BlockedView blocked;                          // likewise, for oneDNN
  std::shared_ptr<const QuantizedMatrix> quantized;  // what models/packed_weights.h lays `weight` out from; else null
  std::vector<float> bias;
  [[nodiscard]] const float* bias_data() const { return bias.empty() ? nullptr : bias.data(); }
  [[nodiscard]] cpu::BiasedWeights stored() const { return {weight, bias_data()}; }
};

/// Products of the same rows whose outputs lie side by side.
struct Siblings {
  static constexpr size_t kMost = 3;
  std::array<const Linear*, kMost> parts{};
  size_t count = 1;
  [[nodiscard]] std::span<const Linear* const> all() const { return {parts.data(), count}; }
};

/// gate, up: [intermediate, hidden]; down: [hidden, intermediate]. Where the checkpoint fuses gate and up, `gate` holds
/// both ([2 x intermediate, hidden]) and `up` is empty.
struct MlpWeights {
  Linear gate, up, down;
  Linear gate_up;  // gate and up as one product, where models/packed_weights.h laid them side by side; else empty
};

inline Siblings siblings_of(const MlpWeights& mlp) {
  if (mlp.up.weight.rows == 0) return {{&mlp.gate}};
  if (mlp.gate_up.weight.rows > 0) return {{&mlp.gate_up}};
  return {{&mlp.gate, &mlp.up}, 2};
}

struct DecoderLayerWeights {
  NormWeights input_norm, mlp_norm;
  NormWeights attention_output_norm, mlp_output_norm;  // sandwich norms
  NormWeights query_norm, key_norm;
  Linear qkv;  // fused checkpoints, or laid side by side: [(heads + 2 kv_heads) * head_size, hidden]
  Linear query, key, value;
  Linear output;
  MlpWeights mlp;  // dense
  Linear router;   // mixture: [experts, hidden]
  std::vector<MlpWeights> experts;
};

inline Siblings siblings_of(const DecoderLayerWeights& layer) {
  if (layer.qkv.weight.rows > 0) return {{&layer.qkv}};
  return {{&layer.query, &layer.key, &layer.value}, 3};
}

struct DecoderWeights {
  cpu::WeightView embedding;
  NormWeights final_norm;
  Linear head;
  std::vector<DecoderLayerWeights> layers;
};

/// Fails with corrupt_data naming file, tensor, found and expected shape.
Result<DecoderWeights> load_decoder_weights(const DecoderSpec& spec, const WeightSource& source);

}  // namespace kedge::models
