// Goal: measuring runs the work that it names, fits or says why not, stops when asked, and leaves the engine as it was.
// Method: a small checkpoint; workloads around the ends of the KV cache, windows and contexts. No time is looked at.

#include "engine/measure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <memory>
#include <vector>

#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

class MeasureTest : public testing::Test {
 protected:
  void open(const Json& config, uint64_t kv_tokens, uint32_t sequences) {
    engine_.reset();
    ASSERT_TRUE(models::write_checkpoint(folder_.path(), config, models::tiny_llama_shapes()));
    auto engine = Engine::open(folder_.path(), {.compute = Compute::f32,
                                                .kv_tokens = kv_tokens,
                                                .sequences_max = sequences,
                                                .batch_tokens_max = 16,
                                                .thread_count = 2,
                                                .without_tokenizer = true});
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = std::move(engine).value();
  }

  void expect_measured(const Workload& workload) {
    const Result<Measurement> measured = engine_->measure(workload, {});
    ASSERT_TRUE(measured.ok()) << measured.error().message;
    ASSERT_EQ(measured.value().seconds.size(), workload.repeats);
    for (const double seconds : measured.value().seconds) EXPECT_TRUE(std::isfinite(seconds));
    EXPECT_GT(measured.value().cost.read_bytes, 0);
    EXPECT_GT(measured.value().cost.f32_operations, 0);
  }

  ErrorKind failure_of(const Workload& workload, const std::stop_token& stop = {}) {
    const Result<Measurement> measured = engine_->measure(workload, stop);
    EXPECT_FALSE(measured.ok());
    return measured.ok() ? ErrorKind::internal : measured.error().kind;
  }

  std::vector<TokenId> greedy_answer() {
    Request request{.prompt_tokens = {1, 5, 9}, .new_tokens_max = 20, .ignore_eos = true};
    request.sampling.temperature = 0;
    std::vector<TokenId> tokens;
    std::promise<void> done;
    const auto id = engine_->submit(
        request, [&](const TokenEvent& event) { tokens.push_back(event.token.value_or(-1)); },
        [&](const RequestTimings&) { done.set_value(); });
    EXPECT_TRUE(id.ok());
    if (id.ok()) done.get_future().wait();
    return tokens;
  }

  models::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(MeasureTest, workloads_of_every_kind_fill_the_cache_to_its_end) {
  open(models::tiny_llama_config(), 40 * 96, 40);
  expect_measured({.kind = WorkKind::prefill, .tokens = 1, .repeats = 1});
  expect_measured({.kind = WorkKind::prefill, .tokens = 50, .depth = 33});
  expect_measured({.kind = WorkKind::prefill, .tokens = 96, .depth = 39 * 96, .repeats = 2});  // far past the context
  expect_measured({.kind = WorkKind::decode, .tokens = 1, .repeats = 1});
  expect_measured({.kind = WorkKind::decode, .tokens = 6, .sequences = 40, .depth = 90, .repeats = 2});
}

TEST_F(MeasureTest, windows_need_no_more_than_they_hold) {
  Json config = models::tiny_llama_config();
  config.update({{"model_type", "mistral"}, {"sliding_window", 40}});
  open(config, 12 * 1100, 12);
  expect_measured({.kind = WorkKind::decode, .tokens = 50, .sequences = 12, .depth = 1000, .repeats = 2});
  expect_measured({.kind = WorkKind::prefill, .tokens = 100, .depth = 1000});
}

TEST_F(MeasureTest, an_engine_answers_as_before_it_was_measured) {
  open(models::tiny_llama_config(), 512, 4);
  const std::vector<TokenId> before = greedy_answer();
  expect_measured({.kind = WorkKind::decode, .tokens = 8, .sequences = 4, .depth = 100});
  EXPECT_EQ(greedy_answer(), before);
}

TEST_F(MeasureTest, more_steps_cost_more_and_more_sequences_share_the_weights) {
  open(models::tiny_llama_config(), 4096, 8);
  const auto cost = [&](uint32_t tokens, uint32_t sequences) {
    return engine_->measure({.kind = WorkKind::decode, .tokens = tokens, .sequences = sequences, .repeats = 1}, {})
        .value()
        .cost;
  };
  EXPECT_GT(cost(2, 1).read_bytes, 1.9 * cost(1, 1).read_bytes);
  EXPECT_EQ(cost(1, 8).f32_operations, 8 * cost(1, 1).f32_operations);
  EXPECT_LT(cost(1, 8).read_bytes, 2 * cost(1, 1).read_bytes);
}

TEST_F(MeasureTest, what_does_not_fit_is_refused) {
  open(models::tiny_llama_config(), 128, 1);
  EXPECT_EQ(failure_of({.kind = WorkKind::prefill, .tokens = 100000}), ErrorKind::invalid_input);
  EXPECT_EQ(failure_of({.kind = WorkKind::decode, .tokens = 8, .depth = 100000}), ErrorKind::invalid_input);
  EXPECT_EQ(failure_of({.kind = WorkKind::decode, .tokens = 8, .sequences = 100}), ErrorKind::invalid_input);
  EXPECT_EQ(failure_of({.kind = WorkKind::prefill, .tokens = 8, .sequences = 2}), ErrorKind::invalid_input);
  EXPECT_EQ(failure_of({.kind = WorkKind::prefill, .tokens = 0}), ErrorKind::invalid_input);
  expect_measured({.kind = WorkKind::decode, .tokens = 8, .depth = 100});
}

TEST_F(MeasureTest, a_stop_ends_it) {
  open(models::tiny_llama_config(), 4096, 2);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(failure_of({.kind = WorkKind::prefill, .tokens = 64}, stop.get_token()), ErrorKind::cancelled);
  EXPECT_EQ(failure_of({.kind = WorkKind::decode, .tokens = 64}, stop.get_token()), ErrorKind::cancelled);
}

TEST_F(MeasureTest, a_cache_that_nothing_holds_is_refused_before_it_is_taken) {
  ASSERT_TRUE(models::write_checkpoint(folder_.path(), models::tiny_llama_config(), models::tiny_llama_shapes()));
  const auto engine = Engine::open(folder_.path(), {.kv_tokens = UINT64_MAX, .without_tokenizer = true});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().kind, ErrorKind::out_of_memory);
}

}  // namespace
}  // namespace kedge
