// Goal: a prompt that is pinned stays while others come and go, until its time is over; a slot's prompt goes to a file
// and back, in this engine and another one, and changes no token; files of other models, torn ones and damaged ones are
// refused. Method: tiny models whose KV cache holds little more than one prompt; a file broken at every part.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "engine/answer_test_support.h"
#include "engine/slot_file.h"
#include "kedge/engine.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

Request request_of(TokenId number, size_t tokens) {
  Request request{.prompt_tokens = prompt_of(number, tokens), .new_tokens_max = 12, .ignore_eos = true};
  request.sampling.temperature = 0;
  return request;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PrefixKeepingTest : public testing::Test {
 protected:
  void write_model(const Json& changes = Json::object()) {
    Json config = models::tiny_llama_config();
    config.update(changes);
    ASSERT_TRUE(models::write_checkpoint(model_.path(), config, models::tiny_llama_shapes()));
  }

  [[nodiscard]] std::unique_ptr<Engine> open(KvCache kv_cache = KvCache::f32) const {
    EngineOptions options{.compute = Compute::f32, .kv_cache = kv_cache, .batch_tokens_max = 64, .thread_count = 1};
    options.without_tokenizer = true;
    options.sequences_max = 2;
    options.kv_tokens = 256;
    auto engine = Engine::open(model_.path(), options);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    return engine.ok() ? std::move(engine).value() : nullptr;
  }

  [[nodiscard]] fs::path file() const { return folder_.path() / "slot.bin"; }

  models::TemporaryFolder model_, folder_;
};

TEST_F(PrefixKeepingTest, a_pinned_prompt_outlives_others) {
  write_model();
  const auto engine = open();
  ASSERT_NE(engine, nullptr);
  Request pinned = request_of(0, 100);
  pinned.pin_seconds = 3600;
  const Answer first = answer(*engine, pinned);
  EXPECT_EQ(first.timings.pinned_tokens, 96U);
  EXPECT_EQ(first.timings.cached_tokens, 0U);
  for (TokenId number = 1; number < 8; ++number) answer(*engine, request_of(number, 150));
  const Answer again = answer(*engine, pinned);
  EXPECT_EQ(again.timings.cached_tokens, 96U);
  EXPECT_EQ(again.tokens, first.tokens);
  EXPECT_EQ(engine->stats().prefix_pinned_pages, 3U);
  // Without a pin it is gone by then.
  answer(*engine, request_of(20, 100));
  for (TokenId number = 1; number < 8; ++number) answer(*engine, request_of(number, 150));
  EXPECT_EQ(answer(*engine, request_of(20, 100)).timings.cached_tokens, 0U);
}

TEST_F(PrefixKeepingTest, a_pin_fails_no_request_that_needs_the_room) {
  write_model();
  const auto engine = open();
  ASSERT_NE(engine, nullptr);
  Request pinned = request_of(0, 220);
  pinned.pin_seconds = 3600;
  const Answer first = answer(*engine, pinned);
  EXPECT_LT(first.timings.pinned_tokens, 220U);  // half of the pages at most
  EXPECT_GT(first.timings.pinned_tokens, 0U);
  EXPECT_EQ(answer(*engine, request_of(1, 240)).tokens.size(), 12U);
}

TEST_F(PrefixKeepingTest, a_slot_goes_to_a_file_and_comes_back_in_another_engine) {
  for (const Json& changes : {Json(Json::object()), Json{{"model_type", "mistral"},
                                                         {"sliding_window", 40},
                                                         {"layer_types", {"sliding_attention", "full_attention"}}}}) {
    write_model(changes);
    const auto engine = open(), other = open();
    ASSERT_NE(other, nullptr);
    Request request = request_of(0, 150);
    request.cache_salt = "mine";
    request.slot = 1;
    const Answer first = answer(*engine, request);
    ASSERT_EQ(engine->slots().size(), 2U);
    EXPECT_EQ(engine->slots()[1].prompt_tokens, 128U);
    EXPECT_EQ(engine->slots()[1].requests, 0U);
    const auto saved = engine->save_slot(1, file());
    ASSERT_TRUE(saved.ok()) << saved.error().message;
    EXPECT_EQ(saved.value().tokens, 128U);
    EXPECT_EQ(saved.value().bytes, fs::file_size(file()));
    const auto restored = other->restore_slot(0, file());
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    EXPECT_EQ(restored.value().tokens, 128U);
    EXPECT_EQ(other->slots()[0].prompt_tokens, 128U);
    const Answer again = answer(*other, request);
    EXPECT_EQ(again.timings.cached_tokens, 128U);
    EXPECT_EQ(again.tokens, first.tokens);
    request.cache_salt = "yours";
    EXPECT_EQ(answer(*other, request).timings.cached_tokens, 0U);
  }
}

TEST_F(PrefixKeepingTest, an_erased_slot_is_computed_again) {
  write_model();
  const auto engine = open();
  Request request = request_of(0, 150);
  request.slot = 0;
  const Answer first = answer(*engine, request);
  EXPECT_EQ(engine->erase_slot(0).value(), 128U);
  EXPECT_EQ(engine->slots()[0].prompt_tokens, 0U);
  EXPECT_FALSE(engine->save_slot(0, file()).ok());
  EXPECT_FALSE(engine->save_slot(9, file()).ok());
  const Answer again = answer(*engine, request);
  EXPECT_EQ(again.timings.cached_tokens, 0U);
  EXPECT_EQ(again.tokens, first.tokens);
}

TEST_F(PrefixKeepingTest, files_of_others_and_broken_ones_are_refused) {
  write_model();
  const auto engine = open();
  Request request = request_of(0, 100);
  request.slot = 0;
  const Answer first = answer(*engine, request);
  ASSERT_TRUE(engine->save_slot(0, file()).ok());
  const auto narrow = open(KvCache::bf16);
  const auto refused = narrow->restore_slot(0, file());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(refused.error().message.find("keys and values in bf16"), std::string::npos) << refused.error().message;
  EXPECT_EQ(engine->restore_slot(0, folder_.path() / "none").error().kind, ErrorKind::not_found);
  const std::string whole = bytes_of(file());
  const auto fresh = open();
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 97) {
    std::ofstream(file(), std::ios::binary) << whole.substr(0, at);
    EXPECT_FALSE(fresh->restore_slot(0, file()).ok()) << "cut at " << at;
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    std::ofstream(file(), std::ios::binary) << damaged;
    EXPECT_FALSE(fresh->restore_slot(0, file()).ok()) << "changed at " << at;
  }
  std::ofstream(file(), std::ios::binary) << whole << "x";
  EXPECT_FALSE(fresh->restore_slot(0, file()).ok());
  EXPECT_EQ(answer(*fresh, request).tokens, first.tokens);
  EXPECT_EQ(fresh->stats().kv_usage, 0.0);
}

}  // namespace
}  // namespace kedge
