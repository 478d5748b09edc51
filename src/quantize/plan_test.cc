// Goal: budgets are kept and spent where they save most; formats fit the columns that they are for.
// Method: seeded parts beside every possible choice; hand-made cases; column counts around the group sizes.

#include "quantize/plan.h"

#include <gtest/gtest.h>

#include <random>

namespace kedge::quantize {
namespace {

using Parts = std::vector<std::vector<Choice>>;

double bits_of(const Parts& parts, const std::vector<size_t>& chosen) {
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) sum += parts[i][chosen[i]].bits;
  return sum;
}

double cost_of(const Parts& parts, const std::vector<size_t>& chosen) {
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) sum += parts[i][chosen[i]].cost;
  return sum;
}

double least_cost(const Parts& parts, double budget, std::vector<size_t>& chosen, size_t part = 0) {
  if (part == parts.size()) return bits_of(parts, chosen) <= budget ? cost_of(parts, chosen) : 1e300;
  double least = 1e300;
  for (size_t choice = 0; choice < parts[part].size(); ++choice) {
    chosen[part] = choice;
    least = std::min(least, least_cost(parts, budget, chosen, part + 1));
  }
  return least;
}

TEST(Plan, budgets_are_kept_and_nearly_all_is_saved_that_can_be) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(0.1, 1.0);
  for (int round = 0; round < 50; ++round) {
    Parts parts(6);
    for (auto& part : parts) {
      const double size = uniform(random), sensitivity = uniform(random) * uniform(random);
      part = {{4.125 * size, sensitivity},
              {4.25 * size, 0.8 * sensitivity},
              {4.5 * size, 0.6 * sensitivity},
              {8.125 * size, 0.003 * sensitivity}};
    }
    std::vector<size_t> least(parts.size(), 0);
    const double smallest = bits_of(parts, least);
    double previous = 1e300;
    for (const double more : {1.0, 1.05, 1.2, 1.5, 2.0}) {
      const std::vector<size_t> chosen = allocate(parts, smallest * more);
      EXPECT_LE(bits_of(parts, chosen), smallest * more + 1e-9);
      EXPECT_LE(cost_of(parts, chosen), previous);
      previous = cost_of(parts, chosen);
      std::vector<size_t> tried(parts.size(), 0);
      const double best = least_cost(parts, smallest * more, tried);
      // A greedy walk along the hulls is at most one step away from the best.
      EXPECT_LE(cost_of(parts, chosen), best + 0.45 * cost_of(parts, least));
    }
    EXPECT_EQ(allocate(parts, smallest), least);
    EXPECT_EQ(allocate(parts, smallest * 10), std::vector<size_t>(parts.size(), 3));
  }
}

TEST(Plan, the_sensitive_part_gets_the_bits) {
  const Parts parts = {{{4, 1.0}, {8, 0.01}}, {{4, 10.0}, {8, 0.1}}, {{4, 0.1}, {8, 0.001}}};
  EXPECT_EQ(allocate(parts, 16), (std::vector<size_t>{0, 1, 0}));
  EXPECT_EQ(allocate(parts, 20), (std::vector<size_t>{1, 1, 0}));
}

TEST(Plan, a_choice_that_saves_nothing_is_never_taken) {
  const Parts parts = {{{4, 1.0}, {5, 2.0}, {6, 0.5}}, {{4, 0.0}, {8, 0.0}}};
  EXPECT_EQ(allocate(parts, 100), (std::vector<size_t>{2, 0}));
}

TEST(Plan, groups_shrink_to_fit_the_columns) {
  const auto group = [](const Format& format, int64_t columns) {
    const auto found = fitting(format, columns);
    return found ? found->group : -1;
  };
  EXPECT_EQ(group({4, 128, true}, 256), 128);
  EXPECT_EQ(group({4, 128, true}, 192), 64);
  EXPECT_EQ(group({4, 128, true}, 96), 32);
  EXPECT_EQ(group({4, 64, true}, 172), -1);
  EXPECT_EQ(group({8, 0, true}, 96), 0);
  EXPECT_EQ(group({8, 0, true}, 172), -1);
  EXPECT_EQ(group({4, 32, true}, 16), -1);
}

}  // namespace
}  // namespace kedge::quantize
