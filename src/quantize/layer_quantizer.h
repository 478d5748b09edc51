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
  struct Options {
    Method method = Method::round_to_nearest;
    int stage = -1;  // whose inputs alone are looked at; -1: all
    int64_t rows_expected = 0;
  };
  LayerStatistics(WorkerPool& pool, const models::DecoderSpec& spec, const LayerProducts& products,
                  const Options& options);

  /// models::ProductSinks; `context` is a Side. Where rows of the source model are wanted (GPTQ), every batch goes
  /// through source_sink first.
  struct Side {
    LayerStatistics* statistics = nullptr;
    const LayerProducts* products = nullptr;  // of the decoder that calls
  };
  static void sink(void* context, const models::Linear& linear, const cpu::InputRows& x);
  static void source_sink(void* context, const models::Linear& linear, const cpu::InputRows& x);

  [[nodiscard]] const InputStatistics& of_input(size_t input) const { return inputs_[input]; }

 private:
  /// The input that `linear` is the first to read, where it is looked at.
  [[nodiscard]] std::optional<size_t> first_input(const LayerProducts& products, const models::Linear& linear) const;

  WorkerPool& pool_;
  int stage_;
  std::vector<InputStatistics> inputs_;
  std::vector<std::vector<float>> source_rows_;  // of each input, of the batch at hand
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
