// Goal: packing loses nothing, and every instruction set multiplies packed weights as the scalar kernels define.
// Method: random weights of every type with a packed form, sizes around every panel and token edge; against sums in
// double over dequantized weights and rounded activations, and bit for bit against the scalar kernels.

#include "cpu/packed.h"

#include <cmath>
#include <cstring>

#include "cpu/dequantize.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

/// A packed copy of random weights.
class Packed {
 public:
  Packed(WorkerPool& pool, const WeightView& w) : bytes_(packed_bytes(w) + 64, std::byte{0xee}) {
    std::byte* const data = bytes_.data() + -reinterpret_cast<uintptr_t>(bytes_.data()) % 64;
    view_ = pack(pool, w, data);
  }
  [[nodiscard]] const PackedView& view() const { return view_; }

 private:
  std::vector<std::byte> bytes_;
  PackedView view_;
};

std::vector<float> product(WorkerPool& pool, const PackedView& w, const std::vector<float>& x, int64_t count,
                           const float* bias, MatmulCompute compute = MatmulCompute::int8) {
  std::vector<float> y(static_cast<size_t>(count * w.rows), NAN);
  packed_matmul(pool, w, {x.data(), w.columns, count}, {y.data(), w.rows}, bias, compute);
  return y;
}

/// The activations that products see: the definition in double.
std::vector<double> rounded_to_8_bits(const std::vector<float>& x) {
  std::vector<double> out(x.size());
  for (size_t group = 0; group < x.size(); group += 32) {
    float largest = 0.0F;
    for (size_t k = group; k < group + 32; ++k) largest = std::max(largest, std::abs(x[k]));
    const float inverse = 127.0F / largest, scale = largest / 127.0F;
    for (size_t k = group; k < group + 32; ++k) {
      out[k] = static_cast<double>(std::nearbyint(x[k] * inverse)) * static_cast<double>(scale);
    }
  }
  return out;
}

void expect_defined(WorkerPool& pool, DType dtype, int64_t rows, int64_t columns, int64_t count) {
  SCOPED_TRACE(testing::Message() << name_of(dtype) << " [" << rows << ", " << columns << "], " << count << " tokens");
  const Weights weights(dtype, rows, columns, 1);
  const Packed packed(pool, weights.view());
  const auto x = random_floats(static_cast<size_t>(count * columns), 2);
  const auto bias = random_floats(static_cast<size_t>(rows), 3);
  const auto seen = rounded_to_8_bits(x);
  const auto y = product(pool, packed.view(), x, count, bias.data());
  std::vector<float> row(static_cast<size_t>(columns));
  for (int64_t n = 0; n < rows; ++n) {
    dequantize_row_scalar(dtype, weights.view().data + static_cast<size_t>(n) * weights.view().row_stride, columns,
                          row.data());
    for (int64_t i = 0; i < count; ++i) {
      double sum = static_cast<double>(bias[static_cast<size_t>(n)]), size = std::abs(sum);
      for (int64_t k = 0; k < columns; ++k) {
        const double term =
            static_cast<double>(row[static_cast<size_t>(k)]) * seen[static_cast<size_t>(i * columns + k)];
        sum += term;
        size += std::abs(term);
      }
      // A sum of groups rounds a few times a group; Q4_K adds codes and minimums that partly cancel.
      ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(i * rows + n)]), sum,
                  size * 6e-8 * (16.0 + static_cast<double>(columns) / 8.0))
          << "token " << i << ", output " << n;
    }
  }
}

TEST(Packed, every_isa_and_type_computes_the_definition) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : packable_types()) {
      const int64_t block = info_of(dtype).block_elements;
      for (const int64_t rows : {1, 15, 16, 17, 33}) {
        for (const int64_t count : {1, 3, 8, 11}) expect_defined(pool, dtype, rows, 2 * block, count);
      }
      expect_defined(pool, dtype, 40, 1024, 2);
    }
  });
}

TEST(Packed, every_isa_gives_the_scalar_kernels_bits) {
  WorkerPool pool(2);
  for (const DType dtype : packable_types()) {
    const int64_t block = info_of(dtype).block_elements;
    for (const int64_t columns : {block, 3 * block, 1024L}) {
      for (const int64_t rows : {37, 150}) {  // fewer panels than are taken together, and more
        const Weights weights(dtype, rows, columns, 4);
        const Packed packed(pool, weights.view());
        const auto x = random_floats(static_cast<size_t>(19 * columns), 5);
        const auto bias = random_floats(static_cast<size_t>(rows), 6);
        const auto scalar = [&] {
          const WithIsa capped(Isa::scalar);
          return product(pool, packed.view(), x, 19, bias.data());
        }();
        for_every_isa([&](Isa) { expect_same(product(pool, packed.view(), x, 19, bias.data()), scalar); });
      }
    }
  }
}

TEST(Packed, a_row_does_not_depend_on_the_others) {
  WorkerPool one(1);
  WorkerPool three(3);
  for_every_isa([&](Isa) {
    for (const DType dtype : packable_types()) {
      const Weights weights(dtype, 214, 512, 6);
      const Packed packed(one, weights.view());
      const auto x = random_floats(size_t{37} * 512, 7);
      const auto all = product(three, packed.view(), x, 37, nullptr);
      for (const int64_t size : {1, 2, 7, 9, 13, 16}) {
        for (int64_t first = 0; first + size <= 37; first += 5) {
          const std::vector<float> part(x.begin() + first * 512, x.begin() + (first + size) * 512);
          const std::vector<float> expected(all.begin() + first * 214, all.begin() + (first + size) * 214);
          expect_same(product(one, packed.view(), part, size, nullptr), expected);
        }
      }
    }
  });
}

TEST(Packed, tiles_give_the_bits_of_stored_weights) {
  if (detected_isa() < Isa::amx)
    GTEST_SKIP() << "this CPU has no tile registers; packed weights in them are NOT TESTED";
  WorkerPool pool(2);
  for (const DType dtype : packable_types()) {
    const int64_t block = info_of(dtype).block_elements;
    for (const int64_t rows : {1, 16, 17, 32, 33, 300}) {
      for (const int64_t columns : {block, 3 * block, 1024L}) {
        for (const int64_t count : {1, 15, 16, 33, 70}) {
          SCOPED_TRACE(testing::Message() << name_of(dtype) << " [" << rows << ", " << columns << "], " << count);
          const Weights weights(dtype, rows, columns, 9);
          const Packed packed(pool, weights.view());
          const auto x = random_floats(static_cast<size_t>(count * columns), 10);
          const auto bias = random_floats(static_cast<size_t>(rows), 11);
          std::vector<float> expected(static_cast<size_t>(count * rows), NAN);
          matmul(pool, weights.view(), {x.data(), columns, count}, {expected.data(), rows}, bias.data(),
                 MatmulCompute::bf16_tiles);
          expect_same(product(pool, packed.view(), x, count, bias.data(), MatmulCompute::bf16_tiles), expected);
        }
      }
    }
  }
}

TEST(Packed, a_gated_product_gives_the_bits_of_its_parts) {
  WorkerPool pool(2);
  constexpr int64_t kSize = 208, kColumns = 768;
  for (const DType dtype : {DType::q4_0, DType::q4_k, DType::q8_0}) {
    const Weights weights(dtype, 2 * kSize, kColumns, 21);
    const Packed packed(pool, weights.view());
    const auto bias = random_floats(size_t{2} * kSize, 22);
    for_every_isa([&](Isa isa) {
      for (const MatmulCompute compute : {MatmulCompute::int8, MatmulCompute::bf16_tiles}) {
        if (compute == MatmulCompute::bf16_tiles && isa < Isa::amx) continue;
        for (const int64_t count : {1L, 7L, 600L}) {  // more than a pass of tiles takes
          if (isa == Isa::scalar && count > 7) continue;
          const auto x = random_floats(static_cast<size_t>(count * kColumns), 23);
          std::vector<float> both = product(pool, packed.view(), x, count, bias.data(), compute);
          gated_activation(pool, Activation::silu, {both.data(), 2 * kSize, count}, both.data() + kSize, kSize,
                           {both.data(), 2 * kSize});
          std::vector<float> expected, got(static_cast<size_t>(count * kSize), NAN);
          for (int64_t i = 0; i < count; ++i) {
            expected.insert(expected.end(), both.begin() + 2 * i * kSize, both.begin() + (2 * i + 1) * kSize);
          }
          packed_gated_matmul(pool, packed.view(), {Activation::silu, bias.data()}, {x.data(), kColumns, count},
                              {got.data(), kSize}, compute);
          expect_same(got, expected);
        }
      }
    });
  }
}

TEST(Packed, takes_hardly_more_bytes_than_stored) {
  for (const DType dtype : packable_types()) {
    const Weights weights(dtype, 32, 1024, 17);
    const size_t stored = 32 * weights.view().row_stride;
    EXPECT_LE(packed_bytes(weights.view()) * 100, stored * 104) << name_of(dtype);
  }
}

/// Weights whose groups of `scale_columns` share a scale and a zero, as quantized checkpoints have them.
Weights grouped(DType dtype, int64_t rows, int64_t columns, int64_t scale_columns) {
  Weights weights(dtype, rows, columns, 12);
  const auto block_bytes = static_cast<size_t>(info_of(dtype).block_bytes);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t block = 0; block < columns / 32; ++block) {
      const int64_t first = block * 32 / scale_columns * scale_columns / 32;
      std::memcpy(weights.row(n) + static_cast<size_t>(block) * block_bytes,
                  weights.row(n) + static_cast<size_t>(first) * block_bytes, 5);
    }
  }
  return weights;
}

TEST(Packed, wide_groups_share_a_head_and_change_no_bit) {
  WorkerPool pool(2);
  for (const DType dtype : {DType::int4_scaled, DType::int8_scaled}) {
    for (const int64_t columns : {96L, 256L, 768L}) {
      for (const int64_t group : {32L, 64L, 96L, 128L, 256L, columns}) {
        if (columns % group != 0) continue;
        SCOPED_TRACE(testing::Message() << name_of(dtype) << ", " << columns << " columns in groups of " << group);
        Weights weights = grouped(dtype, 37, columns, group);
        const Packed narrow(pool, weights.view());
        WeightView view = weights.view();
        view.scale_columns = group;
        const Packed wide(pool, view);
        EXPECT_EQ(wide.view().block_columns % 32, 0);
        EXPECT_EQ(group % wide.view().block_columns, 0);
        EXPECT_LE(packed_bytes(view), packed_bytes(weights.view()));
        const auto x = random_floats(static_cast<size_t>(19 * columns), 13);
        for_every_isa([&](Isa isa) {
          expect_same(product(pool, wide.view(), x, 19, nullptr), product(pool, narrow.view(), x, 19, nullptr));
          if (isa < Isa::amx) return;
          expect_same(product(pool, wide.view(), x, 19, nullptr, MatmulCompute::bf16_tiles),
                      product(pool, narrow.view(), x, 19, nullptr, MatmulCompute::bf16_tiles));
        });
      }
    }
  }
}

TEST(Packed, columns_in_another_order) {
  WorkerPool pool(2);
  const int64_t columns = 128;
  Weights weights(DType::int4_scaled, 20, columns, 14);
  std::vector<int32_t> order(static_cast<size_t>(columns));
  for (size_t k = 0; k < order.size(); ++k) order[k] = static_cast<int32_t>(k * 37 % order.size());
  const auto x = random_floats(static_cast<size_t>(6 * columns), 15);
  std::vector<float> ordered(x.size());
  for (size_t i = 0; i < 6; ++i) {
    for (size_t k = 0; k < order.size(); ++k) ordered[i * 128 + k] = x[i * 128 + static_cast<size_t>(order[k])];
  }
  const Packed plain(pool, weights.view());
  WeightView view = weights.view();
  view.column_order = order.data();
  const Packed turned(pool, view);
  expect_same(product(pool, turned.view(), x, 6, nullptr), product(pool, plain.view(), ordered, 6, nullptr));
}

TEST(Packed, zeros_tiny_and_endless_activations) {
  WorkerPool pool(1);
  const Weights weights(DType::q4_0, 16, 64, 8);
  const Packed packed(pool, weights.view());
  for_every_isa([&](Isa) {
    for (const float value : {0.0F, -0.0F, 1e-31F, 1e-41F}) {
      for (const float y : product(pool, packed.view(), std::vector<float>(64, value), 1, nullptr)) EXPECT_EQ(y, 0.0F);
    }
    for (const float value : {1e-29F, 1e30F}) {
      for (const float y : product(pool, packed.view(), std::vector<float>(64, value), 1, nullptr)) {
        EXPECT_TRUE(std::isfinite(y));
      }
    }
    for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> x(64, 1.0F);
      x[40] = value;
      for (const float y : product(pool, packed.view(), x, 1, nullptr)) EXPECT_TRUE(std::isnan(y));
    }
  });
}

TEST(PackedMatmul, adds_to_its_output_as_add_scaled_does) {
  constexpr int64_t kColumns = 512, kOutputs = 200;  // blocks of panels, a panel and a part of one
  WorkerPool pool(2);
  const Weights stored(DType::q4_0, kOutputs, kColumns, 5);
  const Packed packed(pool, stored.view());
  const auto bias = random_floats(kOutputs, 6);
  for (const MatmulCompute compute : {MatmulCompute::int8, MatmulCompute::bf16_tiles}) {
    for (const Isa isa : runnable_isas()) {
      if (compute == MatmulCompute::bf16_tiles && isa < Isa::amx) continue;
      const WithIsa with(isa);
      for (const int64_t count : {1, 5, 33}) {
        SCOPED_TRACE(testing::Message() << name_of(isa) << ", " << count << " tokens");
        const auto x = random_floats(static_cast<size_t>(count * kColumns), 7);
        const InputRows rows{x.data(), kColumns, count};
        const auto before = random_floats(static_cast<size_t>(count * kOutputs), 8);
        std::vector<float> apart(before.size()), sums = before, together = before;
        packed_matmul(pool, packed.view(), rows, {apart.data(), kOutputs}, bias.data(), compute);
        add_scaled(pool, 1.0F, apart.data(), sums.data(), count * kOutputs);
        packed_matmul(pool, packed.view(), rows, {together.data(), kOutputs, true}, bias.data(), compute);
        expect_same(together, sums);
      }
    }
  }
}

TEST(PackedMatmul, normalises_its_input_as_rms_norm_does) {
  constexpr int64_t kColumns = 544, kOutputs = 40;
  const Weights stored(DType::q4_0, kOutputs, kColumns, 5);
  WorkerPool pool(2);
  const Packed packed(pool, stored.view());
  const PackedView& w = packed.view();
  const auto weight = random_floats(kColumns, 6);
  const RmsNorm norm{weight.data(), kColumns, 1e-5F, 1.0F};
  for (const MatmulCompute compute : {MatmulCompute::int8, MatmulCompute::bf16_tiles}) {
    for (const Isa isa : runnable_isas()) {
      if (compute == MatmulCompute::bf16_tiles && isa < Isa::amx) continue;
      const WithIsa with(isa);
      for (const int64_t count : {1, 3, 17, 40}) {
        SCOPED_TRACE(testing::Message() << name_of(isa) << ", " << count << " tokens");
        const auto x = random_floats(static_cast<size_t>(count * (kColumns + 7)), 7);
        const InputRows rows{x.data(), kColumns + 7, count};
        std::vector<float> normed(static_cast<size_t>(count * kColumns));
        std::vector<float> apart(static_cast<size_t>(count * kOutputs)), together(apart.size());
        rms_norm(pool, norm, rows, {normed.data(), kColumns});
        packed_matmul(pool, w, {normed.data(), kColumns, count}, {apart.data(), kOutputs}, nullptr, compute);
        packed_matmul(pool, w, {rows.data, rows.stride, count, &norm}, {together.data(), kOutputs}, nullptr, compute);
        expect_same(together, apart);
      }
    }
  }
}

}  // namespace
}  // namespace kedge::cpu
