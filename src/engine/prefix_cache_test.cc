// Goal: pages are found by what they hold and by all before it, are given up in the order of their last use, and a
// match is whole in every group. Method: small caches and pools; random prompts beside a plain model of the cache.

#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "engine/kv_cache.h"

namespace kedge::engine {
namespace {

constexpr HashKey kKey = {1, 2};

TEST(BlockHash, siphash_gives_the_vectors_of_its_authors) {
  HashKey key;
  std::array<std::byte, 16> key_bytes, input;
  for (size_t i = 0; i < 16; ++i) key_bytes[i] = input[i] = static_cast<std::byte>(i);
  std::memcpy(key.data(), key_bytes.data(), 16);
  const auto hash = [&](size_t size) { return siphash128(key, std::span(input).first(size)); };
  EXPECT_EQ(hash(0), (BlockHash{0xe6a825ba047f81a3U, 0x930255c71472f66dU}));
  EXPECT_EQ(hash(1), (BlockHash{0x44af996bd8c187daU, 0x45fc229b11597634U}));
}

TEST(BlockHash, names_depend_on_everything_before_and_on_the_salt) {
  std::vector<TokenId> tokens(100);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i);
  const auto hashes = hash_blocks(kKey, tokens, 32, {});
  ASSERT_EQ(hashes.size(), 3U);
  tokens[40] = 0;
  const auto other = hash_blocks(kKey, tokens, 32, {});
  EXPECT_EQ(other[0], hashes[0]);
  EXPECT_NE(other[1], hashes[1]);
  EXPECT_NE(other[2], hashes[2]);
  EXPECT_NE(hash_blocks(kKey, tokens, 32, {.rope = 1})[0], hashes[0]);
  EXPECT_NE(hash_blocks(kKey, tokens, 32, {.text = "a"})[0], hashes[0]);
  EXPECT_NE(hash_blocks({1, 3}, tokens, 32, {})[0], hashes[0]);
}

TEST(PrefixCache, gives_up_in_the_order_of_last_use) {
  PrefixCache cache(4);
  for (int32_t page = 0; page < 4; ++page) EXPECT_TRUE(cache.publish({static_cast<uint64_t>(page), 0}, page));
  for (const int32_t page : {2, 0, 3, 1}) cache.release(page);
  cache.hold(0);
  cache.release(0);
  cache.hold(3);
  EXPECT_EQ(cache.released_count(), 3);
  EXPECT_EQ(cache.give_up(), 2);
  EXPECT_EQ(cache.give_up(), 1);
  EXPECT_EQ(cache.give_up(), 0);
  EXPECT_EQ(cache.give_up(), -1);
  EXPECT_EQ(cache.find({0, 0}), -1);
  EXPECT_EQ(cache.find({3, 0}), 3);
  EXPECT_FALSE(cache.publish({3, 0}, 1));  // another page holds that
  cache.forget_held();
  EXPECT_EQ(cache.find({3, 0}), -1);
}

TEST(PrefixCache, pinned_pages_are_given_up_last_and_never_more_than_half_are) {
  PrefixCache cache(6);
  const PrefixCache::Time start;
  const auto after = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  for (int32_t page = 0; page < 6; ++page) EXPECT_TRUE(cache.publish({static_cast<uint64_t>(page), 0}, page));
  for (int32_t page = 0; page < 3; ++page) cache.release(page);
  cache.pin(0, 10, start);  // one that nobody holds
  cache.pin(4, 10, start);  // one that is held
  for (int32_t page = 3; page < 6; ++page) cache.release(page);
  cache.pin(1, 300, start);
  cache.refresh(0, after(5));
  cache.pin(2, 10, after(5));  // a fourth: 4 was used longest ago
  EXPECT_EQ(cache.pinned_count(), 3);
  EXPECT_FALSE(cache.pinned(4));  // from then on behind 5
  EXPECT_EQ(cache.give_up(), 3);
  cache.expire(after(14));
  EXPECT_EQ(cache.pinned_count(), 3);
  cache.expire(after(15));  // 0 and 2, from then on behind those that are there
  EXPECT_EQ(cache.pinned_count(), 1);
  for (const int32_t page : {5, 4, 0, 2, 1}) EXPECT_EQ(cache.give_up(), page);  // a pin gives way to need
  EXPECT_EQ(cache.pinned_count(), 0);
  EXPECT_EQ(cache.give_up(), -1);
}

/// Against a plain model: an order of last use, those with a pin behind the others.
TEST(PrefixCache, random_holds_and_pins) {
  constexpr int32_t kPages = 12;
  PrefixCache cache(kPages);
  std::mt19937 random(9);
  std::vector<int32_t> held, released;
  for (int32_t page = 0; page < kPages; ++page) {
    EXPECT_TRUE(cache.publish({static_cast<uint64_t>(page), 1}, page));
    held.push_back(page);
  }
  for (int i = 0; i < 20000; ++i) {
    const PrefixCache::Time now{std::chrono::seconds(i)};
    cache.expire(now);
    const auto page = static_cast<int32_t>(random() % kPages);
    const auto is_held = std::ranges::find(held, page);
    switch (random() % 4) {
      case 0:
        if (is_held == held.end()) {
          cache.hold(page);
          std::erase(released, page);
          held.push_back(page);
        } else {
          held.erase(is_held);
          cache.release(page);
          released.push_back(page);
        }
        break;
      case 1:
        cache.pin(page, 1 + random() % 50, now);
        ASSERT_TRUE(cache.pinned(page));
        break;
      case 2:
        cache.refresh(page, now);
        break;
      default: {
        const int64_t pinned = cache.pinned_count();
        const bool others = std::ranges::any_of(released, [&](int32_t p) { return !cache.pinned(p); });
        const int32_t given = cache.give_up();
        ASSERT_EQ(given < 0, released.empty());
        if (given < 0) break;
        ASSERT_EQ(cache.pinned_count(), others ? pinned : pinned - 1);
        ASSERT_EQ(std::erase(released, given), 1U);
        ASSERT_TRUE(cache.publish({static_cast<uint64_t>(given), 1}, given));
        held.push_back(given);
      }
    }
    ASSERT_LE(cache.pinned_count(), kPages / 2);
    ASSERT_EQ(cache.released_count(), static_cast<int64_t>(released.size()));
  }
}

std::unique_ptr<KvPool> make_pool(std::vector<int64_t> windows, int64_t tokens, int64_t sequences) {
  models::DecoderSpec spec;
  spec.layer_count = static_cast<int64_t>(windows.size());
  spec.heads = spec.kv_heads = 1;
  spec.head_size = 4;
  for (const int64_t window : windows) spec.layers.push_back({.window = window});
  auto pool = KvPool::create(KvLayout::plan(spec, cpu::KvType::f32, tokens, sequences, 32));
  EXPECT_TRUE(pool.ok());
  return std::move(pool).value();
}

std::vector<BlockHash> hashes_of(size_t blocks, TokenId token) {
  return hash_blocks(kKey, std::vector<TokenId>(blocks * kPageTokens, token), kPageTokens, {});
}

void run_prompt(KvPool& pool, SequenceKv& kv, std::span<const BlockHash> hashes, int64_t tokens) {
  kv.share_from(pool.match(hashes));
  while (kv.length() < tokens) {
    const int64_t count = std::min<int64_t>(32, tokens - kv.length());
    ASSERT_TRUE(kv.reserve(count));
    kv.publish(hashes, kv.length() + count);
    kv.advance(count);
  }
}

TEST(KvPoolPrefixes, pages_outlive_their_sequence_and_are_shared) {
  const auto pool = make_pool({0}, 1024, 4);
  const auto hashes = hashes_of(6, 1);
  const int64_t all = pool->free_pages(0);
  {
    SequenceKv kv(*pool);
    run_prompt(*pool, kv, hashes, 200);
    EXPECT_EQ(pool->free_pages(0), all - 7);
  }
  EXPECT_EQ(pool->free_pages(0), all);  // kept, and yet free
  SequenceKv first(*pool), second(*pool);
  first.share_from(pool->match(hashes));
  second.share_from(pool->match(std::span(hashes).first(4)));
  EXPECT_EQ(first.length(), 192);
  EXPECT_EQ(second.length(), 128);
  EXPECT_EQ(pool->free_pages(0), all - 6);
  EXPECT_EQ(first.layer(0).keys[3], second.layer(0).keys[3]);
  first.clear();
  second.clear();
  EXPECT_EQ(pool->free_pages(0), all);
}

TEST(KvPoolPrefixes, the_end_of_a_prefix_is_given_up_first) {
  const auto pool = make_pool({0}, 10 * 32, 0);
  const auto hashes = hashes_of(8, 1);
  {
    SequenceKv kv(*pool);
    run_prompt(*pool, kv, hashes, 8 * 32);
  }
  SequenceKv other(*pool);
  ASSERT_TRUE(other.reserve(5 * 32));  // two free pages and three that were kept
  EXPECT_EQ(pool->match(hashes).tokens, 5 * 32);
  SequenceKv kv(*pool);
  kv.share_from(pool->match(hashes));
  EXPECT_FALSE(other.reserve(6 * 32));  // all are held now
}

TEST(KvPoolPrefixes, a_window_asks_for_no_more_than_it_sees) {
  const auto pool = make_pool({0, 40}, 2048, 8);
  const auto hashes = hashes_of(20, 1);
  {
    SequenceKv kv(*pool);
    run_prompt(*pool, kv, hashes, 640);
  }
  const PrefixMatch match = pool->match(hashes);
  EXPECT_EQ(match.tokens, 640);
  EXPECT_EQ(match.pages[1][17], -1);
  EXPECT_GE(match.pages[1][18], 0);
  EXPECT_GE(match.pages[1][19], 0);
  EXPECT_GE(match.pages[0][0], 0);
  EXPECT_EQ(pool->match(hashes_of(20, 2)).tokens, 0);
}

TEST(KvPoolPrefixes, a_match_ends_where_a_window_misses_a_page) {
  const auto pool = make_pool({0, 40}, 4096, 2);
  const auto hashes = hashes_of(40, 1);
  SequenceKv kv(*pool);
  run_prompt(*pool, kv, hashes, 1280);
  kv.clear();
  SequenceKv beginning(*pool);
  beginning.share_from(pool->match(std::span(hashes).first(36)));
  ASSERT_EQ(beginning.length(), 36 * 32);
  SequenceKv other(*pool);  // takes every page that nobody holds
  ASSERT_TRUE(other.reserve(pool->free_pages(1) * 32));
  const PrefixMatch match = pool->match(hashes);
  EXPECT_EQ(match.tokens, 36 * 32);
  for (size_t i = 0; i < 36; ++i) EXPECT_EQ(match.pages[1][i] >= 0, i >= 34) << i;
}

TEST(KvPoolPrefixes, what_is_forgotten_is_not_found) {
  const auto pool = make_pool({0}, 1024, 4);
  const auto hashes = hashes_of(6, 1);
  const int64_t all = pool->free_pages(0);
  SequenceKv held(*pool);
  run_prompt(*pool, held, hashes, 192);
  {
    SequenceKv gone(*pool);
    run_prompt(*pool, gone, hashes_of(3, 2), 96);
  }
  pool->forget_prefixes();
  EXPECT_EQ(pool->match(hashes).tokens, 0);
  EXPECT_EQ(pool->match(hashes_of(3, 2)).tokens, 0);
  held.clear();
  EXPECT_EQ(pool->free_pages(0), all);
}

TEST(KvPoolPrefixes, random_prompts_find_what_was_there_and_leak_nothing) {
  const auto pool = make_pool({0, 40, 0, 100}, 40 * 32, 4);
  std::vector<int64_t> all;
  for (size_t group = 0; group < pool->layout().groups.size(); ++group) all.push_back(pool->free_pages(group));
  std::mt19937 random(1);
  std::vector<std::unique_ptr<SequenceKv>> live;
  for (int i = 0; i < 2000; ++i) {
    if (live.size() == 3 || (!live.empty() && random() % 3 == 0)) {
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(random() % live.size()));
      continue;
    }
    const auto hashes = hashes_of(1 + random() % 10, static_cast<TokenId>(random() % 8));
    const auto tokens = static_cast<int64_t>(hashes.size()) * kPageTokens + static_cast<int64_t>(random() % 32);
    auto kv = std::make_unique<SequenceKv>(*pool);
    run_prompt(*pool, *kv, hashes, tokens);
    EXPECT_EQ(kv->length(), tokens);
    live.push_back(std::move(kv));
  }
  live.clear();
  for (size_t group = 0; group < all.size(); ++group) EXPECT_EQ(pool->free_pages(group), all[group]);
}

}  // namespace
}  // namespace kedge::engine
