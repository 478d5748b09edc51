// Goal: a prompt whose pages went to the disk is answered as if it had been computed, and sooner; a disk that is full
// costs the pages and no request. Method: tiny models (full attention, windows, both) on a KV cache that holds one
// prompt; prompts in turn, greedy and seeded, against an engine that keeps nothing.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/answer_test_support.h"
#include "kedge/engine.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

constexpr size_t kPromptTokens = 200, kPromptBlocks = 192;  // tokens, and those of them in full pages

Request request_of(TokenId number, float temperature) {
  Request request{.prompt_tokens = prompt_of(number, kPromptTokens), .new_tokens_max = 20, .ignore_eos = true};
  request.sampling.temperature = temperature;
  request.sampling.seed = 11;
  return request;
}

class PrefixDiskTest : public testing::Test {
 protected:
  void write_model(const Json& changes = Json::object()) {
    Json config = models::tiny_llama_config();
    config.update(changes);
    ASSERT_TRUE(models::write_checkpoint(model_.path(), config, models::tiny_llama_shapes()));
  }

  [[nodiscard]] std::unique_ptr<Engine> open(KvCache kv_cache, bool disk) {
    EngineOptions options{.compute = Compute::f32, .kv_cache = kv_cache, .batch_tokens_max = 64, .thread_count = 1};
    options.without_tokenizer = true;
    options.sequences_max = 2;
    options.kv_tokens = 256;
    options.prefix_cache = disk;
    if (disk) options.prefix_disk_folder = disk_.path();
    options.on_warning = [this](const std::string& message) {
      const std::lock_guard lock(mutex_);
      warnings_.push_back(message);
    };
    auto engine = Engine::open(model_.path(), options);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    return engine.ok() ? std::move(engine).value() : nullptr;
  }

  /// Prompts in turn, more than memory holds, so that each one finds its pages on the disk.
  void expect_same(KvCache kv_cache, TokenId prompts) {
    const auto plain = open(kv_cache, false), engine = open(kv_cache, true);
    ASSERT_NE(plain, nullptr);
    ASSERT_NE(engine, nullptr);
    for (const float temperature : {0.0F, 1.0F}) {
      for (int turn = 0; turn < 3; ++turn) {
        for (TokenId number = 0; number < prompts; ++number) {
          const Request request = request_of(number, temperature);
          const Answer found = answer(*engine, request);
          EXPECT_EQ(found.tokens, answer(*plain, request).tokens) << "prompt " << number << " turn " << turn;
          EXPECT_EQ(found.finish, FinishReason::length);
          EXPECT_GE(found.timings.cached_tokens, turn > 0 ? kPromptBlocks : 0)
              << "prompt " << number << " turn " << turn;
        }
      }
    }
    const EngineStats stats = engine->stats();
    EXPECT_GT(stats.prefix_disk_hits, static_cast<uint64_t>(prompts) * kPromptBlocks);
    EXPECT_LE(stats.prefix_disk_hits, stats.prefix_hits);
    EXPECT_GT(stats.prefix_disk_pages, 0U);
    EXPECT_EQ(stats.prefix_disk_errors, 0U);
    EXPECT_EQ(stats.kv_usage, 0.0);
    EXPECT_TRUE(warnings_.empty());
  }

  models::TemporaryFolder model_, disk_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST_F(PrefixDiskTest, prompts_that_went_to_the_disk_are_answered_alike) {
  write_model();
  expect_same(KvCache::f32, 3);
}

TEST_F(PrefixDiskTest, with_keys_and_values_of_fewer_bits_too) {
  write_model();
  expect_same(KvCache::int8, 3);
}

TEST_F(PrefixDiskTest, with_windows_too) {
  write_model({{"model_type", "mistral"}, {"sliding_window", 40}});
  expect_same(KvCache::bf16, 12);
}

TEST_F(PrefixDiskTest, where_some_layers_have_windows_too) {
  write_model(
      {{"model_type", "mistral"}, {"sliding_window", 40}, {"layer_types", {"sliding_attention", "full_attention"}}});
  expect_same(KvCache::f32, 3);
}

TEST_F(PrefixDiskTest, a_request_that_is_cancelled_while_its_pages_come_leaves_nothing) {
  write_model();
  const auto engine = open(KvCache::f32, true);
  ASSERT_NE(engine, nullptr);
  const Answer expected = answer(*engine, request_of(0, 0));
  for (int turn = 0; turn < 50; ++turn) {
    answer(*engine, request_of(1 + turn % 2, 0));
    std::promise<void> done;
    const auto id =
        engine->submit(request_of(0, 0), [](const TokenEvent&) {}, [&](const RequestTimings&) { done.set_value(); });
    ASSERT_TRUE(id.ok());
    engine->cancel(id.value());
    done.get_future().wait();
  }
  EXPECT_EQ(answer(*engine, request_of(0, 0)).tokens, expected.tokens);
  EXPECT_TRUE(engine->forward(std::vector<TokenId>{1}, 0, false).ok());  // behind the last step
  EXPECT_EQ(engine->stats().kv_usage, 0.0);
}

/// The file may have 64 KiB: a write beyond fails as on a full disk.
TEST_F(PrefixDiskTest, a_full_disk_fails_no_request) {
  write_model();
  const auto plain = open(KvCache::f32, false), engine = open(KvCache::f32, true);
  ASSERT_NE(engine, nullptr);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  bool same = true;
  for (int turn = 0; turn < 4; ++turn) {
    for (TokenId number = 0; number < 3; ++number) {
      const Answer found = answer(*engine, request_of(number, 0));
      same =
          same && found.finish == FinishReason::length && found.tokens == answer(*plain, request_of(number, 0)).tokens;
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(same);
  EXPECT_EQ(engine->stats().prefix_disk_errors, 1U);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_.front().find(disk_.path().string() + ": cannot write"), std::string::npos) << warnings_.front();
}

TEST_F(PrefixDiskTest, a_folder_that_is_not_there_is_named_at_the_start) {
  write_model();
  EngineOptions options{.compute = Compute::f32, .without_tokenizer = true};
  options.prefix_disk_folder = model_.path() / "nowhere";
  const auto missing = Engine::open(model_.path(), options);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_NE(missing.error().message.find("nowhere"), std::string::npos);
  options.prefix_disk_folder = disk_.path();
  options.prefix_cache = false;
  const auto no_cache = Engine::open(model_.path(), options);
  ASSERT_FALSE(no_cache.ok());
  EXPECT_EQ(no_cache.error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace kedge
