// Goal: pages are taken, shared, copied on write, freed behind windows and all given back.
// Method: a small pool; sequences that grow, fork and end, with contents checked through the views.

#include "engine/kv_cache.h"

#include <gtest/gtest.h>

#include <memory>

namespace kedge::engine {
namespace {

models::DecoderSpec spec_with_windows() {
  models::DecoderSpec spec;
  spec.layer_count = 3;
  spec.heads = spec.kv_heads = 1;
  spec.head_size = 4;
  spec.layers = {{.window = 0}, {.window = 40}, {.window = 0}};
  return spec;
}

std::unique_ptr<KvPool> make_pool(int64_t tokens = 256) {
  auto pool = KvPool::create(KvLayout::plan(spec_with_windows(), cpu::KvType::f32, tokens, 2, 32));
  EXPECT_TRUE(pool.ok());
  return std::move(pool).value();
}

float& first_key(SequenceKv& kv, int64_t layer, size_t page) {
  return *reinterpret_cast<float*>(kv.layer(layer).keys[page]);
}

TEST(KvCache, layers_with_one_window_share_a_group) {
  const KvLayout layout = KvLayout::plan(spec_with_windows(), cpu::KvType::bf16, 1024, 1, 32);
  ASSERT_EQ(layout.groups.size(), 2U);
  EXPECT_EQ(layout.groups[0].layers, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(layout.page_bytes(0), 2U * 2 * kPageTokens * 4 * 2);
  EXPECT_EQ(layout.pages[0], 1024 / kPageTokens + 2);
  EXPECT_LT(layout.pages[1], layout.pages[0]);
}

TEST(KvCache, pages_hold_codes_and_scales) {
  models::DecoderSpec spec = spec_with_windows();
  spec.kv_heads = 3;
  spec.head_size = 80;
  const auto bytes_of = [&](cpu::KvType type) { return KvLayout::plan(spec, type, 1024, 1, 32).page_bytes(1); };
  EXPECT_EQ(bytes_of(cpu::KvType::f32), 2U * 3 * kPageTokens * 80 * 4);
  EXPECT_EQ(bytes_of(cpu::KvType::int8), 2U * 3 * kPageTokens * (80 + 4));
  EXPECT_EQ(bytes_of(cpu::KvType::int4), 2U * 3 * kPageTokens * (3 * 20));
}

TEST(KvCache, pages_come_back_when_a_sequence_ends) {
  const auto pool = make_pool();
  const int64_t before = pool->free_pages(0);
  {
    SequenceKv kv(*pool);
    ASSERT_TRUE(kv.reserve(70));
    kv.advance(70);
    EXPECT_EQ(pool->free_pages(0), before - 3);
  }
  EXPECT_EQ(pool->free_pages(0), before);
}

TEST(KvCache, windows_free_the_pages_behind_them) {
  const auto pool = make_pool();
  const int64_t before = pool->free_pages(1);
  SequenceKv kv(*pool);
  for (int step = 0; step < 200; ++step) {
    ASSERT_TRUE(kv.reserve(1)) << step;
    kv.advance(1);
    EXPECT_GE(pool->free_pages(1), before - 3);  // 40 positions touch at most 3 pages of 32
  }
  EXPECT_EQ(kv.layer(1).keys[0], nullptr);
  EXPECT_NE(kv.layer(0).keys[0], nullptr);
}

TEST(KvCache, a_shared_page_is_copied_by_the_first_writer) {
  const auto pool = make_pool();
  SequenceKv root(*pool);
  ASSERT_TRUE(root.reserve(40));
  root.advance(40);
  first_key(root, 0, 1) = 7.0F;
  SequenceKv fork(*pool);
  fork.share_from(root);
  EXPECT_EQ(fork.layer(0).keys[0], root.layer(0).keys[0]);
  const int64_t before = pool->free_pages(0);
  ASSERT_TRUE(fork.reserve(1));
  EXPECT_EQ(pool->free_pages(0), before - 1);
  EXPECT_NE(fork.layer(0).keys[1], root.layer(0).keys[1]);
  EXPECT_EQ(first_key(fork, 0, 1), 7.0F);
  first_key(fork, 0, 1) = 8.0F;
  EXPECT_EQ(first_key(root, 0, 1), 7.0F);
  EXPECT_EQ(fork.layer(0).keys[0], root.layer(0).keys[0]);  // the full page stays shared
}

TEST(KvCache, running_out_is_said_and_loses_nothing) {
  const auto pool = make_pool(64);
  SequenceKv kv(*pool);
  ASSERT_TRUE(kv.reserve(32 * 6));
  kv.advance(32 * 6);
  EXPECT_FALSE(kv.reserve(1));
  EXPECT_EQ(kv.length(), 32 * 6);
}

}  // namespace
}  // namespace kedge::engine
