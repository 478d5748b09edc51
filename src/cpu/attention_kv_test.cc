// Goal: attention over keys and values of fewer bits stays within stated bounds of attention over f32, on every
// instruction set. Method: shapes drawn with seeds; the bound of each result follows from what each key and value lost,
// and the error of all results together, relative to their size, is held to what was measured with room above.

#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>

#include "cpu/attention_test_support.h"

namespace kedge::cpu {
namespace {

AttentionShape drawn_shape(std::mt19937& random, KvType type) {
  const auto draw = [&](std::initializer_list<int64_t> choices) { return choices.begin()[random() % choices.size()]; };
  AttentionShape s{.kv_heads = draw({1, 2, 3}),
                   .head_size = draw({8, 16, 31, 33, 64, 77, 80, 96, 128, 192, 255, 256}),
                   .page_tokens = draw({1, 5, 16, 32, 48, 64}),
                   .context = draw({1, 2, 33, 64, 65, 200, 300, 1100}),
                   .type = type,
                   .window = draw({0, 0, 1, 40, 1030}),
                   .softcap = static_cast<float>(draw({0, 0, 3})),
                   .causal = draw({1, 1, 0}) == 1,
                   .prompt = draw({0, 1}) == 1};
  s.heads = s.kv_heads * draw({1, 2, 4, 7});
  s.from = std::max<int64_t>(0, s.context - draw({1, 3, 40}));
  if (!s.causal) s.window = 0;
  return s;
}

/// How far a result may lie from that over f32: a score off by d makes a weight wrong by exp(2 d) at most, and on top
/// come the losses of the values themselves. `rounded`: queries, keys, values and weights lost 2^-8 of themselves too.
struct Loss {
  double score = 0, value = 0;  // the largest of any visible key and value
};

Loss loss_of(const AttentionShape& s, const AttentionInputs& in, const AttentionInputs& kept, int64_t position,
             int64_t head) {
  const int64_t kv_head = head / (s.heads / s.kv_heads);
  const int64_t begin = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
  Loss loss;
  for (int64_t p = begin; p < (s.causal ? position + 1 : s.context); ++p) {
    double score = 0;
    for (int64_t d = 0; d < s.head_size; ++d) {
      const auto at = static_cast<size_t>((p * s.kv_heads + kv_head) * s.head_size + d);
      const auto q = static_cast<size_t>((position * s.heads + head) * s.head_size + d);
      score += static_cast<double>(kept.q[q]) * static_cast<double>(kept.k[at]);
      score -= static_cast<double>(in.q[q]) * static_cast<double>(in.k[at]);
      loss.value = std::max(loss.value, std::abs(static_cast<double>(kept.v[at]) - static_cast<double>(in.v[at])));
    }
    loss.score = std::max(loss.score, std::abs(score) * static_cast<double>(kAttentionScale));
  }
  return loss;
}

/// Squares of errors and of results.
struct Squares {
  double error = 0, result = 0;
};

void compare(WorkerPool& pool, const AttentionShape& s, uint32_t seed, Squares& squares) {
  SCOPED_TRACE(testing::Message() << s << ", seed " << seed);
  const AttentionInputs in = attention_inputs(s, 0.5F, seed);
  const AttentionInputs kept = kept_inputs(s, in, rounds(s));
  const std::vector<float> out = attended(pool, s, in, s.context);
  double largest = 0;
  for (const float v : in.v) largest = std::max(largest, std::abs(static_cast<double>(v)));
  for (int64_t position = s.from; position < s.context; ++position) {
    for (int64_t head = 0; head < s.heads; ++head) {
      const AttentionReference exact = attention_reference(s, in, position, head, rounds(s));
      const Loss loss = loss_of(s, in, kept, position, head);
      for (int64_t d = 0; d < s.head_size; ++d) {
        const auto i = static_cast<size_t>(d);
        const auto found = static_cast<double>(
            out[static_cast<size_t>(((position - s.from) * s.heads + head)) * static_cast<size_t>(s.head_size) + i]);
        const double bound =
            exact.bound[i] + (std::exp(2 * loss.score) - 1) * largest + 1.01 * loss.value + 0x1p-8 * largest;
        ASSERT_NEAR(found, exact.out[i], bound) << "position " << position << ", head " << head << ", element " << d;
        squares.error += (found - exact.out[i]) * (found - exact.out[i]);
        squares.result += exact.out[i] * exact.out[i];
      }
    }
  }
}

/// Relative to the results' size.
double error_of(KvType type) {
  WorkerPool pool(2);
  std::mt19937 random(7);
  Squares squares;
  for (uint32_t seed = 0; seed < 24; ++seed) compare(pool, drawn_shape(random, type), seed, squares);
  return std::sqrt(squares.error / squares.result);
}

TEST(AttentionKv, codes_stay_close_to_f32) {
  for_every_isa([&](Isa) {
    EXPECT_LT(error_of(KvType::int8), 0.01);  // 0.0073
    EXPECT_LT(error_of(KvType::int4), 0.12);  // 0.090
  });
}

TEST(AttentionKv, a_token_that_is_no_number_is_no_crash) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    for (const KvType type : {KvType::int8, KvType::int4}) {
      for (const bool prompt : {false, true}) {
        const AttentionShape s{.head_size = 40, .context = 70, .type = type, .prompt = prompt};
        AttentionInputs in = attention_inputs(s);
        in.k[10 * 80 + 3] = NAN;
        in.v[20 * 80 + 3] = std::numeric_limits<float>::infinity();
        const std::vector<float> out = attended(pool, s, in, 1);
        for (size_t i = 0; i < 10 * 160; ++i) ASSERT_TRUE(std::isfinite(out[i])) << i;  // before they came
      }
    }
  });
}

}  // namespace
}  // namespace kedge::cpu
