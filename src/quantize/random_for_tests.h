#pragma once
// For tests: seeded matrices, and inputs whose columns depend on each other as those of real layers do.

#include <cmath>
#include <random>

#include "quantize/matrix.h"

namespace kedge::quantize {

inline Matrix random_matrix(int64_t rows, int64_t columns, unsigned seed, float deviation = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  Matrix matrix(rows, columns);
  for (float& value : matrix.values) value = normal(random);
  return matrix;
}

/// A few hidden causes move all columns; some columns are much larger than the others.
inline Matrix correlated_inputs(int64_t rows, int64_t columns, unsigned seed) {
  const int64_t causes = std::max<int64_t>(2, columns / 8);
  const Matrix mixing = random_matrix(columns, causes, seed);
  const Matrix noise = random_matrix(rows, columns, seed + 1, 0.3F);
  const Matrix hidden = random_matrix(rows, causes, seed + 2);
  Matrix inputs(rows, columns);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < columns; ++k) {
      float sum = noise.row(i)[k];
      for (int64_t c = 0; c < causes; ++c) sum += hidden.row(i)[c] * mixing.row(k)[c];
      inputs.row(i)[k] = sum * (k % 13 == 5 ? 12.0F : 1.0F);
    }
  }
  return inputs;
}

}  // namespace kedge::quantize
