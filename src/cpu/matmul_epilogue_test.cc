// Goal: what a product does on its way (norms, residuals, updates, gates, activations) changes no bit. Method: for
// every instruction set, type and arithmetic, products around the edges of blocks and tiles, once with it on the way
// and once as operations one after the other, compared bit for bit.

#include <algorithm>
#include <cmath>

#include "cpu/low_rank.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kGuard = 3;  // floats between rows that nobody may touch

/// One product's operands; rows of y are kGuard floats apart.
struct Case {
  Case(DType type, int64_t row_count, int64_t column_count, int64_t token_count, MatmulCompute arithmetic)
      : dtype(type), rows(row_count), columns(column_count), count(token_count), compute(arithmetic) {}
  DType dtype;
  int64_t rows, columns, count;
  MatmulCompute compute;
  Weights weights{dtype, rows, columns, 1};
  std::vector<float> x = random_floats(static_cast<size_t>(count * (columns + kGuard)), 2);
  std::vector<float> bias = random_floats(static_cast<size_t>(rows), 3);
  std::vector<float> before = random_floats(static_cast<size_t>(count * (rows + kGuard)), 4);

  [[nodiscard]] InputRows input() const { return {x.data(), columns + kGuard, count}; }
  [[nodiscard]] OutputRows output(std::vector<float>& y) const { return {y.data(), rows + kGuard}; }
  [[nodiscard]] std::vector<float> product(WorkerPool& pool) const {
    std::vector<float> y = before;
    matmul(pool, weights.view(), input(), output(y), bias.data(), compute);
    return y;
  }
};

/// Every set, type and arithmetic, with sizes around the edges of blocks, panels and tiles.
template <typename Test>
void for_every_case(Test test) {
  for_every_isa([&](Isa isa) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::q4_k}) {
      for (const auto compute : {MatmulCompute::f32, MatmulCompute::bf16, MatmulCompute::bf16_tiles}) {
        for (const int64_t rows : {7, 40, 304}) {
          for (const int64_t count : {1, 3, 17, 70, 530}) {
            if (count > 100 && (isa == Isa::scalar || rows == 7)) continue;  // minutes
            const int64_t columns = dtype == DType::q4_k ? 768 : 531;
            SCOPED_TRACE(testing::Message() << name_of(dtype) << " [" << rows << ", " << columns << "], " << count
                                            << " tokens, arithmetic " << static_cast<int>(compute));
            test(Case(dtype, rows, columns, count, compute));
          }
        }
      }
    }
  });
}

TEST(MatmulEpilogue, adds_to_its_output_as_add_scaled_does) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    std::vector<float> together = c.before;
    OutputRows y = c.output(together);
    y.added = true;
    matmul(pool, c.weights.view(), c.input(), y, c.bias.data(), c.compute);
    const std::vector<float> product = c.product(pool);
    std::vector<float> apart = c.before;
    for (int64_t i = 0; i < c.count; ++i) {
      const int64_t row = i * (c.rows + kGuard);
      add_scaled(pool, 1.0F, product.data() + row, apart.data() + row, c.rows);
    }
    expect_same(together, apart);
  });
}

TEST(MatmulEpilogue, normalises_its_input_as_rms_norm_does) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    const auto weight = random_floats(static_cast<size_t>(c.columns), 5);
    const RmsNorm norm{weight.data(), c.columns, 1e-5F, 1.0F};
    InputRows x = c.input();
    std::vector<float> normed(static_cast<size_t>(c.count * c.columns)), apart = c.before, together = c.before;
    rms_norm(pool, norm, x, {normed.data(), c.columns});
    matmul(pool, c.weights.view(), {normed.data(), c.columns, c.count}, c.output(apart), nullptr, c.compute);
    x.norm = &norm;
    matmul(pool, c.weights.view(), x, c.output(together), nullptr, c.compute);
    expect_same(together, apart);
  });
}

TEST(MatmulEpilogue, activates_its_output_as_activation_does) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    for (const Activation kind : {Activation::gelu_erf, Activation::silu}) {
      std::vector<float> together = c.before, apart = c.product(pool);
      OutputRows y = c.output(together);
      y.activation = &kind;
      matmul(pool, c.weights.view(), c.input(), y, c.bias.data(), c.compute);
      for (int64_t i = 0; i < c.count; ++i) activation(pool, kind, apart.data() + i * (c.rows + kGuard), c.rows);
      expect_same(together, apart);
    }
  });
}

TEST(MatmulEpilogue, stacked_weights_are_products_side_by_side) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    const Weights second(DType::bf16, 33, c.columns, 6), third(c.dtype, 16, c.columns, 7);
    const auto bias = random_floats(33, 8);
    const BiasedWeights stack[] = {
        {c.weights.view(), c.bias.data()}, {second.view(), bias.data()}, {third.view(), nullptr}};
    const int64_t stride = c.rows + 33 + 16 + kGuard;
    std::vector<float> together(static_cast<size_t>(c.count * stride), -5.0F), apart = together;
    stacked_matmul(pool, stack, c.input(), {together.data(), stride}, c.compute);
    int64_t first = 0;
    for (const BiasedWeights& part : stack) {
      matmul(pool, part.weight, c.input(), {apart.data() + first, stride}, part.bias, c.compute);
      first += part.weight.rows;
    }
    expect_same(together, apart);
  });
}

TEST(MatmulEpilogue, a_gated_product_is_two_and_gated_activation) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    const Weights up(c.dtype, c.rows, c.columns, 6);
    const int64_t stride = 2 * c.rows;
    std::vector<float> both(static_cast<size_t>(c.count * stride)), apart = c.before, together = c.before;
    matmul(pool, c.weights.view(), c.input(), {both.data(), stride}, c.bias.data(), c.compute);
    matmul(pool, up.view(), c.input(), {both.data() + c.rows, stride}, nullptr, c.compute);
    gated_activation(pool, Activation::gelu_tanh, {both.data(), stride, c.count}, both.data() + c.rows, c.rows,
                     c.output(apart));
    const GatedWeights weights{{c.weights.view(), c.bias.data()}, {up.view(), nullptr}, Activation::gelu_tanh};
    gated_matmul(pool, weights, c.input(), c.output(together), c.compute);
    expect_same(together, apart);
  });
}

/// An update of low rank of all outputs of a product.
struct Update {
  explicit Update(int64_t outputs, int64_t columns) : a(DType::bf16, 8, columns, 9) {
    panels.resize(low_rank_bytes(DType::bf16, outputs, 8));
    pack_low_rank(random_floats(static_cast<size_t>(outputs * 8), 10), 8, DType::bf16, panels.data());
    part = {.count = outputs, .rank = 8, .panels = panels.data()};
    update = {a.view(), {&part, 1}};
  }
  Update(const Update&) = delete;
  Update& operator=(const Update&) = delete;
  Weights a;
  std::vector<std::byte> panels;
  LowRankOutputs part;
  LowRank update;
};

TEST(MatmulEpilogue, updates_its_output_as_low_rank_add_does) {
  WorkerPool pool(2);
  for_every_case([&](const Case& c) {
    if (c.rows % kLowRankOutputs != 0) return;  // updates on the way begin on borders of sixteen outputs
    const Weights second(c.dtype, c.rows, c.columns, 6);
    const BiasedWeights stack[] = {{c.weights.view(), c.bias.data()}, {second.view(), nullptr}};
    const Update update(2 * c.rows, c.columns);
    const LowRankRows rows[] = {{&update.update, c.count / 3, c.count - c.count / 3}};
    const int64_t stride = 2 * c.rows + kGuard;
    std::vector<float> together(static_cast<size_t>(c.count * stride), -5.0F), apart = together;
    stacked_matmul(pool, stack, c.input(), {apart.data(), stride}, c.compute);
    low_rank_add(pool, rows, c.input(), {apart.data(), stride}, c.compute);
    const LowRankProjection projection = low_rank_project(pool, rows, c.input(), c.compute);
    stacked_matmul(pool, stack, c.input(), {.data = together.data(), .stride = stride, .update = &projection},
                   c.compute);
    expect_same(together, apart);
  });
}

}  // namespace
}  // namespace kedge::cpu
