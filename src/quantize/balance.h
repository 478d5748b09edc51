#pragma once
// Factors on the columns of a product's inputs, which move what is hard to round from one side to the other: AWQ (Lin
// et al. 2023) and SmoothQuant (Xiao et al. 2022). Weights are multiplied by them, inputs divided.

#include <span>
#include <vector>

#include "quantize/input_statistics.h"
#include "quantize/layer_products.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

/// The products that share an input, as they are to be quantized.
struct Consumers {
  std::vector<const Matrix*> weights;
  Format format;
  DType scale_type = DType::bf16;
  bool round_inputs = false;  // rows of inputs are rounded to 8 bits too
};

/// AWQ: powers of the mean magnitude of each column, the exponent from 0 to 1 chosen by the error of the outputs. Only
/// the sample of the statistics and their magnitudes are used. Columns that one row computes get one factor.
std::vector<float> awq_factors(WorkerPool& pool, const Consumers& consumers, const ProductInput& input,
                               const InputStatistics& statistics);

/// SmoothQuant: largest input^alpha / largest weight^(1 - alpha) of each column, alpha from 0.3 to 0.9, or no factors,
/// chosen by the error of the outputs.
std::vector<float> smooth_factors(WorkerPool& pool, const Consumers& consumers, const ProductInput& input,
                                  const InputStatistics& statistics);

/// weights[i, k] * factors[k]; nothing where there are no factors. `divide` for inputs.
void multiply_columns(WorkerPool& pool, Matrix& matrix, std::span<const float> factors);
void divide_columns(WorkerPool& pool, Matrix& matrix, std::span<const float> factors);

/// Rows rounded to 8 bits and back, as a W8A8 checkpoint has it (cpu::InputRoundingKind::int8_token).
Matrix rounded_rows(WorkerPool& pool, const Matrix& inputs);

/// AWQ's clipping: grids of 50 to 100 % of each group's reach, chosen by the error that the group adds to the outputs
/// of `inputs`. Groups of more than 256 columns keep their whole reach.
CodedMatrix clipped(WorkerPool& pool, const Matrix& weights, const Matrix& inputs, const Format& format,
                    DType scale_type);

}  // namespace kedge::quantize
