#pragma once
// One layer: statistics of its inputs to codes of its matrices, by each of the methods.

#include <optional>
#include <string>
#include <vector>

#include "models/weight_source.h"
#include "quantize/gptq.h"
#include "quantize/input_statistics.h"
#include "quantize/layer_products.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

enum class Method : uint8_t { round_to_nearest, awq, gptq, smooth };

/// Statistics of every input of a layer, filled by a run of it.
class LayerStatistics {
 public:
  /// `rows_expected`: tokens of the calibration text. `spec` for how many of them an expert sees.
  LayerStatistics(WorkerPool& pool, const LayerProducts& products, Method method, int64_t rows_expected,
                  const models::DecoderSpec& spec);

  /// A models::ProductSink; `context` is the object.
  static void sink(void* context, const models::Linear& linear, const cpu::InputRows& x);

  [[nodiscard]] const InputStatistics& of_input(size_t input) const { return inputs_[input]; }

 private:
  WorkerPool& pool_;
  const LayerProducts& products_;
  std::vector<InputStatistics> inputs_;
};

/// A norm's weights or a product's biases, changed.
struct ChangedVector {
  std::string name;  // after "model.layers.N."
  std::vector<float> values;
};

struct QuantizedProduct {
  CodedMatrix coded;
  double relative_error = 0;  // of the outputs of sampled inputs; of the weights where no input came
  bool without_inputs = false;
};

struct QuantizedLayer {
  std::vector<std::optional<QuantizedProduct>> products;  // as LayerProducts; nothing: stays as stored
  std::vector<ChangedVector> vectors;
};

struct LayerTask {
  const models::DecoderSpec& spec;
  const models::WeightSource& source;  // a LayerSource of the layer
  const LayerProducts& products;
  const LayerStatistics& statistics;
  const std::vector<std::optional<Format>>& formats;  // of each product; nothing: stays as stored
  Method method = Method::round_to_nearest;
  bool round_inputs = false;
  GptqOptions gptq;
};

/// Fails with corrupt_data where a weight is not finite.
Result<QuantizedLayer> quantize_layer(WorkerPool& pool, const LayerTask& task);

}  // namespace kedge::quantize
