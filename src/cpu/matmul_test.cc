// Goal: every instruction set computes the products that the scalar kernels define, and a row's result depends on that
// row alone. Method: random weights of every type with sizes around every tile and vector edge, compared with sums in
// double; then the same rows alone, together, in other orders and on other thread counts, compared bit for bit.

#include <algorithm>
#include <cmath>
#include <iostream>

#include "cpu/dequantize.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr MatmulCompute kComputes[] = {MatmulCompute::f32, MatmulCompute::bf16, MatmulCompute::bf16_tiles};

const char* name_of(MatmulCompute compute) {
  constexpr const char* kNames[] = {"f32", "bf16", "bf16 in tiles"};
  return kNames[static_cast<size_t>(compute)];
}

struct Case {
  DType dtype;
  int64_t rows;
  int64_t columns;
  int64_t count;
  MatmulCompute compute = MatmulCompute::f32;
};

std::vector<float> product(WorkerPool& pool, const WeightView& w, const std::vector<float>& x, int64_t count,
                           const float* bias, MatmulCompute compute) {
  std::vector<float> y(static_cast<size_t>(count * w.rows), NAN);
  matmul(pool, w, {x.data(), w.columns, count}, {y.data(), w.rows}, bias, compute);
  return y;
}

float rounded(float value) {
  return bf16_to_f32(f32_to_bf16(value));
}

/// Compares with the definition: dequantized (and rounded) values, summed in double.
void expect_defined(WorkerPool& pool, const Case& c) {
  SCOPED_TRACE(testing::Message() << name_of(c.dtype) << " [" << c.rows << ", " << c.columns << "], " << c.count
                                  << " rows, " << name_of(c.compute));
  const Weights weights(c.dtype, c.rows, c.columns, 1);
  const WeightView& w = weights.view();
  const auto x = random_floats(static_cast<size_t>(c.count * c.columns), 2);
  const auto bias = random_floats(static_cast<size_t>(c.rows), 3);
  const auto y = product(pool, w, x, c.count, bias.data(), c.compute);
  const bool narrow = c.compute != MatmulCompute::f32;
  std::vector<float> row(static_cast<size_t>(c.columns));
  for (int64_t n = 0; n < c.rows; ++n) {
    dequantize_row_scalar(c.dtype, w.data + static_cast<size_t>(n) * w.row_stride, c.columns, row.data());
    for (int64_t i = 0; i < c.count; ++i) {
      double sum = 0.0;
      double size = 0.0;
      for (int64_t k = 0; k < c.columns; ++k) {
        const float xv = x[static_cast<size_t>(i * c.columns + k)];
        const float wv = row[static_cast<size_t>(k)];
        const double term = narrow ? static_cast<double>(rounded(xv)) * static_cast<double>(rounded(wv))
                                   : static_cast<double>(xv) * static_cast<double>(wv);
        sum += term;
        size += std::abs(term);
      }
      const double expected = sum + static_cast<double>(bias[static_cast<size_t>(n)]);
      // Each of columns/16 additions rounds by at most 2^-24 of a partial sum.
      const double error_max = (size + std::abs(expected)) * 6e-8 * (4.0 + static_cast<double>(c.columns) / 64.0);
      ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(i * c.rows + n)]), expected, error_max)
          << "row " << i << ", output " << n;
    }
  }
}

bool is_plain(DType dtype) {
  return info_of(dtype).block_elements == 1;
}

TEST(Matmul, every_isa_and_type_computes_the_definition) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : kWeightTypes) {
      const int64_t columns = is_plain(dtype) ? 67 : 2 * info_of(dtype).block_elements;
      for (const int64_t count : {1, 2, 3, 4, 7, 13}) {
        for (const auto compute : kComputes) {
          expect_defined(pool, {dtype, 13, columns, count, compute});
        }
      }
    }
  });
}

TEST(Matmul, columns_around_every_vector_edge) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3}) {
      for (const int64_t columns : {1, 2, 3, 7, 8, 9, 15, 16, 17, 27, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 130}) {
        for (const auto compute : kComputes) {
          expect_defined(pool, {dtype, 5, columns, 1, compute});
          expect_defined(pool, {dtype, 5, columns, 8, compute});
        }
      }
    }
  });
}

TEST(Matmul, rows_and_outputs_around_every_tile_edge) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::bf16, DType::q8_0}) {
      for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 65}) {
        for (const int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 25}) {
          for (const auto compute : kComputes) expect_defined(pool, {dtype, rows, 32, count, compute});
        }
      }
    }
  });
}

TEST(Matmul, more_weights_than_one_panel) {
  WorkerPool pool(2);
  for_every_isa([&](Isa isa) {
    if (isa == Isa::scalar) return;  // minutes
    for (const DType dtype : {DType::bf16, DType::q4_k}) {
      for (const auto compute : kComputes) {
        expect_defined(pool, {dtype, 150, 4096, 14, compute});
      }
    }
  });
}

/// Row i of a product of many rows, of a product of that row alone, and of a product on one thread are the same bits.
void expect_rows_independent(const Case& c) {
  SCOPED_TRACE(testing::Message() << name_of(c.dtype) << " [" << c.rows << ", " << c.columns << "], "
                                  << name_of(c.compute));
  WorkerPool one(1);
  WorkerPool two(2);
  WorkerPool three(3);
  const Weights weights(c.dtype, c.rows, c.columns, 4);
  const auto x = random_floats(static_cast<size_t>(c.count * c.columns), 5);
  const auto all = product(two, weights.view(), x, c.count, nullptr, c.compute);
  expect_same(product(one, weights.view(), x, c.count, nullptr, c.compute), all);
  expect_same(product(three, weights.view(), x, c.count, nullptr, c.compute), all);
  for (int64_t size : {1, 2, 3, 5, 7}) {
    for (int64_t first = 0; first + size <= c.count; first += std::max<int64_t>(size, c.count / 5)) {
      const std::vector<float> part(x.begin() + first * c.columns, x.begin() + (first + size) * c.columns);
      const std::vector<float> expected(all.begin() + first * c.rows, all.begin() + (first + size) * c.rows);
      SCOPED_TRACE(testing::Message() << size << " rows from " << first);
      expect_same(product(two, weights.view(), part, size, nullptr, c.compute), expected);
    }
  }
}

TEST(Matmul, a_row_does_not_depend_on_the_others) {
  for_every_isa([&](Isa) {
    for (const DType dtype : kWeightTypes) {
      const int64_t columns = is_plain(dtype) ? 531 : 512;
      for (const auto compute : kComputes) {
        expect_rows_independent({dtype, 37, columns, 29, compute});
      }
    }
  });
}

TEST(Matmul, a_row_of_a_large_batch_is_the_row_alone) {
  for_every_isa([&](Isa isa) {
    if (isa == Isa::scalar) return;  // one loop, no blocks: the test above says it all
    for (const DType dtype : {DType::f32, DType::bf16, DType::q4_0}) {
      for (const auto compute : kComputes) {
        expect_rows_independent({dtype, 300, 1024, 512, compute});
        expect_rows_independent({dtype, 40, 1024, 200, compute});  // shared out by rows
      }
    }
  });
}

TEST(Matmul, strides_and_slices) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    const Weights weights(DType::bf16, 20, 40, 6);
    const auto x = random_floats(7 * 50, 7);
    std::vector<float> y(7 * 30, -5.0F);
    matmul(pool, weights.view().slice(3, 11), {x.data(), 50, 7}, {y.data() + 2, 30}, nullptr, MatmulCompute::f32);
    for (int64_t i = 0; i < 7; ++i) {
      const std::vector<float> row(x.begin() + i * 50, x.begin() + i * 50 + 40);
      const auto all = product(pool, weights.view(), row, 1, nullptr, MatmulCompute::f32);
      for (int64_t n = 0; n < 30; ++n) {
        const float expected = n >= 2 && n < 13 ? all[static_cast<size_t>(n + 1)] : -5.0F;
        ASSERT_EQ(y[static_cast<size_t>(i * 30 + n)], expected) << i << " " << n;
      }
    }
  });
}

TEST(Matmul, zeros_subnormals_and_large_values) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    Weights weights(DType::f32, 3, 40, 8);
    const std::vector<float> zeros(40, 0.0F);
    for (const auto compute : kComputes) {
      for (const float v : product(pool, weights.view(), zeros, 1, nullptr, compute)) EXPECT_EQ(v, 0.0F);
      std::vector<float> tiny(40, 1e-41F);
      for (const float v : product(pool, weights.view(), tiny, 1, nullptr, compute)) EXPECT_LT(std::abs(v), 1e-37F);
      std::vector<float> large(40, 1e36F);
      for (const float v : product(pool, weights.view(), large, 1, nullptr, compute))
        EXPECT_TRUE(std::isfinite(v)) << v;
    }
  });
}

TEST(Dequantize, every_isa_gives_the_definitions_bits) {
  for_every_isa([&](Isa) {
    for (const DType dtype : kWeightTypes) {
      SCOPED_TRACE(std::string(name_of(dtype)));
      for (const int64_t blocks : {1, 2, 3, 15, 16, 17, 33}) {
        const int64_t columns = blocks * info_of(dtype).block_elements;
        const Weights weights(dtype, 3, columns, 9);
        std::vector<float> expected(static_cast<size_t>(columns));
        std::vector<float> found(static_cast<size_t>(columns));
        for (int64_t row = 0; row < 3; ++row) {
          const WeightView& w = weights.view();
          dequantize_row_scalar(dtype, w.data + static_cast<size_t>(row) * w.row_stride, columns, expected.data());
          dequantize_row(w, row, found.data());
          expect_same(found, expected);
        }
      }
    }
  });
}

TEST(Dequantize, every_code_of_fp8_and_half) {
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f8_e4m3, DType::f16, DType::bf16}) {
      const int64_t columns = dtype == DType::f8_e4m3 ? 256 : 65536;
      Weights weights(dtype, 1, columns, 10);
      for (int64_t i = 0; i < columns; ++i) {
        if (dtype == DType::f8_e4m3)
          weights.row(0)[i] = static_cast<std::byte>(i);
        else
          std::memcpy(weights.row(0) + 2 * i, &i, 2);
      }
      std::vector<float> expected(static_cast<size_t>(columns));
      std::vector<float> found(static_cast<size_t>(columns));
      dequantize_row_scalar(dtype, weights.view().data, columns, expected.data());
      dequantize_row(weights.view(), 0, found.data());
      for (size_t i = 0; i < found.size(); ++i) {
        if (std::isnan(expected[i]))
          ASSERT_TRUE(std::isnan(found[i])) << name_of(dtype) << " code " << i;
        else
          ASSERT_EQ(std::memcmp(&found[i], &expected[i], 4), 0) << name_of(dtype) << " code " << i;
      }
    }
  });
}

}  // namespace
}  // namespace kedge::cpu
