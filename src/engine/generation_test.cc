// Goal: requests give the same tokens whatever runs beside them, end for the right reason, and lose nothing.
// Method: a small random checkpoint; requests alone, together, cancelled, cut by stop tokens, lengths and full
// contexts.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "kedge/engine.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<TokenEvent> events;
  FinishReason finish = FinishReason::none;
};

class GenerationTest : public testing::Test {
 protected:
  void SetUp() override { open(models::tiny_llama_config(), {}); }

  void open(const Json& config, EngineOptions options) {
    engine_.reset();
    ASSERT_TRUE(models::write_checkpoint(folder_.path(), config, models::tiny_llama_shapes()));
    options.compute = Compute::f32;
    options.thread_count = 2;
    options.without_tokenizer = true;
    auto engine = Engine::open(folder_.path(), options);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = std::move(engine).value();
  }

  static Request request(std::vector<TokenId> prompt, uint32_t count, float temperature = 0) {
    Request made{.prompt_tokens = std::move(prompt), .new_tokens_max = count, .ignore_eos = true};
    made.sampling.temperature = temperature;
    made.sampling.seed = 11;
    return made;
  }

  std::vector<Answer> run(const Request& made) {
    std::vector<Answer> answers(made.sequence_count);
    std::promise<RequestTimings> done;
    const auto id = engine_->submit(
        made,
        [&](const TokenEvent& event) {
          Answer& answer = answers[event.sequence_index];
          answer.events.push_back(event);
          if (event.token && !event.is_prompt) answer.tokens.push_back(*event.token);
          if (event.finish != FinishReason::none) answer.finish = event.finish;
        },
        [&](const RequestTimings& timings) { done.set_value(timings); });
    EXPECT_TRUE(id.ok()) << id.error().message;
    if (id.ok()) timings_ = done.get_future().get();
    return answers;
  }

  models::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
  RequestTimings timings_;
};

TEST_F(GenerationTest, same_seed_same_tokens_and_more_sequences_change_none) {
  Request one = request({1, 5, 9}, 40, 1.0F);
  const std::vector<Answer> first = run(one);
  EXPECT_EQ(run(one)[0].tokens, first[0].tokens);
  one.sequence_count = 19;  // three waves
  const std::vector<Answer> many = run(one);
  EXPECT_EQ(many[0].tokens, first[0].tokens);
  EXPECT_NE(many[1].tokens, first[0].tokens);
  for (uint32_t i = 0; i < one.sequence_count; ++i) {
    Request alone = request({1, 5, 9}, 40, 1.0F);
    alone.sampling.seed = 11 + i;
    EXPECT_EQ(run(alone)[0].tokens, many[i].tokens) << "sequence " << i;
  }
}

TEST_F(GenerationTest, ends_by_length_and_counts) {
  const std::vector<Answer> answers = run(request({1, 2, 3}, 7));
  EXPECT_EQ(answers[0].tokens.size(), 7U);
  EXPECT_EQ(answers[0].finish, FinishReason::length);
  EXPECT_EQ(timings_.prompt_tokens, 3U);
  EXPECT_EQ(timings_.new_tokens, 7U);
}

TEST_F(GenerationTest, ends_at_a_stop_token_without_showing_it) {
  const std::vector<TokenId> whole = run(request({1, 2, 3}, 12))[0].tokens;
  Request stopping = request({1, 2, 3}, 12);
  stopping.stop_tokens = {whole[5]};
  const Answer answer = run(stopping)[0];
  const size_t first = static_cast<size_t>(std::ranges::find(whole, whole[5]) - whole.begin());
  EXPECT_EQ(answer.tokens, std::vector<TokenId>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
  EXPECT_EQ(answer.finish, FinishReason::stop);
}

TEST_F(GenerationTest, fills_the_context_to_the_last_token) {
  open(models::tiny_llama_config(), {.context_tokens = 64});
  const Answer answer = run(request(std::vector<TokenId>(60, 3), 100))[0];
  EXPECT_EQ(answer.tokens.size(), 4U);
  EXPECT_EQ(answer.finish, FinishReason::length);
  const auto refused = engine_->submit(request(std::vector<TokenId>(64, 3), 1), [](const TokenEvent&) {}, nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
}

TEST_F(GenerationTest, prompt_logprobs_come_first_and_add_up_with_score) {
  Request made = request({1, 7, 11, 13}, 0);
  made.prompt_logprobs = true;
  made.top_logprobs = 3;
  const Answer answer = run(made)[0];
  ASSERT_EQ(answer.events.size(), 5U);  // four prompt tokens and the end
  EXPECT_FALSE(answer.events[0].logprob.has_value());
  const auto score = engine_->score(std::vector<TokenId>{1}, std::vector<TokenId>{7, 11, 13});
  ASSERT_TRUE(score.ok());
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_FLOAT_EQ(answer.events[i].logprob->logprob, score.value().token_logprobs[i - 1]);
    EXPECT_EQ(answer.events[i].top_logprobs.size(), 3U);
  }
  EXPECT_EQ(answer.finish, FinishReason::length);
}

TEST_F(GenerationTest, cancel_ends_running_and_waiting_requests) {
  std::promise<void> started;
  std::atomic<int> cancelled = 0;
  std::promise<void> done[2];
  const auto count_cancelled = [&](const TokenEvent& event) { cancelled += event.finish == FinishReason::cancelled; };
  bool first = true;
  const auto running = engine_->submit(
      request({1}, 200),
      [&](const TokenEvent& event) {
        if (std::exchange(first, false)) started.set_value();
        count_cancelled(event);
      },
      [&](const RequestTimings&) { done[0].set_value(); });
  const auto waiting =
      engine_->submit(request({1}, 200), count_cancelled, [&](const RequestTimings&) { done[1].set_value(); });
  ASSERT_TRUE(running.ok() && waiting.ok());
  engine_->cancel(waiting.value());
  started.get_future().wait();
  engine_->cancel(running.value());
  for (auto& promise : done) promise.get_future().wait();
  EXPECT_GE(cancelled, 1);  // the running one may have finished first; the waiting one cannot have run
}

TEST_F(GenerationTest, options_out_of_range_are_refused_by_name) {
  const auto refused = [&](auto change, const char* name) {
    Request made = request({1}, 4);
    change(made);
    const auto result = engine_->submit(made, [](const TokenEvent&) {}, nullptr);
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(result.error().message.find(name), std::string::npos) << result.error().message;
  };
  refused([](Request& r) { r.sampling.temperature = -1; }, "temperature");
  refused([](Request& r) { r.sampling.temperature = std::nanf(""); }, "temperature");
  refused([](Request& r) { r.sampling.top_p = 0; }, "top_p");
  refused([](Request& r) { r.sampling.min_p = 1.5F; }, "min_p");
  refused([](Request& r) { r.sampling.logit_bias = {{4000, 1.0F}}; }, "logit_bias");
  refused([](Request& r) { r.sequence_count = 0; }, "n is");
  refused([](Request& r) { r.prompt_tokens = {-1}; }, "token id");
  refused([](Request& r) { r.prompt_tokens = {}; }, "empty");
}

TEST_F(GenerationTest, sliding_windows_give_back_pages_and_never_run_out) {
  Json config = models::tiny_llama_config();
  config["model_type"] = "mistral";
  config["sliding_window"] = 40;
  open(config, {});
  const Answer answer = run(request({1, 2}, 250))[0];
  EXPECT_EQ(answer.tokens.size(), 250U);
  // The same continuation, computed at once.
  std::vector<TokenId> all = {1, 2};
  all.insert(all.end(), answer.tokens.begin(), answer.tokens.end());
  const auto output = engine_->forward(all, 0, false);
  ASSERT_TRUE(output.ok());
  for (size_t i = 1; i + 1 < all.size(); ++i) {
    const auto row = output.value().logits.begin() + static_cast<std::ptrdiff_t>(i * 96);
    EXPECT_EQ(std::max_element(row, row + 96) - row, all[i + 1]) << "position " << i;
  }
}

TEST_F(GenerationTest, longrope_recomputes_keys_when_the_factors_change) {
  Json config = models::tiny_llama_config();
  config["model_type"] = "llama";
  config["original_max_position_embeddings"] = 16;
  config["rope_scaling"] = {
      {"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2, 1.3}}, {"long_factor", {1.5, 2.0, 4.0, 8.0}}};
  open(config, {});
  const Answer answer = run(request({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 20))[0];
  std::vector<TokenId> all = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  for (const TokenId token : answer.tokens) {
    const auto output = engine_->forward(all, 0, false);  // each step anew, without a cache
    ASSERT_TRUE(output.ok());
    const auto row = output.value().logits.end() - 96;
    EXPECT_EQ(std::max_element(row, output.value().logits.end()) - row, token) << "length " << all.size();
    all.push_back(token);
  }
}

TEST_F(GenerationTest, a_model_that_cannot_fit_is_refused_with_numbers) {
  const auto engine = Engine::open(folder_.path(), {.kv_cache_bytes = 16, .without_tokenizer = true});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().kind, ErrorKind::out_of_memory);
  EXPECT_NE(engine.error().message.find("16"), std::string::npos);
}

}  // namespace
}  // namespace kedge
