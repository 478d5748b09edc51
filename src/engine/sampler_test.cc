// Goal: each option does what its definition says, and draws follow the distribution.
// Method: small logits with known probabilities; counts over many seeded draws.

#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
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

/// The definition, by sorting everything in double.
TokenId plainly_sampled(const SamplingOptions& options, uint64_t seed, const std::vector<float>& logits) {
  struct Candidate {
    TokenId token;
    double probability;
  };
  const double largest = *std::ranges::max_element(logits);
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) {
    all.push_back(
        {static_cast<TokenId>(i), std::exp((static_cast<double>(logits[i]) - largest) / options.temperature)});
  }
  const auto cut_at = [&](size_t count) { all.resize(std::min(all.size(), count)); };
  const auto sum = [&] {
    double total = 0;
    for (const Candidate& candidate : all) total += candidate.probability;
    return total;
  };
  const auto reach = [&](double mass) {  // how many of the first reach it
    double reached = 0;
    const double total = sum();
    for (size_t i = 0; i < all.size(); ++i) {
      reached += all[i].probability / total;
      if (reached >= mass) return i + 1;
    }
    return all.size();
  };
  const bool cut = options.top_k > 0 || options.top_p < 1 || options.min_p > 0 || options.typical_p < 1;
  if (cut) {
    std::ranges::stable_sort(all, [](const auto& a, const auto& b) { return a.probability > b.probability; });
  }
  if (options.top_k > 0) cut_at(static_cast<size_t>(options.top_k));
  if (options.top_p < 1) cut_at(reach(options.top_p));
  if (options.min_p > 0) {
    std::erase_if(all,
                  [&, most = all.front().probability](const auto& c) { return c.probability < options.min_p * most; });
  }
  if (options.typical_p < 1) {
    const double total = sum();
    double entropy = 0;
    for (const Candidate& c : all) {
      if (c.probability > 0) entropy -= c.probability / total * std::log(c.probability / total);
    }
    std::ranges::stable_sort(all, {},
                             [&](const Candidate& c) { return std::abs(std::log(c.probability / total) + entropy); });
    cut_at(reach(options.typical_p));
  }
  Random random(seed);
  double left = random.uniform() * sum();
  for (const Candidate& candidate : all) {
    left -= candidate.probability;
    if (left < 0) return candidate.token;
  }
  return all.back().token;
}

TEST(Sampler, every_way_of_sampling_is_the_definition) {
  const SamplingOptions ways[] = {{},
                                  {.temperature = 0.6F},
                                  {.top_k = 1},
                                  {.top_k = 7},
                                  {.top_k = 300},
                                  {.top_k = 1000000},
                                  {.temperature = 1.7F, .top_k = 40, .top_p = 0.9F},
                                  {.top_p = 0.3F},
                                  {.top_p = 0.95F},
                                  {.temperature = 5.0F, .top_p = 0.98F},
                                  {.min_p = 0.1F},
                                  {.temperature = 3.0F, .min_p = 0.01F},
                                  {.top_p = 0.9F, .min_p = 0.02F},
                                  {.typical_p = 0.7F},
                                  {.top_k = 50, .typical_p = 0.5F}};
  std::mt19937 rng(3);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  for (const size_t size : {1, 2, 31, 32, 33, 1023, 1025, 5000, 32001}) {
    std::vector<float> logits(size);
    for (float& logit : logits) logit = normal(rng);
    for (size_t i = 1; i < size; i += 97) logits[i] = logits[i - 1];  // ties
    for (size_t i = 5; i < size; i += 211) logits[i] = -std::numeric_limits<float>::infinity();
    for (const SamplingOptions& way : ways) {
      for (uint64_t seed = 0; seed < (size > 5000 ? 5U : 40U); ++seed) {
        Sampler sampler(way, seed, {});
        std::vector<float> row = logits;
        ASSERT_EQ(sampler.sample(row), plainly_sampled(way, seed, logits))
            << size << " tokens, way " << &way - ways << ", seed " << seed;
      }
    }
  }
}

TEST(Sampler, logits_that_are_no_numbers_are_never_chosen) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> logits(100, none);
  logits[70] = 1.0F;
  for (const SamplingOptions& way : {SamplingOptions{.top_k = 5}, {.min_p = 0.5F}}) {
    Sampler sampler(way, 1, {});
    std::vector<float> row = logits;
    EXPECT_EQ(sampler.sample(row), 70);
    std::vector<float> no_numbers(100, none);
    EXPECT_EQ(sampler.sample(no_numbers), 0);
  }
}

TEST(Largest, is_the_head_of_a_sorted_row) {
  std::mt19937 rng(9);
  Largest largest;
  for (const size_t size : {1, 31, 32, 33, 64, 1000, 4097}) {
    std::vector<float> row(size);
    for (float& value : row) value = static_cast<float>(rng() % 200) - 100.0F;  // with ties
    std::vector<TokenId> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](TokenId a, TokenId b) { return row[size_t(a)] > row[size_t(b)]; });
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size / 32, size / 2, size, size + 5}) {
      const auto found = largest.of(row, count);
      EXPECT_EQ(std::vector<TokenId>(found.begin(), found.end()),
                std::vector<TokenId>(order.begin(), order.begin() + static_cast<ptrdiff_t>(std::min(count, size))));
    }
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
