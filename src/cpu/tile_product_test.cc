// Goal: the loops over tile registers compute the product that is defined, on machines without such registers too.
// Method: the loops run on an emulation of the registers in plain C++ (Intel SDM, TDPBF16PS) over shapes around every
// edge, compared with sums in double; where the CPU has the registers, both give the same bits.

#include <cmath>

#include "cpu/isa/tiles/product.h"
#include "cpu/test_support.h"
#include "cpu/tile_emulation_test_support.h"

namespace kedge::cpu {
namespace {

std::vector<uint16_t> narrow(const std::vector<float>& values) {
  std::vector<uint16_t> codes(values.size());
  std::transform(values.begin(), values.end(), codes.begin(), f32_to_bf16);
  return codes;
}

/// What KernelTable::pack_tokens promises, in plain C++.
std::vector<uint16_t> packed(const std::vector<uint16_t>& x, int64_t count, int64_t columns) {
  const int64_t groups = (count + 15) / 16;
  std::vector<uint16_t> out(static_cast<size_t>(groups * columns * 16), 0);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t k = 0; k < columns; ++k) {
      const int64_t at = i / 16 * columns * 16 + k / 2 * 32 + i % 16 * 2 + k % 2;
      out[static_cast<size_t>(at)] = x[static_cast<size_t>(i * columns + k)];
    }
  }
  return out;
}

struct Shape {
  int64_t outputs, columns, count;
};

struct Operands {
  explicit Operands(const Shape& s)
      : shape(s),
        weights(narrow(random_floats(static_cast<size_t>(s.outputs * s.columns), 1))),
        x(narrow(random_floats(static_cast<size_t>(s.count * s.columns), 2))),
        packed_x(packed(x, s.count, s.columns)),
        bias(random_floats(static_cast<size_t>(s.outputs), 3)) {}

  /// Through `kernel`, in blocks of `block` columns.
  std::vector<float> product(void (*kernel)(const TileProduct&), int64_t block) const {
    const int64_t tiles = (shape.outputs + 15) / 16 * ((shape.count + 15) / 16);
    std::vector<float> sums(static_cast<size_t>(tiles * 256 + 16), NAN);
    std::vector<float> y(static_cast<size_t>(shape.count * (shape.outputs + 1)), -5.0F);
    const auto to_line = static_cast<size_t>(-reinterpret_cast<uintptr_t>(sums.data()) % 64 / sizeof(float));
    for (int64_t k = 0; k < shape.columns; k += block) {
      const int64_t size = std::min(block, shape.columns - k);
      kernel({.left = reinterpret_cast<const std::byte*>(weights.data() + k),
              .left_stride = static_cast<size_t>(2 * shape.columns),
              .left_count = shape.outputs,
              .columns = size,
              .right = reinterpret_cast<const std::byte*>(packed_x.data() + k * 16),
              .right_stride = static_cast<size_t>(32 * shape.columns),
              .right_count = shape.count,
              .sums = sums.data() + to_line,
              .first = k == 0,
              .last = k + size == shape.columns,
              .y = y.data(),
              .y_stride = shape.outputs + 1,
              .bias = bias.data()});
    }
    return y;
  }

  /// The same with the operands' sides changed: tokens to the left.
  std::vector<float> turned_product() const {
    const std::vector<uint16_t> packed_weights = packed(weights, shape.outputs, shape.columns);
    const int64_t row_tiles = (shape.outputs + 15) / 16;
    std::vector<float> sums(static_cast<size_t>(row_tiles * ((shape.count + 15) / 16) * 256), NAN);
    int64_t done = 0;
    sum_tiles<EmulatedTiles, Side::right>({.left = reinterpret_cast<const std::byte*>(x.data()),
                                           .left_stride = static_cast<size_t>(2 * shape.columns),
                                           .left_count = shape.count,
                                           .columns = shape.columns,
                                           .right = reinterpret_cast<const std::byte*>(packed_weights.data()),
                                           .right_stride = static_cast<size_t>(32 * shape.columns),
                                           .right_count = shape.outputs,
                                           .sums = sums.data()},
                                          [&](int64_t tiles) { done = tiles; });
    EXPECT_EQ(done, (shape.count + 15) / 16);
    std::vector<float> y(static_cast<size_t>(shape.count * (shape.outputs + 1)), -5.0F);
    for (int64_t i = 0; i < shape.count; ++i) {
      for (int64_t n = 0; n < shape.outputs; ++n) {
        const int64_t at = (i / 16 * row_tiles + n / 16) * 256 + i % 16 * 16 + n % 16;
        y[static_cast<size_t>(i * (shape.outputs + 1) + n)] =
            sums[static_cast<size_t>(at)] + bias[static_cast<size_t>(n)];
      }
    }
    return y;
  }

  Shape shape;
  std::vector<uint16_t> weights, x, packed_x;
  std::vector<float> bias;
};

void expect_defined(const Operands& in, const std::vector<float>& y) {
  const auto& [outputs, columns, count] = in.shape;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t n = 0; n < outputs; ++n) {
      double sum = static_cast<double>(in.bias[static_cast<size_t>(n)]);
      double size = std::abs(sum);
      for (int64_t k = 0; k < columns; ++k) {
        const float w = bf16_to_f32(in.weights[static_cast<size_t>(n * columns + k)]);
        const float x = bf16_to_f32(in.x[static_cast<size_t>(i * columns + k)]);
        sum += static_cast<double>(w) * static_cast<double>(x);
        size += std::abs(static_cast<double>(w) * static_cast<double>(x));
      }
      ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(i * (outputs + 1) + n)]), sum,
                  size * 6e-8 * (4.0 + static_cast<double>(columns) / 16.0))
          << "token " << i << ", output " << n;
    }
    ASSERT_EQ(y[static_cast<size_t>(i * (outputs + 1) + outputs)], -5.0F) << "written past the end";
  }
}

TEST(TileProduct, computes_the_definition_around_every_edge) {
  const auto amx = kernels_of(Isa::amx).tile_product;
  const bool has_tiles = detected_isa() >= Isa::amx;
  if (!has_tiles) std::cout << "[ SKIPPED  ] this CPU has no tile registers; only their emulation is TESTED\n";
  for (const int64_t outputs : {1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 80}) {
    for (const int64_t count : {1, 2, 15, 16, 17, 31, 32, 33, 48, 49}) {
      for (const int64_t columns : {32, 64, 96, 160}) {
        const Operands in({outputs, columns, count});
        SCOPED_TRACE(testing::Message() << outputs << " outputs, " << columns << " columns, " << count << " tokens");
        const std::vector<float> whole = in.product(tile_product<EmulatedTiles>, columns);
        expect_defined(in, whole);
        expect_same(in.product(tile_product<EmulatedTiles>, 32), whole);
        expect_same(in.product(tile_product<EmulatedTiles>, 64), whole);
        expect_same(in.turned_product(), whole);
        if (has_tiles) expect_same(in.product(amx, columns), whole);
        if (has_tiles) expect_same(in.product(amx, 64), whole);
      }
    }
  }
}

TEST(TileProduct, tokens_are_packed_as_promised) {
  if (detected_isa() < Isa::amx) GTEST_SKIP() << "this CPU has no tile registers; packing is NOT TESTED";
  for (const int64_t columns : {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 100}) {
    for (const int64_t count : {1, 7, 15, 16}) {
      SCOPED_TRACE(testing::Message() << columns << " columns, " << count << " tokens");
      const int64_t padded = (columns + 31) / 32 * 32;
      const auto x = random_floats(static_cast<size_t>(count * (columns + 3)), 4);
      std::vector<uint16_t> codes(static_cast<size_t>(count * padded), 0);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t k = 0; k < columns; ++k) {
          codes[static_cast<size_t>(i * padded + k)] = f32_to_bf16(x[static_cast<size_t>(i * (columns + 3) + k)]);
        }
      }
      std::vector<uint16_t> found(static_cast<size_t>(padded * 16), 0xeeee);
      kernels_of(Isa::amx).pack_tokens(x.data(), columns + 3, count, columns,
                                       reinterpret_cast<std::byte*>(found.data()));
      ASSERT_EQ(found, packed(codes, count, padded));
    }
  }
}

}  // namespace
}  // namespace kedge::cpu
