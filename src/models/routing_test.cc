// Goal: experts and their weights follow the two published rules.
// Method: scores whose choices and weights are known by hand.

#include "models/routing.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kedge::models {
namespace {

TEST(Routing, softmax_top_k_renormalises_over_the_chosen) {
  std::vector<Choice> choices;
  choose_experts({.experts = 4, .experts_per_token = 2}, std::vector<float>{0.0F, std::log(3.0F), -5.0F, 0.0F},
                 choices);
  ASSERT_EQ(choices.size(), 2U);
  EXPECT_EQ(choices[0].expert, 1);
  EXPECT_NEAR(choices[0].weight, 0.75F, 1e-6);
  EXPECT_EQ(choices[1].expert, 0);  // the first of two equals
  EXPECT_NEAR(choices[1].weight, 0.25F, 1e-6);
}

TEST(Routing, sparse_mixer_weighs_each_round_among_its_near_ties) {
  const MixtureSpec spec{.experts = 4, .experts_per_token = 2, .routing = Routing::sparse_mixer, .jitter = 0.01F};
  std::vector<Choice> choices;
  // Far apart: each round has one candidate, each weight is 1.
  choose_experts(spec, std::vector<float>{4.0F, 1.0F, 3.0F, -1.0F}, choices);
  EXPECT_EQ(choices[0].expert, 0);
  EXPECT_FLOAT_EQ(choices[0].weight, 1.0F);
  EXPECT_EQ(choices[1].expert, 2);
  EXPECT_FLOAT_EQ(choices[1].weight, 1.0F);
  // 4.0 and 3.95 lie within 2 % of each other: the first round is shared, the second is not.
  choose_experts(spec, std::vector<float>{4.0F, 1.0F, 3.95F, -1.0F}, choices);
  EXPECT_NEAR(choices[0].weight, 1.0F / (1.0F + std::exp(-0.05F)), 1e-5);
  EXPECT_FLOAT_EQ(choices[1].weight, 1.0F);
}

}  // namespace
}  // namespace kedge::models
