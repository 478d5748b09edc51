#include "quantize/layer_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "quantize/balance.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kSampleRows = 1024;
constexpr std::string_view kLayerPrefix = "model.layers.0.";  // of a LayerSource

float stored_as(DType dtype, float value) {
  if (dtype == DType::bf16) return bf16_to_f32(f32_to_bf16(value));
  if (dtype == DType::f16) return f16_to_f32(f32_to_f16(value));
  return value;
}

class LayerQuantizer {
 public:
  LayerQuantizer(WorkerPool& pool, const LayerTask& task)
      : pool_(pool), task_(task), factors_(task.products.inputs.size()), divisors_(task.products.products.size()) {}

  Result<QuantizedLayer> run() {
    if (task_.method == Method::awq || task_.method == Method::smooth) {
      for (size_t input = 0; input < factors_.size(); ++input) KEDGE_TRY(balance(input));
      KEDGE_TRY(divide_biases());
    }
    for (size_t product = 0; product < task_.products.products.size(); ++product) {
      if (!task_.formats[product]) {
        result_.products.emplace_back();
        continue;
      }
      KEDGE_ASSIGN(QuantizedProduct quantized, quantize(product));
      result_.products.emplace_back(std::move(quantized));
    }
    return std::move(result_);
  }

 private:
  [[nodiscard]] const TensorView* tensor(std::string_view name) const {
    return task_.source.find(fmt::format("{}{}", kLayerPrefix, name));
  }

  Result<Matrix> weights_of(size_t product) const {
    Matrix weights = widened(pool_, task_.products.products[product].linear->weight);
    if (!std::ranges::all_of(weights.values, [](float value) { return std::isfinite(value); })) {
      const std::string& name = task_.products.products[product].name;
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: tensor '{}.weight' holds a value that is not finite",
                               task_.source.file_of(fmt::format("{}{}.weight", kLayerPrefix, name)), name)};
    }
    return weights;
  }

  [[nodiscard]] DType scale_type(size_t product) const {
    return task_.products.products[product].linear->weight.dtype == DType::f16 ? DType::f16 : DType::bf16;
  }

  // Factors on inputs.

  /// SmoothQuant moves factors into norms alone; AWQ also into the rows that compute an input. All products that would
  /// see a factor must be quantized anew.
  [[nodiscard]] bool takes_factors(size_t input) const {
    const ProductInput& description = task_.products.inputs[input];
    if (description.producer == Producer::none) return false;
    if (description.producer == Producer::rows &&
        (task_.method == Method::smooth || !task_.formats[description.product])) {
      return false;
    }
    for (size_t i = 0; i < task_.products.products.size(); ++i) {
      if (task_.products.products[i].input == input && !task_.formats[i]) return false;
    }
    return true;
  }

  Status balance(size_t input) {
    if (!takes_factors(input)) return Done{};
    const ProductInput& description = task_.products.inputs[input];
    std::vector<Matrix> weights;
    Consumers consumers;
    consumers.round_inputs = task_.round_inputs;
    for (size_t i = 0; i < task_.products.products.size(); ++i) {
      if (task_.products.products[i].input != input) continue;
      KEDGE_ASSIGN(Matrix matrix, weights_of(i));
      weights.push_back(std::move(matrix));
      consumers.format = *task_.formats[i];
      consumers.scale_type = scale_type(i);
    }
    for (const Matrix& matrix : weights) consumers.weights.push_back(&matrix);
    const InputStatistics& statistics = task_.statistics.of_input(input);
    std::vector<float> factors = task_.method == Method::awq
                                     ? awq_factors(pool_, consumers, description, statistics)
                                     : smooth_factors(pool_, consumers, description, statistics);
    if (factors.empty()) return Done{};
    if (description.producer == Producer::norm) {
      KEDGE_TRY(take_into_norm(description.norm, factors));
    } else {
      take_into_rows(description, factors);
    }
    factors_[input] = std::move(factors);
    return Done{};
  }

  /// Divides the norm's weights. They are rounded to the type that they are stored in; the factors become what they
  /// were divided by in truth, so that nothing is lost.
  Status take_into_norm(const std::string& name, std::vector<float>& factors) {
    const std::string full = fmt::format("{}{}.weight", kLayerPrefix, name);
    KEDGE_ASSIGN(std::vector<float> weights, task_.source.vector(full, static_cast<int64_t>(factors.size())));
    const DType dtype = task_.source.find(full)->dtype;
    const float offset = task_.spec.norm_weight_offset;
    for (size_t k = 0; k < factors.size(); ++k) {
      const float before = weights[k] + offset;
      const float stored = stored_as(dtype, before / factors[k] - offset);
      const float after = stored + offset;
      const float factor = before / after;
      if (before == 0 || after == 0 || !std::isfinite(factor)) {
        factors[k] = 1;
        continue;
      }
      weights[k] = stored;
      factors[k] = factor;
    }
    result_.vectors.push_back({name + ".weight", std::move(weights)});
    if (tensor(name + ".bias") == nullptr) return Done{};
    KEDGE_ASSIGN(std::vector<float> bias, task_.source.vector(fmt::format("{}{}.bias", kLayerPrefix, name),
                                                              static_cast<int64_t>(factors.size())));
    for (size_t k = 0; k < factors.size(); ++k) bias[k] /= factors[k];
    result_.vectors.push_back({name + ".bias", std::move(bias)});
    return Done{};
  }

  void take_into_rows(const ProductInput& input, const std::vector<float>& factors) {
    std::vector<float>& divisors = divisors_[input.product];
    divisors.assign(static_cast<size_t>(task_.products.products[input.product].linear->weight.rows), 1.0F);
    for (int64_t k = 0; k < input.columns; ++k) {
      divisors[static_cast<size_t>(input.first_row + input.row_of(k))] = factors[static_cast<size_t>(k)];
    }
  }

  Status divide_biases() {
    for (size_t product = 0; product < divisors_.size(); ++product) {
      const Product& description = task_.products.products[product];
      if (divisors_[product].empty() || description.linear->bias.empty()) continue;
      std::vector<float> bias = description.linear->bias;
      for (size_t i = 0; i < bias.size(); ++i) bias[i] /= divisors_[product][i];
      result_.vectors.push_back({description.name + ".bias", std::move(bias)});
    }
    return Done{};
  }

  // Codes.

  Result<QuantizedProduct> quantize(size_t product) const {
    const size_t input = task_.products.products[product].input;
    KEDGE_ASSIGN(Matrix weights, weights_of(product));
    multiply_columns(pool_, weights, factors_[input]);
    if (const std::vector<float>& divisors = divisors_[product]; !divisors.empty()) {
      for (int64_t i = 0; i < weights.rows; ++i) {
        for (int64_t k = 0; k < weights.columns; ++k) weights.row(i)[k] /= divisors[static_cast<size_t>(i)];
      }
    }
    Matrix inputs = task_.statistics.of_input(input).sample();
    divide_columns(pool_, inputs, factors_[input]);
    QuantizedProduct result;
    result.without_inputs = inputs.rows == 0;
    result.coded = coded(product, weights, inputs);
    const Matrix values = result.coded.values(pool_);
    if (result.without_inputs) {
      const double whole = squared_length(pool_, weights);
      result.relative_error = whole > 0 ? std::sqrt(squared_distance(pool_, weights, values) / whole) : 0;
      return result;
    }
    const Matrix wanted = outputs_of(pool_, weights, inputs);
    const double whole = squared_length(pool_, wanted);
    const Matrix given = outputs_of(pool_, values, task_.round_inputs ? rounded_rows(pool_, inputs) : inputs);
    result.relative_error = whole > 0 ? std::sqrt(squared_distance(pool_, wanted, given) / whole) : 0;
    return result;
  }

  [[nodiscard]] CodedMatrix coded(size_t product, const Matrix& weights, const Matrix& inputs) const {
    const Format& format = *task_.formats[product];
    const DType type = scale_type(product);
    const InputStatistics& statistics = task_.statistics.of_input(task_.products.products[product].input);
    if (task_.method == Method::awq) return clipped(pool_, weights, inputs, format, type);
    if (task_.method == Method::gptq && statistics.rows() > 0) {
      GptqOptions options = task_.gptq;
      options.cross = statistics.cross().rows > 0 ? &statistics.cross() : nullptr;
      return gptq(pool_, weights, statistics.gram(), grids_for_inputs(pool_, weights, statistics.gram(), format, type),
                  options);
    }
    return round_to_nearest(pool_, weights, format, type);
  }

  WorkerPool& pool_;
  const LayerTask& task_;
  std::vector<std::vector<float>> factors_;   // of each input; empty: none
  std::vector<std::vector<float>> divisors_;  // of each product's rows; empty: none
  QuantizedLayer result_;
};

}  // namespace

LayerStatistics::LayerStatistics(WorkerPool& pool, const models::DecoderSpec& spec, const LayerProducts& products,
                                 const Options& options)
    : pool_(pool), stage_(options.stage), source_rows_(products.inputs.size()) {
  for (const ProductInput& input : products.inputs) {
    int64_t rows = options.rows_expected;
    if (input.routed) rows = rows * spec.mixture.experts_per_token / std::max<int64_t>(1, spec.mixture.experts);
    const bool gram = options.method == Method::gptq && input.stage == stage_;
    inputs_.emplace_back(
        input.columns,
        InputStatistics::Options{
            .rows_expected = rows, .sample_rows_max = kSampleRows, .gram = gram, .cross = gram && !input.routed});
  }
}

std::optional<size_t> LayerStatistics::first_input(const LayerProducts& products, const models::Linear& linear) const {
  size_t previous = inputs_.size();
  for (const Product& product : products.products) {
    if (product.linear == &linear) {
      const bool looked_at = stage_ < 0 || products.inputs[product.input].stage == stage_;
      return product.input != previous && looked_at ? std::optional(product.input) : std::nullopt;
    }
    previous = product.input;
  }
  return std::nullopt;
}

void LayerStatistics::sink(void* context, const models::Linear& linear, const cpu::InputRows& x) {
  const Side& side = *static_cast<const Side*>(context);
  LayerStatistics& statistics = *side.statistics;
  const std::optional<size_t> input = statistics.first_input(*side.products, linear);
  if (input) statistics.inputs_[*input].add(statistics.pool_, x, statistics.source_rows_[*input].data());
}

void LayerStatistics::source_sink(void* context, const models::Linear& linear, const cpu::InputRows& x) {
  const Side& side = *static_cast<const Side*>(context);
  const std::optional<size_t> input = side.statistics->first_input(*side.products, linear);
  if (!input || side.products->inputs[*input].routed) return;  // an expert's rows are other tokens' here and there
  std::vector<float>& rows = side.statistics->source_rows_[*input];
  rows.clear();
  for (int64_t i = 0; i < x.count; ++i) {
    rows.insert(rows.end(), x.data + i * x.stride, x.data + i * x.stride + linear.weight.columns);
  }
}

Result<QuantizedLayer> quantize_layer(WorkerPool& pool, const LayerTask& task) {
  return LayerQuantizer(pool, task).run();
}

}  // namespace kedge::quantize
