#pragma once
// Coded matrices in the layout of compressed-tensors checkpoints (https://github.com/vllm-project/compressed-tensors),
// which vLLM, transformers and kedge read.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/tensor.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

/// A tensor that owns its bytes.
struct OwnedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;

  [[nodiscard]] TensorView view() const { return {name, dtype, shape, bytes}; }
};

/// `values` in a type of 16 or 32 bits.
OwnedTensor plain_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const float> values);

/// pack-quantized: NAME.weight_packed, NAME.weight_scale, NAME.weight_zero_point (asymmetric formats),
/// NAME.weight_shape.
std::vector<OwnedTensor> packed_tensors(const std::string& name, const CodedMatrix& coded);

/// int-quantized: NAME.weight (I8) and NAME.weight_scale. REQUIRES: symmetric, 8 bits, a row a group.
std::vector<OwnedTensor> byte_tensors(const std::string& name, const CodedMatrix& coded);

/// quantization_config of config.json. `modules`: every linear module of the decoder layers, without those that stay as
/// stored; `ignored`: those that do. `w8a8`: int-quantized, activations by token.
Json quantization_config(const std::map<std::string, Format>& modules, const std::vector<std::string>& ignored,
                         bool w8a8);

}  // namespace kedge::quantize
