#pragma once
// The matrix products of a decoder layer: their names, which of them share their inputs, and what the inputs come from.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/decoder_weights.h"
#include "models/spec.h"

namespace kedge::quantize {

struct Product {
  std::string name;  // after "model.layers.N.", without ".weight"
  const models::Linear* linear = nullptr;
  size_t input = 0;  // index of LayerProducts::inputs
};

/// What computes an input, so that a factor on one of its columns can be taken back there.
enum class Producer : uint8_t {
  none,  // nothing that would take a factor
  norm,  // a norm's weights
  rows   // rows of a product: values of heads, or the half of a gated MLP that is not activated
};

struct ProductInput {
  std::string name;  // "attention", "heads", "mlp", "inner", with the expert's number
  int64_t columns = 0;
  Producer producer = Producer::none;
  std::string norm;       // Producer::norm: its name, as above
  size_t product = 0;     // Producer::rows: index of LayerProducts::products
  int64_t first_row = 0;  // of it
  int64_t head_size = 0;  // columns come in heads of so many...
  int64_t repeats = 1;    // ...of which this many in a row have the same rows
  int stage = 0;          // inputs of a later stage come from products that read those of earlier ones
  bool routed = false;    // only the tokens of one expert

  /// The row, after first_row, that computes a column.
  [[nodiscard]] int64_t row_of(int64_t column) const {
    return column / (head_size * repeats) * head_size + column % head_size;
  }
};

inline constexpr int kStages = 4;  // what attention reads, the heads' values, what the MLP reads, its inner values

struct LayerProducts {
  std::vector<Product> products;
  std::vector<ProductInput> inputs;
};

/// Of a layer that is not quantized. The views point into `weights`.
LayerProducts products_of(const models::DecoderSpec& spec, const models::DecoderLayerWeights& weights);

/// N of "model.layers.N...", or of the same behind the prefixes of multimodal checkpoints; -1: no layer's.
int64_t layer_of_tensor(std::string_view tensor_name);

}  // namespace kedge::quantize
