// Goal: low-rank updates compute what they are defined as on every instruction set, leave other rows alone, and give a
// row the same bits whatever stands beside it. Method: random updates of several shapes, compared with sums in double;
// then rows alone and in groups of every size, compared bit for bit.

#include "cpu/low_rank.h"

#include <cmath>
#include <optional>

#include "cpu/packed.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr float kGuard = -77.0F;

/// A product of `columns` by several ranges of outputs, as q, k and v are.
struct Shape {
  int64_t columns;
  std::vector<int64_t> ranks;
  std::vector<int64_t> outputs;
  DType dtype = DType::f32;
  bool gains = false;
};

class Update {
 public:
  Update(const Shape& shape, uint32_t seed) : shape_(shape) {
    int64_t ranks = 0, first = 0;
    for (const int64_t rank : shape.ranks) ranks += rank;
    a_.emplace(shape.dtype, ranks, shape.columns, seed);
    panels_.resize(shape.ranks.size());
    ranks = 0;
    for (size_t p = 0; p < shape.ranks.size(); ++p) {
      const int64_t rank = shape.ranks[p], count = shape.outputs[p];
      b_.push_back(random_floats(static_cast<size_t>(count * rank), seed + 1));
      gains_.push_back(random_floats(static_cast<size_t>(count), seed + 2));
      offsets_.push_back(random_floats(static_cast<size_t>(count), seed + 3));
      panels_[p].resize(low_rank_bytes(shape.dtype, count, rank));
      pack_low_rank(b_[p], rank, shape.dtype, panels_[p].data());
      parts_.push_back({.first = first,
                        .count = count,
                        .first_rank = ranks,
                        .rank = rank,
                        .panels = panels_[p].data(),
                        .gain = shape.gains ? gains_[p].data() : nullptr,
                        .offset = shape.gains ? offsets_[p].data() : nullptr});
      first += count;
      ranks += rank;
    }
    update_ = {a_->view(), parts_};
  }
  Update(const Update&) = delete;
  Update& operator=(const Update&) = delete;
  [[nodiscard]] const LowRank* get() const { return &update_; }

  /// What the update makes of a row of y, in double, and the sum of what is added without signs.
  void apply(const float* x, std::vector<double>& y, std::vector<double>& sizes) const {
    std::vector<double> projected, projected_sizes;
    std::vector<float> row(static_cast<size_t>(shape_.columns));
    for (int64_t r = 0; r < update_.a.rows; ++r) {
      dequantize_row(update_.a, r, row.data());
      double sum = 0, size = 0;
      for (size_t k = 0; k < row.size(); ++k) {
        const double term = static_cast<double>(row[k]) * static_cast<double>(x[k]);
        sum += term;
        size += std::abs(term);
      }
      projected.push_back(sum);
      projected_sizes.push_back(size);
    }
    for (size_t p = 0; p < parts_.size(); ++p) {
      for (int64_t n = 0; n < parts_[p].count; ++n) {
        const auto at = static_cast<size_t>(parts_[p].first + n);
        if (shape_.gains) {
          y[at] = y[at] * static_cast<double>(gains_[p][static_cast<size_t>(n)]) +
                  static_cast<double>(offsets_[p][static_cast<size_t>(n)]);
        }
        sizes[at] = std::abs(y[at]);
        for (int64_t r = 0; r < parts_[p].rank; ++r) {
          const auto b = static_cast<double>(stored_b(p, n, r));
          const auto rank = static_cast<size_t>(parts_[p].first_rank + r);
          y[at] += b * projected[rank];
          sizes[at] += std::abs(b) * projected_sizes[rank];
        }
      }
    }
  }

 private:
  /// B as it was laid out.
  [[nodiscard]] float stored_b(size_t p, int64_t n, int64_t r) const {
    const int64_t rank = parts_[p].rank, lane = n % 16;
    if (shape_.dtype == DType::q8_0) {
      const std::byte* const panel = panels_[p].data() + n / 16 * (4 + rank * 16);
      float scale = 0;
      std::memcpy(&scale, panel, sizeof(scale));
      const float b = scale * static_cast<float>(static_cast<int8_t>(panel[4 + r * 16 + lane]));
      EXPECT_NEAR(b, b_[p][static_cast<size_t>(n * rank + r)], 0.51F * scale);
      return b;
    }
    const float b = b_[p][static_cast<size_t>(n * rank + r)];
    return shape_.dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(b)) : b;
  }

  Shape shape_;
  std::optional<Weights> a_;
  std::vector<std::vector<float>> b_, gains_, offsets_;
  std::vector<std::vector<std::byte>> panels_;
  std::vector<LowRankOutputs> parts_;
  LowRank update_;
};

int64_t outputs_of(const Shape& shape) {
  int64_t all = 0;
  for (const int64_t count : shape.outputs) all += count;
  return all;
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const DType dtype : {DType::f32, DType::bf16, DType::q8_0}) {
    for (const bool gains : {false, true}) {
      all.push_back({64, {4}, {48}, dtype, gains});
      all.push_back({96, {5, 7}, {64, 39}, dtype, gains});
      if (dtype == DType::q8_0) continue;
      all.push_back({33, {1}, {1}, dtype, gains});
      all.push_back({100, {16, 3, 8}, {530, 17, 15}, dtype, gains});
      all.push_back({257, {64, 16}, {1040, 33}, dtype, gains});
      all.push_back({64, {301}, {52}, dtype, gains});
    }
  }
  return all;
}

TEST(LowRank, every_isa_computes_the_definition_and_leaves_other_rows_alone) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const Shape& shape : shapes()) {
      SCOPED_TRACE(testing::Message() << shape.columns << " columns, " << name_of(shape.dtype));
      const Update one(shape, 1), other(shape, 11);
      // Rows 0 and 1 have no update, 2 to 10 the first one, 11 none, 12 the other.
      constexpr int64_t kRows = 14;
      const int64_t outputs = outputs_of(shape), stride = outputs + 5;
      const auto x = random_floats(static_cast<size_t>(kRows * shape.columns), 5);
      auto y = random_floats(static_cast<size_t>(kRows * stride), 6);
      for (int64_t i = 0; i < kRows; ++i) y[static_cast<size_t>(i * stride + outputs)] = kGuard;
      const auto before = y;
      const std::vector<LowRankRows> groups = {{one.get(), 2, 9}, {other.get(), 12, 1}};
      low_rank_add(pool, groups, {x.data(), shape.columns, kRows}, {y.data(), stride});
      auto in_tiles = before;
      low_rank_add(pool, groups, {x.data(), shape.columns, kRows}, {in_tiles.data(), stride},
                   for_many_tokens(MatmulCompute::bf16));
      for (int64_t i = 0; i < kRows; ++i) {
        const auto start = static_cast<size_t>(i * stride);
        std::vector<double> expected(before.begin() + i * stride, before.begin() + i * stride + outputs);
        std::vector<double> sizes(expected.size());
        const Update* const update = i >= 2 && i < 11 ? &one : i == 12 ? &other : nullptr;
        if (update != nullptr) update->apply(x.data() + i * shape.columns, expected, sizes);
        for (size_t n = 0; n < expected.size(); ++n) {
          const double error_max = update == nullptr ? 0 : 2e-6 * (1.0 + sizes[n]);
          ASSERT_NEAR(static_cast<double>(y[start + n]), expected[n], error_max) << "row " << i << ", output " << n;
          // x, A, what they make and B are each rounded to 8 bits: four errors of 2^-9 of the size of what is added.
          const double narrow_error = update == nullptr ? 0 : 0.008 * (1.0 + sizes[n]);
          ASSERT_NEAR(static_cast<double>(in_tiles[start + n]), expected[n], narrow_error) << "row " << i << ", " << n;
        }
        ASSERT_EQ(y[start + expected.size()], kGuard);
        ASSERT_EQ(in_tiles[start + expected.size()], kGuard);
      }
    }
  });
}

TEST(LowRank, a_row_has_the_same_bits_whatever_stands_beside_it) {
  for_every_isa([&](Isa) {
    for (const Shape& shape : shapes()) {
      const Update update(shape, 21);
      constexpr int64_t kRows = 60;
      const int64_t outputs = outputs_of(shape);
      const auto x = random_floats(static_cast<size_t>(kRows * shape.columns), 5);
      const auto before = random_floats(static_cast<size_t>(kRows * outputs), 6);
      const auto computed = [&](unsigned threads, int64_t group, MatmulCompute compute = MatmulCompute::f32) {
        WorkerPool pool(threads);
        auto y = before;
        for (int64_t first = 0; first < kRows; first += group) {
          const LowRankRows rows{update.get(), first, std::min(group, kRows - first)};
          low_rank_add(pool, {&rows, 1}, {x.data(), shape.columns, kRows}, {y.data(), outputs}, compute);
        }
        return y;
      };
      const auto alone = computed(1, 1);
      for (const int64_t group : {2, 3, 5, 7, 13, 48, 60}) ASSERT_EQ(computed(3, group), alone) << group;
      const MatmulCompute many = for_many_tokens(MatmulCompute::bf16);
      const auto in_tiles = computed(1, 1, many);
      for (const int64_t group : {3, 16, 17, 60}) ASSERT_EQ(computed(3, group, many), in_tiles) << group;
      double squares = 0, differences = 0;  // of 8 bits each x and A have, a percent may be lost
      for (size_t i = 0; i < alone.size(); ++i) {
        const double difference = static_cast<double>(in_tiles[i]) - static_cast<double>(alone[i]);
        squares += static_cast<double>(alone[i]) * static_cast<double>(alone[i]);
        differences += difference * difference;
      }
      ASSERT_LT(differences, 1e-4 * squares);
    }
  });
}

TEST(LowRank, on_the_way_of_a_packed_product_the_bits_are_those_of_both_one_after_the_other) {
  constexpr int64_t kRows = 70, kColumns = 96;
  const Shape shape{kColumns, {5, 3}, {96, 32}, DType::q8_0, true};
  const Update one(shape, 1), other(shape, 2);
  const std::vector<LowRankRows> groups = {{one.get(), 1, 1}, {other.get(), 3, 64}};
  const Weights weights(DType::q4_0, 128, kColumns, 3);
  const auto x = random_floats(static_cast<size_t>(kRows * kColumns), 5);
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    std::vector<std::byte> packed(packed_bytes(weights.view()) + 64);
    std::byte* const at = packed.data() + (64 - reinterpret_cast<uintptr_t>(packed.data()) % 64);
    const PackedView view = pack(pool, weights.view(), at);
    for (const MatmulCompute compute : {MatmulCompute::int8, for_many_tokens(MatmulCompute::int8)}) {
      for (const int64_t count : {int64_t{4}, kRows}) {
        const std::vector<LowRankRows> some = {groups[0], {other.get(), 3, count - 6 > 0 ? count - 6 : 1}};
        const InputRows input{x.data(), kColumns, count};
        std::vector<float> expected(static_cast<size_t>(count * 128)), found(expected.size());
        packed_matmul(pool, view, input, {expected.data(), 128}, nullptr, compute);
        low_rank_add(pool, some, input, {expected.data(), 128});
        const LowRankProjection projection = low_rank_project(pool, some, input);
        packed_matmul(pool, view, input, {found.data(), 128, false, &projection}, nullptr, compute);
        ASSERT_EQ(found, expected) << count;
        std::vector<float> halves(static_cast<size_t>(count * 64)), gated(halves.size());
        gated_activation(pool, Activation::silu, {expected.data(), 128, count}, expected.data() + 64, 64,
                         {halves.data(), 64});
        packed_gated_matmul(pool, view, {}, input, {gated.data(), 64, false, &projection}, compute);
        ASSERT_EQ(gated, halves) << count;
      }
    }
  });
}

}  // namespace
}  // namespace kedge::cpu
