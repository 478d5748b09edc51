#include "quantize/factor.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace kedge::quantize {
namespace {

constexpr int64_t kPanel = 128;      // columns that are factored before the rest is updated
constexpr int64_t kBlockRows = 256;  // rows that are updated in one product
constexpr int64_t kRowGrain = 8;

/// Element (i, j) of the lower triangle changes places with (n - 1 - j, n - 1 - i), which lies there too: the matrix
/// with its rows and columns in reverse, since it is symmetric; and G out of a Cholesky factor of that.
void turn_over(Matrix& a) {
  const int64_t n = a.rows;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i && i + j < n - 1; ++j) std::swap(a.row(i)[j], a.row(n - 1 - j)[n - 1 - i]);
  }
}

/// Row `i`, columns [begin, end), of the factor, from the rows above that are finished there.
void solve_row(Matrix& a, int64_t i, int64_t begin, int64_t end) {
  float* row = a.row(i);
  for (int64_t j = begin; j < end; ++j) {
    const float* other = a.row(j);
    double sum = row[j];
    for (int64_t k = begin; k < j; ++k) sum -= static_cast<double>(row[k]) * static_cast<double>(other[k]);
    row[j] = static_cast<float>(sum / static_cast<double>(other[j]));
  }
}

bool factor_diagonal(Matrix& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    solve_row(a, i, begin, i);
    float* row = a.row(i);
    double pivot = row[i];
    for (int64_t k = begin; k < i; ++k) pivot -= static_cast<double>(row[k]) * static_cast<double>(row[k]);
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[i] = static_cast<float>(std::sqrt(pivot));
  }
  return true;
}

/// a[i, j] -= factor[i] . factor[j] over the panel's columns, for the rows and columns after it.
void update_rest(WorkerPool& pool, Matrix& a, int64_t begin, int64_t end, std::vector<float>& product) {
  const int64_t n = a.rows;
  for (int64_t first = end; first < n; first += kBlockRows) {
    const int64_t last = std::min(n, first + kBlockRows);
    const int64_t width = last - end;
    product.resize(static_cast<size_t>(kBlockRows * n));
    cpu::matmul(pool, rows_view(a.row(end) + begin, width, end - begin, n), {a.row(first) + begin, n, last - first},
                {product.data(), width}, nullptr, cpu::MatmulCompute::f32);
    pool.parallel_for(last - first, kRowGrain, [&](int64_t from, int64_t to, unsigned) {
      for (int64_t i = from; i < to; ++i) {
        const float* sums = product.data() + i * width;
        float* out = a.row(first + i) + end;
        for (int64_t j = 0; j <= first + i - end; ++j) out[j] -= sums[j];
      }
    });
  }
}

}  // namespace

/// With the order of rows and columns reversed, A = G^T G is the usual Cholesky decomposition.
bool factor_from_the_end(WorkerPool& pool, Matrix& a) {
  turn_over(a);
  std::vector<float> product;
  for (int64_t begin = 0; begin < a.rows; begin += kPanel) {
    const int64_t end = std::min(a.rows, begin + kPanel);
    if (!factor_diagonal(a, begin, end)) return false;
    pool.parallel_for(a.rows - end, kRowGrain, [&](int64_t from, int64_t to, unsigned) {
      for (int64_t i = end + from; i < end + to; ++i) solve_row(a, i, begin, end);
    });
    update_rest(pool, a, begin, end, product);
  }
  turn_over(a);
  return true;
}

}  // namespace kedge::quantize
