// Any bytes as an adapter of a small model: the part before the first NUL is adapter_config.json, the rest
// adapter_model.safetensors. An adapter, or an error; never a crash.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapter.h"
#include "models/adapter_config.h"

namespace {

using kedge::models::DecoderSpec;
using kedge::models::DecoderWeights;

DecoderSpec small_spec() {
  DecoderSpec spec;
  spec.hidden_size = 32;
  spec.layer_count = 1;
  spec.heads = 4;
  spec.kv_heads = 2;
  spec.head_size = 8;
  spec.intermediate_size = 48;
  spec.interleaved_rope = true;
  return spec;
}

/// All matrices are views of the same numbers.
DecoderWeights small_weights(const std::vector<float>& numbers) {
  const auto linear = [&](int64_t rows, int64_t columns) {
    return kedge::models::Linear{.weight = {kedge::DType::f32, reinterpret_cast<const std::byte*>(numbers.data()), rows,
                                            columns, static_cast<size_t>(columns) * sizeof(float)}};
  };
  DecoderWeights weights;
  auto& layer = weights.layers.emplace_back();
  layer.query = linear(32, 32);
  layer.key = layer.value = linear(16, 32);
  layer.output = linear(32, 32);
  layer.mlp.gate = layer.mlp.up = linear(48, 32);
  layer.mlp.down = linear(32, 48);
  return weights;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<float> kNumbers(48 * 48, 0.5F);
  static const DecoderSpec kSpec = small_spec();
  static const DecoderWeights kWeights = small_weights(kNumbers);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t end = bytes.find('\0');
  const kedge::models::AdapterFiles files{
      .name = "adapter",
      .config = std::string(bytes.substr(0, end)),
      .tensors = end == std::string_view::npos ? std::string() : std::string(bytes.substr(end + 1))};
  const auto config = kedge::models::parse_adapter_config(files.config, "adapter_config.json");
  if (config.ok()) (void)config.value().scale_of("model.layers.0.self_attn.q_proj");
  (void)kedge::models::Adapter::load(files, kSpec, kWeights, {.rank_max = 64, .dtype = kedge::DType::f32});
  return 0;
}
