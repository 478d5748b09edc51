// Goal: attention is softmax(q k / sqrt(d)) v over the visible keys, on every instruction set, and a query's result
// depends on that query alone. Method: a plain two-pass reference in double over head sizes, groups, windows, pages,
// key types and phases; then sequences in one piece and in chunks, alone and in batches, on one thread and on several,
// compared bit for bit.

#include <xmmintrin.h>

#include <algorithm>
#include <cmath>

#include "cpu/attention_test_support.h"

namespace kedge::cpu {
namespace {

using Shape = AttentionShape;

constexpr KvType kTypes[] = {KvType::f32, KvType::bf16, KvType::int8, KvType::int4};

void expect_defined(WorkerPool& pool, const Shape& s, int64_t chunk) {
  SCOPED_TRACE(testing::Message() << s);
  const AttentionInputs in = attention_inputs(s);
  expect_attention(s, in, attended(pool, s, in, chunk), rounds(s));
}

void expect_shapes_defined(WorkerPool& pool, KvType type, bool prompt) {
  for (const int64_t head_size : {1, 7, 8, 15, 16, 27, 32, 64, 65, 80, 96, 128, 256}) {
    expect_defined(pool, {.head_size = head_size, .context = 21, .type = type, .prompt = prompt}, 21);
  }
  for (const int64_t page_tokens : {1, 3, 16, 64, 100, 256}) {
    expect_defined(pool, {.page_tokens = page_tokens, .context = 150, .type = type, .prompt = prompt}, 150);
  }
  for (const int64_t kv_heads : {1, 2, 3, 6}) {
    expect_defined(pool, {.heads = 6, .kv_heads = kv_heads, .type = type, .prompt = prompt}, 50);
  }
  for (const int64_t context : {1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 260}) {
    expect_defined(pool, {.page_tokens = 64, .context = context, .type = type, .prompt = prompt}, context);
  }
  expect_defined(pool, {.type = type, .softcap = 2.0F, .prompt = prompt}, 50);
  expect_defined(pool, {.type = type, .causal = false, .prompt = prompt}, 50);
  expect_defined(pool, {.page_tokens = 100, .context = 90, .type = type, .causal = false, .prompt = prompt}, 90);
  for (const int64_t window : {1, 2, 16, 17, 40, 49, 50, 99}) {
    expect_defined(pool, {.type = type, .window = window, .prompt = prompt}, 50);
    expect_defined(pool, {.type = type, .window = window, .prompt = prompt}, 9);
  }
  expect_defined(pool, {.context = 300, .type = type, .window = 100, .prompt = prompt}, 300);
}

TEST(Attention, every_isa_computes_the_definition) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const KvType type : kTypes) {
      expect_shapes_defined(pool, type, false);
      expect_shapes_defined(pool, type, true);
    }
  });
}

TEST(Attention, parts_of_long_contexts_add_up) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const KvType type : kTypes) {
      for (const int64_t context : {1023, 1024, 1025, 3000}) {
        for (const int64_t window : {0, 1, 500, 1500}) {
          const Shape s{.heads = 4,
                        .kv_heads = 2,
                        .head_size = 24,
                        .context = context,
                        .type = type,
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
      for (const KvType type : kTypes) {
        for (const bool prompt : {false, true}) {
          const Shape s{.heads = 6,
                        .kv_heads = 2,
                        .head_size = 72,
                        .page_tokens = 32,
                        .context = isa == Isa::scalar ? 100 : 300,
                        .type = type,
                        .window = window,
                        .prompt = prompt};
          const AttentionInputs in = attention_inputs(s);
          const auto whole = attended(two, s, in, s.context);
          expect_same(attended(one, s, in, s.context), whole);
          expect_same(attended(three, s, in, s.context), whole);
          for (const int64_t chunk : {1, 2, 7, 32, 64, 99}) {
            SCOPED_TRACE(testing::Message() << "chunks of " << chunk << ", " << s);
            expect_same(attended(two, s, in, chunk), whole);
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
                      .type = KvType::bf16,
                      .window = window,
                      .prompt = prompt,
                      .from = 2030};
        const AttentionInputs in = attention_inputs(s);
        const auto whole = attended(one, s, in, s.context);
        for (const int64_t chunk : {1, 8, 70}) {
          SCOPED_TRACE(testing::Message() << "chunks of " << chunk << ", " << s);
          expect_same(attended(three, s, in, chunk), whole);
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
      const Shape base{.heads = 6, .kv_heads = 2, .head_size = 40, .type = KvType::bf16, .prompt = prompt};
      std::vector<AttentionCache> caches;
      std::vector<AttentionRun> runs;
      std::vector<float> q, alone;
      for (const auto& [context, count] : {std::pair{1, 1}, {2500, 1}, {40, 7}, {1024, 2}, {200, 150}, {1025, 1}}) {
        Shape s = base;
        s.context = context;
        s.from = context - count;
        const AttentionInputs in = attention_inputs(s, 1.0F, static_cast<uint32_t>(context));
        const auto out = attended(one, s, in, count);
        alone.insert(alone.end(), out.begin(), out.end());
        q.insert(q.end(), in.q.begin() + s.from * 240, in.q.end());
        caches.emplace_back(s);
        runs.push_back({caches.back().view(), s.from, count, context});
        store_rows(one, runs.back().kv, 0, {in.k.data(), 80, context}, in.v.data());
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
    for (const KvType type : kTypes) {
      const Shape s{.heads = 4,
                    .kv_heads = 4,
                    .head_size = 32,
                    .page_tokens = 64,
                    .context = 140,
                    .type = type,
                    .causal = false,
                    .prompt = true};
      const AttentionInputs in = attention_inputs(s);
      const auto whole = attended(two, s, in, s.context);
      for (const int64_t chunk : {1, 13, 64}) expect_same(attended(two, s, in, chunk), whole);
    }
  });
}

TEST(Attention, large_scores_pick_one_key) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    for (const KvType type : kTypes) {
      const Shape s{
          .heads = 1, .kv_heads = 1, .head_size = 32, .context = 40, .type = type, .prompt = type == KvType::bf16};
      const AttentionInputs in = attention_inputs(s, 1000.0F);
      expect_attention(s, in, attended(pool, s, in, s.context), rounds(s));
    }
  });
}

TEST(Attention, leaves_the_control_register_as_it_was) {
  WorkerPool pool(1);  // so that kernels run on this thread
  const unsigned before = _mm_getcsr();
  for_every_isa([&](Isa) {
    for (const KvType type : kTypes) {
      for (const bool prompt : {false, true}) expect_defined(pool, {.type = type, .prompt = prompt}, 50);
    }
    constexpr unsigned kFlags = 0x3f;  // exceptions that were seen
    EXPECT_EQ(_mm_getcsr() & ~kFlags, before & ~kFlags);
  });
}

}  // namespace
}  // namespace kedge::cpu
