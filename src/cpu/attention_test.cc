// Goal: attention is softmax(q k / sqrt(d)) v over the visible keys, on every instruction set, and a query's result
// depends on that query alone. Method: a plain two-pass reference in double over head sizes, groups, windows, pages,
// key types and phases; then sequences in one piece and in chunks, alone and in batches, on one thread and on several,
// compared bit for bit.

#include <algorithm>
#include <cmath>

#include "cpu/attention_test_support.h"

namespace kedge::cpu {
namespace {

using Shape = AttentionShape;

/// Whether the active instruction set rounds queries and weights.
bool rounds(const Shape& s) {
  return s.prompt && s.dtype == DType::bf16 && kernels().attention_prompt != nullptr;
}

Attention attention_of(const Shape& s) {
  return {.heads = s.heads,
          .scale = kAttentionScale,
          .softcap = s.softcap,
          .window = s.window,
          .causal = s.causal,
          .prompt = s.prompt};
}

/// Feeds the sequence in chunks of `chunk` tokens, as an engine does.
std::vector<float> run(WorkerPool& pool, const Shape& s, const AttentionInputs& in, int64_t chunk) {
  AttentionCache cache(s);
  const int64_t q_size = s.heads * s.head_size;
  const int64_t kv_size = s.kv_heads * s.head_size;
  std::vector<float> out(static_cast<size_t>((s.context - s.from) * q_size), NAN);
  const int64_t stored = s.causal ? s.from : s.context;
  store_kv(pool, cache.view(), 0, {in.k.data(), kv_size, stored}, in.v.data());
  for (int64_t first = s.from; first < s.context; first += chunk) {
    const int64_t count = std::min(chunk, s.context - first);
    if (s.causal) {
      store_kv(pool, cache.view(), first, {in.k.data() + first * kv_size, kv_size, count},
               in.v.data() + first * kv_size);
    }
    if (s.window > 0) cache.drop_before(std::max<int64_t>(0, first - s.window + 1));
    const AttentionRun queries{cache.view(), first, count, s.causal ? first + count : s.context};
    attention(pool, attention_of(s), {&queries, 1}, {in.q.data() + first * q_size, q_size, count},
              {out.data() + (first - s.from) * q_size, q_size});
  }
  return out;
}

void expect_defined(WorkerPool& pool, const Shape& s, int64_t chunk) {
  SCOPED_TRACE(testing::Message() << s);
  const AttentionInputs in = attention_inputs(s);
  expect_attention(s, in, run(pool, s, in, chunk), rounds(s));
}

void expect_shapes_defined(WorkerPool& pool, DType dtype, bool prompt) {
  for (const int64_t head_size : {1, 7, 8, 15, 16, 27, 32, 64, 65, 80, 96, 128, 256}) {
    expect_defined(pool, {.head_size = head_size, .context = 21, .dtype = dtype, .prompt = prompt}, 21);
  }
  for (const int64_t page_tokens : {1, 3, 16, 64, 100, 256}) {
    expect_defined(pool, {.page_tokens = page_tokens, .context = 150, .dtype = dtype, .prompt = prompt}, 150);
  }
  for (const int64_t kv_heads : {1, 2, 3, 6}) {
    expect_defined(pool, {.heads = 6, .kv_heads = kv_heads, .dtype = dtype, .prompt = prompt}, 50);
  }
  for (const int64_t context : {1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 260}) {
    expect_defined(pool, {.page_tokens = 64, .context = context, .dtype = dtype, .prompt = prompt}, context);
  }
  expect_defined(pool, {.dtype = dtype, .softcap = 2.0F, .prompt = prompt}, 50);
  expect_defined(pool, {.dtype = dtype, .causal = false, .prompt = prompt}, 50);
  expect_defined(pool, {.page_tokens = 100, .context = 90, .dtype = dtype, .causal = false, .prompt = prompt}, 90);
  for (const int64_t window : {1, 2, 16, 17, 40, 49, 50, 99}) {
    expect_defined(pool, {.dtype = dtype, .window = window, .prompt = prompt}, 50);
    expect_defined(pool, {.dtype = dtype, .window = window, .prompt = prompt}, 9);
  }
  expect_defined(pool, {.context = 300, .dtype = dtype, .window = 100, .prompt = prompt}, 300);
}

TEST(Attention, every_isa_computes_the_definition) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      expect_shapes_defined(pool, dtype, false);
      expect_shapes_defined(pool, dtype, true);
    }
  });
}

TEST(Attention, parts_of_long_contexts_add_up) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const int64_t context : {1023, 1024, 1025, 3000}) {
        for (const int64_t window : {0, 1, 500, 1500}) {
          const Shape s{.heads = 4,
                        .kv_heads = 2,
                        .head_size = 24,
                        .context = context,
                        .dtype = dtype,
                        .window = window,
                        .from = context - 3};
          expect_defined(pool, s, 1);
          expect_defined(pool, s, 3);
        }
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
        for (const bool prompt : {false, true}) {
          const Shape s{.heads = 6,
                        .kv_heads = 2,
                        .head_size = 72,
                        .page_tokens = 32,
                        .context = isa == Isa::scalar ? 100 : 300,
                        .dtype = dtype,
                        .window = window,
                        .prompt = prompt};
          const AttentionInputs in = attention_inputs(s);
          const auto whole = run(two, s, in, s.context);
          expect_same(run(one, s, in, s.context), whole);
          expect_same(run(three, s, in, s.context), whole);
          for (const int64_t chunk : {1, 2, 7, 32, 64, 99}) {
            SCOPED_TRACE(testing::Message() << "chunks of " << chunk << ", " << s);
            expect_same(run(two, s, in, chunk), whole);
          }
        }
      }
    }
  });
}

/// A query sees 2 or 3 parts, and tiles of queries lie across a border.
TEST(Attention, chunks_and_threads_do_not_change_a_bit_of_long_contexts) {
  WorkerPool one(1);
  WorkerPool three(3);
  for_every_isa([&](Isa) {
    for (const int64_t window : {0, 1010}) {
      for (const bool prompt : {false, true}) {
        const Shape s{.heads = 4,
                      .kv_heads = 2,
                      .head_size = 32,
                      .page_tokens = 32,
                      .context = 2100,
                      .dtype = DType::bf16,
                      .window = window,
                      .prompt = prompt,
                      .from = 2030};
        const AttentionInputs in = attention_inputs(s);
        const auto whole = run(one, s, in, s.context);
        for (const int64_t chunk : {1, 8, 70}) {
          SCOPED_TRACE(testing::Message() << "chunks of " << chunk << ", " << s);
          expect_same(run(three, s, in, chunk), whole);
        }
      }
    }
  });
}

TEST(Attention, a_batch_changes_no_sequence) {
  WorkerPool one(1);
  WorkerPool three(3);
  for_every_isa([&](Isa) {
    for (const bool prompt : {false, true}) {
      const Shape base{.heads = 6, .kv_heads = 2, .head_size = 40, .dtype = DType::bf16, .prompt = prompt};
      std::vector<AttentionCache> caches;
      std::vector<AttentionRun> runs;
      std::vector<float> q, alone;
      for (const auto& [context, count] : {std::pair{1, 1}, {2500, 1}, {40, 7}, {1024, 2}, {200, 150}, {1025, 1}}) {
        Shape s = base;
        s.context = context;
        s.from = context - count;
        const AttentionInputs in = attention_inputs(s, 1.0F, static_cast<uint32_t>(context));
        const auto out = run(one, s, in, count);
        alone.insert(alone.end(), out.begin(), out.end());
        q.insert(q.end(), in.q.begin() + s.from * 240, in.q.end());
        caches.emplace_back(s);
        runs.push_back({caches.back().view(), s.from, count, context});
        store_kv(one, runs.back().kv, 0, {in.k.data(), 80, context}, in.v.data());
      }
      for (size_t i = 0; i < runs.size(); ++i) runs[i].kv = caches[i].view();
      std::vector<float> together(alone.size(), NAN);
      attention(three, attention_of(base), runs, {q.data(), 240, static_cast<int64_t>(q.size() / 240)},
                {together.data(), 240});
      expect_same(together, alone);
    }
  });
}

TEST(Attention, encoders_in_parts_do_not_change_a_bit) {
  WorkerPool two(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Shape s{.heads = 4,
                    .kv_heads = 4,
                    .head_size = 32,
                    .page_tokens = 64,
                    .context = 140,
                    .dtype = dtype,
                    .causal = false,
                    .prompt = true};
      const AttentionInputs in = attention_inputs(s);
      const auto whole = run(two, s, in, s.context);
      for (const int64_t chunk : {1, 13, 64}) expect_same(run(two, s, in, chunk), whole);
    }
  });
}

TEST(Attention, large_scores_pick_one_key) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Shape s{
          .heads = 1, .kv_heads = 1, .head_size = 32, .context = 40, .dtype = dtype, .prompt = dtype == DType::bf16};
      const AttentionInputs in = attention_inputs(s, 1000.0F);
      expect_attention(s, in, run(pool, s, in, s.context), rounds(s));
    }
  });
}

TEST(StoreKv, writes_its_positions_and_no_other) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const AttentionShape s{.kv_heads = 3, .head_size = 5, .page_tokens = 4, .context = 16, .dtype = dtype};
      AttentionCache cache(s);
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
