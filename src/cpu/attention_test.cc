// Goal: attention is softmax(q k / sqrt(d)) v over the visible keys, on every instruction set, and a query's result
// depends on that query alone. Method: a plain two-pass reference in double over head sizes, groups, windows, pages and
// key types; then prompts in one piece and in chunks, on one thread and on several, compared bit for bit.

#include <algorithm>
#include <cmath>

#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

struct Shape {
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t head_size = 16;
  int64_t page_tokens = 16;
  int64_t context = 50;
  DType dtype = DType::f32;
  int64_t window = 0;
  float softcap = 0.0F;
  bool causal = true;
};

/// Keys and values of one layer in separate pages, poisoned where nothing was stored.
class Cache {
 public:
  explicit Cache(const Shape& s) : shape_(s) {
    const int64_t pages = (s.context + s.page_tokens - 1) / s.page_tokens;
    const size_t bytes = static_cast<size_t>(s.kv_heads * s.page_tokens * s.head_size) * info_of(s.dtype).block_bytes;
    for (int64_t page = 0; page < 2 * pages; ++page) storage_.emplace_back(bytes, std::byte{0xff});  // NaNs
    for (int64_t page = 0; page < pages; ++page) {
      keys_.push_back(storage_[static_cast<size_t>(2 * page)].data());
      values_.push_back(storage_[static_cast<size_t>(2 * page + 1)].data());
    }
  }
  [[nodiscard]] KvView view() const {
    return {shape_.dtype, shape_.page_tokens, shape_.kv_heads, shape_.head_size, keys_, values_};
  }
  /// Frees the pages before the one that holds `position`.
  void drop_before(int64_t position) {
    for (int64_t page = 0; page < position / shape_.page_tokens; ++page) {
      keys_[static_cast<size_t>(page)] = nullptr;
      values_[static_cast<size_t>(page)] = nullptr;
    }
  }

 private:
  Shape shape_;
  std::vector<std::vector<std::byte>> storage_;
  std::vector<std::byte*> keys_, values_;
};

struct Inputs {
  std::vector<float> q, k, v;
};

Inputs inputs_of(const Shape& s, float size = 1.0F) {
  return {random_floats(static_cast<size_t>(s.context * s.heads * s.head_size), 1, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), 2, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), 3)};
}

constexpr float kScale = 0.3F;

/// Feeds the sequence in chunks of `chunk` tokens, as an engine does.
std::vector<float> run(WorkerPool& pool, const Shape& s, const Inputs& in, int64_t chunk) {
  Cache cache(s);
  const int64_t q_size = s.heads * s.head_size;
  const int64_t kv_size = s.kv_heads * s.head_size;
  std::vector<float> out(static_cast<size_t>(s.context * q_size), NAN);
  if (!s.causal) store_kv(pool, cache.view(), 0, {in.k.data(), kv_size, s.context}, in.v.data());
  for (int64_t first = 0; first < s.context; first += chunk) {
    const int64_t count = std::min(chunk, s.context - first);
    if (s.causal) {
      store_kv(pool, cache.view(), first, {in.k.data() + first * kv_size, kv_size, count},
               in.v.data() + first * kv_size);
    }
    if (s.window > 0) cache.drop_before(std::max<int64_t>(0, first - s.window + 1));
    attention(pool,
              {.heads = s.heads,
               .scale = kScale,
               .softcap = s.softcap,
               .window = s.window,
               .causal = s.causal,
               .first = first,
               .context = s.causal ? first + count : s.context},
              cache.view(), {in.q.data() + first * q_size, q_size, count}, {out.data() + first * q_size, q_size});
  }
  return out;
}

std::vector<double> reference_row(const Shape& s, const Inputs& in, int64_t position, int64_t head) {
  const auto stored = [&](float value) {
    return static_cast<double>(s.dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(value)) : value);
  };
  const int64_t kv_head = head / (s.heads / s.kv_heads);
  const int64_t begin = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
  const int64_t end = s.causal ? position + 1 : s.context;
  const float* q = in.q.data() + (position * s.heads + head) * s.head_size;
  std::vector<double> weights;
  for (int64_t p = begin; p < end; ++p) {
    const float* k = in.k.data() + (p * s.kv_heads + kv_head) * s.head_size;
    double score = 0.0;
    for (int64_t d = 0; d < s.head_size; ++d) score += static_cast<double>(q[d]) * stored(k[d]);
    score *= static_cast<double>(kScale);
    if (s.softcap > 0.0F) score = static_cast<double>(s.softcap) * std::tanh(score / static_cast<double>(s.softcap));
    weights.push_back(score);
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  double total = 0.0;
  for (double& weight : weights) total += weight = std::exp(weight - largest);
  std::vector<double> out(static_cast<size_t>(s.head_size), 0.0);
  for (int64_t p = begin; p < end; ++p) {
    const float* v = in.v.data() + (p * s.kv_heads + kv_head) * s.head_size;
    const double weight = weights[static_cast<size_t>(p - begin)] / total;
    for (int64_t d = 0; d < s.head_size; ++d) out[static_cast<size_t>(d)] += weight * stored(v[d]);
  }
  return out;
}

void expect_defined(WorkerPool& pool, const Shape& s, int64_t chunk) {
  SCOPED_TRACE(testing::Message() << s.heads << "/" << s.kv_heads << " heads of " << s.head_size << ", pages of "
                                  << s.page_tokens << ", context " << s.context << ", " << name_of(s.dtype)
                                  << ", window " << s.window << ", softcap " << s.softcap << ", causal " << s.causal);
  const Inputs in = inputs_of(s);
  const auto out = run(pool, s, in, chunk);
  for (int64_t position = 0; position < s.context; ++position) {
    for (int64_t head = 0; head < s.heads; ++head) {
      const auto expected = reference_row(s, in, position, head);
      for (int64_t d = 0; d < s.head_size; ++d) {
        const float found = out[static_cast<size_t>((position * s.heads + head) * s.head_size + d)];
        ASSERT_NEAR(static_cast<double>(found), expected[static_cast<size_t>(d)], 4e-6)
            << "position " << position << ", head " << head << ", element " << d;
      }
    }
  }
}

TEST(Attention, every_isa_computes_the_definition) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const int64_t head_size : {1, 7, 8, 15, 16, 27, 32, 64, 65, 80, 96, 128}) {
        expect_defined(pool, {.head_size = head_size, .context = 21, .dtype = dtype}, 21);
      }
      for (const int64_t page_tokens : {1, 3, 16, 64, 100, 256}) {
        expect_defined(pool, {.page_tokens = page_tokens, .context = 150, .dtype = dtype}, 150);
      }
      for (const int64_t kv_heads : {1, 2, 3, 6}) {
        expect_defined(pool, {.heads = 6, .kv_heads = kv_heads, .dtype = dtype}, 50);
      }
      for (const int64_t context : {1, 2, 15, 16, 17, 63, 64, 65, 127, 129}) {
        expect_defined(pool, {.page_tokens = 64, .context = context, .dtype = dtype}, context);
      }
      expect_defined(pool, {.dtype = dtype, .softcap = 2.0F}, 50);
      expect_defined(pool, {.dtype = dtype, .causal = false}, 50);
      expect_defined(pool, {.page_tokens = 100, .context = 90, .dtype = dtype, .causal = false}, 90);
      for (const int64_t window : {1, 2, 16, 17, 40, 49, 50, 99}) {
        expect_defined(pool, {.dtype = dtype, .window = window}, 50);
        expect_defined(pool, {.dtype = dtype, .window = window}, 9);
      }
    }
  });
}

TEST(Attention, chunks_and_threads_do_not_change_a_bit) {
  WorkerPool one(1);
  WorkerPool two(2);
  WorkerPool three(3);
  for_every_isa([&](Isa isa) {
    for (const int64_t window : {0, 70}) {
      for (const DType dtype : {DType::f32, DType::bf16}) {
        const Shape s{.heads = 6,
                      .kv_heads = 2,
                      .head_size = 72,
                      .page_tokens = 32,
                      .context = isa == Isa::scalar ? 100 : 300,
                      .dtype = dtype,
                      .window = window};
        const Inputs in = inputs_of(s);
        const auto whole = run(two, s, in, s.context);
        expect_same(run(one, s, in, s.context), whole);
        expect_same(run(three, s, in, s.context), whole);
        for (const int64_t chunk : {1, 2, 7, 32, 64, 99}) {
          SCOPED_TRACE(testing::Message() << "chunks of " << chunk << ", window " << window);
          expect_same(run(two, s, in, chunk), whole);
        }
      }
    }
  });
}

TEST(Attention, encoders_in_parts_do_not_change_a_bit) {
  WorkerPool two(2);
  for_every_isa([&](Isa) {
    const Shape s{.heads = 4, .kv_heads = 4, .head_size = 32, .page_tokens = 64, .context = 140, .causal = false};
    const Inputs in = inputs_of(s);
    const auto whole = run(two, s, in, s.context);
    for (const int64_t chunk : {1, 13, 64}) expect_same(run(two, s, in, chunk), whole);
  });
}

TEST(Attention, large_scores_pick_one_key) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    const Shape s{.heads = 1, .kv_heads = 1, .head_size = 32, .context = 40};
    const Inputs in = inputs_of(s, 1000.0F);
    const auto out = run(pool, s, in, s.context);
    for (int64_t position = 0; position < s.context; ++position) {
      const auto expected = reference_row(s, in, position, 0);
      for (int64_t d = 0; d < s.head_size; ++d) {
        ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(position * 32 + d)]), expected[static_cast<size_t>(d)],
                    1e-5);
      }
    }
  });
}

TEST(StoreKv, writes_its_positions_and_no_other) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Shape s{.kv_heads = 3, .head_size = 5, .page_tokens = 4, .context = 16, .dtype = dtype};
      Cache cache(s);
      const auto k = random_floats(5 * 15, 4);
      const auto v = random_floats(5 * 15, 5);
      store_kv(pool, cache.view(), 6, {k.data(), 15, 5}, v.data());
      const KvView kv = cache.view();
      for (int64_t position = 0; position < 16; ++position) {
        for (int64_t e = 0; e < 15; ++e) {
          const auto at = static_cast<size_t>((e / 5 * 4 + position % 4) * 5 + e % 5);
          const auto read = [&](const std::byte* page) {
            if (dtype == DType::f32) return reinterpret_cast<const float*>(page)[at];
            return bf16_to_f32(reinterpret_cast<const uint16_t*>(page)[at]);
          };
          const auto page = static_cast<size_t>(position / 4);
          const bool written = position >= 6 && position < 11;
          const auto source = static_cast<size_t>((position - 6) * 15 + e);
          const auto kept = [&](float x) { return dtype == DType::f32 ? x : bf16_to_f32(f32_to_bf16(x)); };
          if (written) {
            EXPECT_EQ(read(kv.keys[page]), kept(k[source]));
            EXPECT_EQ(read(kv.values[page]), kept(v[source]));
          } else {
            EXPECT_TRUE(std::isnan(read(kv.keys[page])));
            EXPECT_TRUE(std::isnan(read(kv.values[page])));
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace kedge::cpu
