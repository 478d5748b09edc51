// Goal: oneDNN's products are the definition's within rounding, and a row's result depends on that row alone.
// Method: random matrices with outputs around the edges of slices and odd columns; every number of rows from 1 to past
// the largest primitive is compared bit for bit with the same rows computed one by one.

#include "cpu/onednn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/aligned.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

struct Kind {
  DType dtype;
  MatmulCompute compute;
  const char* name;
};
constexpr Kind kKinds[] = {{DType::f32, MatmulCompute::f32, "f32"},
                           {DType::bf16, MatmulCompute::bf16, "bf16"},
                           {DType::f32, MatmulCompute::bf16, "f32 rounded to bf16"},
                           {DType::int8_scaled, MatmulCompute::int8, "int8"}};

Weights make_weights(DType dtype, int64_t rows, int64_t columns) {
  return dtype == DType::int8_scaled ? row_scaled_weights(rows, columns, 7) : Weights(dtype, rows, columns, 7);
}

WeightView view_of(const Weights& weights) {
  WeightView view = weights.view();
  view.scale_columns = view.columns;
  return view;
}

class OneDnnTest : public testing::Test {
 protected:
  void SetUp() override {
    const Status loaded = load_onednn();
    if (!loaded.ok()) GTEST_SKIP() << "NOT TESTED: " << loaded.error().message;
  }

  /// False, said aloud, where oneDNN has no kernel for it on this CPU.
  static bool runs(const Kind& kind, const WeightView& view) {
    if (has_blocked_form(view, kind.compute)) return true;
    std::cout << "[ SKIPPED  ] " << kind.name << ": " << onednn_version() << " has no block kernel; NOT TESTED\n";
    return false;
  }

  PageBuffer lay_out(const Kind& kind, const WeightView& view) {
    PageBuffer bytes(blocked_bytes(view, kind.compute));
    lay_out_blocked(pool_, view, kind.compute, bytes.data());
    return bytes;
  }

  std::vector<float> multiply(const BlockedView& w, const std::vector<float>& x, int64_t count, const float* bias) {
    std::vector<float> y(static_cast<size_t>(count * w.rows));
    blocked_matmul(pool_, w, {x.data(), w.columns, count}, {y.data(), w.rows}, bias);
    return y;
  }

  /// Every number of rows gives what the rows give one by one.
  void expect_rows_apart(const Kind& kind, int64_t rows, int64_t columns, int64_t count_max) {
    const Weights weights = make_weights(kind.dtype, rows, columns);
    const WeightView view = view_of(weights);
    if (!runs(kind, view)) return;
    const PageBuffer bytes = lay_out(kind, view);
    const BlockedView blocked = blocked_view(view, kind.compute, bytes.data());
    const auto x = random_floats(static_cast<size_t>(count_max * columns), 5);
    std::vector<float> alone;
    for (int64_t i = 0; i < count_max; ++i) {
      const std::vector<float> row(x.begin() + i * columns, x.begin() + (i + 1) * columns);
      const auto y = multiply(blocked, row, 1, nullptr);
      alone.insert(alone.end(), y.begin(), y.end());
    }
    for (int64_t count = 1; count <= count_max; count += count < 40 ? 1 : 37) {
      SCOPED_TRACE(count);
      expect_same(multiply(blocked, x, count, nullptr), {alone.begin(), alone.begin() + count * rows});
    }
  }

  WorkerPool pool_{3};
};

/// The definition in double: activations rounded as `compute` says, and the sum of magnitudes for the bound.
struct Expected {
  double value = 0.0;
  double magnitude = 0.0;
};
Expected expected_of(const WeightView& w, MatmulCompute compute, const float* x, int64_t output) {
  std::vector<float> row(static_cast<size_t>(w.columns));
  dequantize_row(w, output, row.data());
  float largest = 0.0F;
  for (int64_t k = 0; k < w.columns; ++k) largest = std::max(largest, std::fabs(x[k]));
  Expected sum;
  for (int64_t k = 0; k < w.columns; ++k) {
    double a = x[k];
    float b = row[static_cast<size_t>(k)];
    if (compute == MatmulCompute::bf16) a = bf16_to_f32(f32_to_bf16(x[k])), b = bf16_to_f32(f32_to_bf16(b));
    if (compute == MatmulCompute::int8) a = std::nearbyint(a / largest * 127.0) * static_cast<double>(largest) / 127.0;
    sum.value += a * static_cast<double>(b);
    sum.magnitude += std::fabs(a * static_cast<double>(b));
  }
  return sum;
}

TEST_F(OneDnnTest, agrees_with_the_definition) {
  for (const Kind& kind : kKinds) {
    for (const int64_t columns : {32, 96, 1056}) {
      for (const int64_t rows : {1, 17, 127, 128, 129, 300}) {
        SCOPED_TRACE(std::string(kind.name) + " " + std::to_string(rows) + " x " + std::to_string(columns));
        const Weights weights = make_weights(kind.dtype, rows, columns);
        const WeightView view = view_of(weights);
        if (!runs(kind, view)) continue;
        const PageBuffer bytes = lay_out(kind, view);
        const auto x = random_floats(static_cast<size_t>(3 * columns), 3);
        const auto bias = random_floats(static_cast<size_t>(rows), 4);
        const auto y = multiply(blocked_view(view, kind.compute, bytes.data()), x, 3, bias.data());
        for (int64_t i = 0; i < 3; ++i) {
          for (int64_t n = 0; n < rows; n += 13) {
            const Expected sum = expected_of(view, kind.compute, x.data() + i * columns, n);
            // Sums of up to 1056 products in f32; int8: a code may fall on the other side of a half.
            const double bound = (kind.compute == MatmulCompute::int8 ? 1e-3 : 4e-6) * sum.magnitude + 1e-6;
            ASSERT_NEAR(y[static_cast<size_t>(i * rows + n)], sum.value + bias[static_cast<size_t>(n)], bound)
                << "row " << i << ", output " << n;
          }
        }
      }
    }
  }
}

TEST_F(OneDnnTest, a_row_depends_on_that_row_alone) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    expect_rows_apart(kind, 200, 544, 300);
    expect_rows_apart(kind, 70, 14336, 150);  // long sums, which oneDNN cuts into blocks
    expect_rows_apart(kind, 64, 4096 + 32, 70);
  }
}

TEST_F(OneDnnTest, rows_may_lie_apart) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    constexpr int64_t kRows = 513, kColumns = 64, kCount = 5, kGap = 7;
    const Weights weights = make_weights(kind.dtype, kRows, kColumns);
    const WeightView view = view_of(weights);
    if (!runs(kind, view)) continue;
    const PageBuffer bytes = lay_out(kind, view);
    const BlockedView blocked = blocked_view(view, kind.compute, bytes.data());
    const auto x = random_floats(kCount * kColumns, 6);
    std::vector<float> wide(kCount * (kColumns + kGap)), y(kCount * (kRows + kGap), 3.0F);
    for (int64_t i = 0; i < kCount; ++i)
      std::copy_n(x.begin() + i * kColumns, kColumns, wide.begin() + i * (kColumns + kGap));
    blocked_matmul(pool_, blocked, {wide.data(), kColumns + kGap, kCount}, {y.data(), kRows + kGap}, nullptr);
    std::vector<float> found;
    for (int64_t i = 0; i < kCount; ++i) {
      const auto row = y.begin() + i * (kRows + kGap);
      found.insert(found.end(), row, row + kRows);
      EXPECT_TRUE(std::all_of(row + kRows, row + kRows + kGap, [](float value) { return value == 3.0F; }));
    }
    expect_same(found, multiply(blocked, x, kCount, nullptr));
  }
}

TEST_F(OneDnnTest, other_weights_have_no_blocked_form) {
  const Weights q8(DType::q8_0, 64, 64, 1), narrow(DType::bf16, 64, 64, 1);
  const Weights groups(DType::int8_scaled, 64, 64, 1);
  EXPECT_FALSE(has_blocked_form(q8.view(), MatmulCompute::int8));
  EXPECT_FALSE(has_blocked_form(narrow.view(), MatmulCompute::f32));
  EXPECT_FALSE(has_blocked_form(groups.view(), MatmulCompute::int8));  // a scale for each 32 columns
}

}  // namespace
}  // namespace kedge::cpu
