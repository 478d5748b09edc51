// Goal: each option does what its definition says, and draws follow the distribution.
// Method: small logits with known probabilities; counts over many seeded draws.

#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace kedge::engine {
namespace {

// Probabilities 0.5, 0.25, 0.125, 0.125.
std::vector<float> four() {
  return {std::log(0.5F), std::log(0.25F), std::log(0.125F), std::log(0.125F)};
}

std::vector<double> frequencies(SamplingOptions options, int draws = 20000) {
  std::vector<double> counts(4, 0.0);
  // A fresh sampler for each draw: penalties on the answer must not build up.
  for (int i = 0; i < draws; ++i) {
    Sampler sampler(options, static_cast<uint64_t>(i), {});
    std::vector<float> logits = four();
    counts[static_cast<size_t>(sampler.sample(logits))] += 1.0 / draws;
  }
  return counts;
}

void expect_frequencies(const SamplingOptions& options, const std::vector<double>& want) {
  const std::vector<double> got = frequencies(options);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 0.015) << "token " << i;
}

TEST(Sampler, draws_follow_the_distribution) {
  expect_frequencies({}, {0.5, 0.25, 0.125, 0.125});
}

TEST(Sampler, temperature_sharpens) {
  expect_frequencies({.temperature = 0.5F}, {0.25 / 0.34375, 0.0625 / 0.34375, 0.015625 / 0.34375, 0.015625 / 0.34375});
}

TEST(Sampler, top_k_keeps_the_k_largest) {
  expect_frequencies({.top_k = 2}, {2.0 / 3, 1.0 / 3, 0, 0});
}
TEST(Sampler, top_p_keeps_the_smallest_set_that_reaches_it) {
  expect_frequencies({.top_p = 0.7F}, {2.0 / 3, 1.0 / 3, 0, 0});
}
TEST(Sampler, min_p_is_relative_to_the_largest) {
  expect_frequencies({.min_p = 0.4F}, {2.0 / 3, 1.0 / 3, 0, 0});
}

TEST(Sampler, typical_keeps_the_surprise_nearest_the_entropy) {
  // Entropy 1.75 bits; surprises 1, 2, 3, 3 bits: token 1 is nearest.
  expect_frequencies({.typical_p = 0.2F}, {0, 1, 0, 0});
}

TEST(Sampler, greedy_takes_the_first_largest) {
  Sampler sampler({.temperature = 0}, 1, {});
  std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(sampler.sample(logits), 1);
}

TEST(Sampler, bias_moves_and_bans) {
  Sampler sampler({.temperature = 0, .logit_bias = {{0, -100.0F}, {3, 5.0F}}}, 1, {});
  std::vector<float> logits = four();
  EXPECT_EQ(sampler.sample(logits), 3);
}

TEST(Sampler, repetition_penalty_covers_prompt_and_answer) {
  const std::vector<TokenId> prompt = {0};
  Sampler sampler({.temperature = 0, .repetition_penalty = 4.0F}, 1, prompt);
  std::vector<float> logits = {4, 3, -1, 2};
  EXPECT_EQ(sampler.sample(logits), 1);
  EXPECT_FLOAT_EQ(logits[0], 1.0F);
  std::vector<float> again = {4, 3, -1, 2};
  EXPECT_EQ(sampler.sample(again), 3);  // 0 and 1 are penalised now
}

TEST(Sampler, presence_and_frequency_penalties_count_the_answer_only) {
  const std::vector<TokenId> prompt = {0, 0, 0};
  Sampler sampler({.temperature = 0, .presence_penalty = 0.5F, .frequency_penalty = 0.25F}, 1, prompt);
  for (int step = 0; step < 3; ++step) {
    std::vector<float> logits = {3, 0, 0, 2};
    const float expected = step == 0 ? 3.0F : 3.0F - 0.5F - 0.25F * static_cast<float>(step);
    const TokenId token = sampler.sample(logits);
    EXPECT_FLOAT_EQ(logits[0], expected);
    EXPECT_EQ(token, expected >= 2 ? 0 : 3);
  }
}

TEST(Sampler, a_large_vocabulary_with_every_option_stays_in_range) {
  std::vector<float> logits(128256);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 7919) % 1000) / 100.0F;
  Sampler sampler({.temperature = 1.5F, .top_k = 5000, .top_p = 0.9F, .min_p = 0.01F, .typical_p = 0.9F}, 5, {});
  for (int i = 0; i < 20; ++i) {
    std::vector<float> row = logits;
    const TokenId token = sampler.sample(row);
    ASSERT_GE(token, 0);
    ASSERT_LT(token, 128256);
  }
}

TEST(Sampler, logprobs_are_natural_logs_of_the_softmax) {
  const std::vector<float> logits = four();
  EXPECT_NEAR(logprob_of(logits, 1).logprob, std::log(0.25F), 1e-6);
  const auto top = top_logprobs(logits, 2);
  ASSERT_EQ(top.size(), 2U);
  EXPECT_EQ(top[0].token, 0);
  EXPECT_NEAR(top[1].logprob, std::log(0.25F), 1e-6);
}

}  // namespace
}  // namespace kedge::engine
