// Goal: a guess is what followed the longest of the latest matches, and goes on where text repeats itself; its length
// follows from what was measured. Method: small texts, random ones beside a plain search, made-up times.

#include "engine/ngram_guess.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/draft_length.h"

namespace kedge::engine {
namespace {

using Tokens = std::vector<TokenId>;

Tokens guess_after(const Tokens& tokens, size_t count) {
  NgramIndex index;
  Tokens guess;
  index.guess(tokens, count, guess);
  return guess;
}

TEST(NgramIndex, guesses_what_followed) {
  EXPECT_EQ(guess_after({1, 2, 3, 4, 5, 6, 7, 1, 2, 3}, 3), (Tokens{4, 5, 6}));
  EXPECT_EQ(guess_after({1, 2, 3, 4, 1, 2}, 3), Tokens{});  // two tokens are too few
  EXPECT_EQ(guess_after({1, 2, 3}, 3), Tokens{});
  EXPECT_EQ(guess_after({}, 3), Tokens{});
}

TEST(NgramIndex, prefers_the_longer_match_and_then_the_later_one) {
  EXPECT_EQ(guess_after({9, 1, 2, 3, 4, 8, 1, 2, 3, 5, 9, 1, 2, 3}, 1), Tokens{4});
  EXPECT_EQ(guess_after({1, 2, 3, 4, 8, 1, 2, 3, 5, 7, 1, 2, 3}, 1), Tokens{5});
}

TEST(NgramIndex, goes_on_where_text_repeats_itself) {
  EXPECT_EQ(guess_after({1, 2, 3, 1, 2, 3, 1, 2, 3}, 7), (Tokens{1, 2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(guess_after({5, 5, 5, 5, 5}, 4), (Tokens{5, 5, 5, 5}));
}

TEST(NgramIndex, finds_what_a_plain_search_finds_while_a_text_grows) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    NgramIndex index;
    Tokens tokens, guess;
    for (int i = 0; i < 600; ++i) {
      tokens.push_back(static_cast<TokenId>(random() % 6));
      if (random() % 3 != 0) continue;
      const size_t matched = index.guess(tokens, 1, guess);
      bool found = false;
      for (size_t end = 2; end + 1 < tokens.size(); ++end) {
        found = found || std::equal(tokens.end() - 3, tokens.end(), tokens.begin() + static_cast<ptrdiff_t>(end) - 2);
      }
      EXPECT_EQ(matched >= kGuessMatchMin, found);
      if (matched == 0) continue;
      // The guess stands somewhere behind the tokens that matched.
      Tokens pattern(tokens.end() - static_cast<ptrdiff_t>(std::min(matched, tokens.size() - 1)), tokens.end());
      pattern.push_back(guess[0]);
      EXPECT_NE(std::search(tokens.begin(), tokens.end(), pattern.begin(), pattern.end()), tokens.end());
    }
  }
}

TEST(DraftLength, free_tokens_are_taken_and_dear_ones_are_not) {
  PassTimes flat, steep;
  for (const int64_t tokens : {1, 2, 4, 8, 16}) {
    flat.observe(tokens, 1.0);
    steep.observe(tokens, static_cast<double>(tokens));
  }
  EXPECT_EQ(best_draft_count(flat, 0.9, 1, kDraftsMax), kDraftsMax);
  EXPECT_EQ(best_draft_count(steep, 0.9, 1, kDraftsMax), 0);
  EXPECT_EQ(best_draft_count(flat, 0.01, 1, kDraftsMax), 0);
  EXPECT_EQ(best_draft_count(flat, 0.9, 1, 3), 3);
}

TEST(DraftLength, a_good_guess_is_tried_before_anything_was_measured) {
  EXPECT_GT(best_draft_count(PassTimes(), GuessRecord().chance(8), 1, kDraftsMax), 0);
  PassTimes one;
  one.observe(1, 0.01);
  EXPECT_GT(best_draft_count(one, GuessRecord().chance(8), 1, kDraftsMax), 0);
}

TEST(DraftLength, guesses_that_fail_are_given_up_and_come_back) {
  PassTimes times;
  for (const int64_t tokens : {1, 2, 4, 8, 16}) times.observe(tokens, 1.0 + 0.1 * static_cast<double>(tokens));
  GuessRecord record;
  for (int i = 0; i < 50; ++i) record.observe(10, 4, 0);
  EXPECT_EQ(best_draft_count(times, record.chance(10), 1, kDraftsMax), 0);
  EXPECT_GT(record.chance(3), 0.3);  // others are not blamed
  for (int i = 0; i < 50; ++i) record.observe(10, 1, 1);
  EXPECT_GT(best_draft_count(times, record.chance(10), 1, kDraftsMax), 4);
}

TEST(DraftLength, times_between_and_beyond_measured_ones_are_estimated) {
  PassTimes times;
  times.observe(1, 1.0);
  times.observe(8, 2.0);
  EXPECT_DOUBLE_EQ(times.estimate(1), 1.0);
  EXPECT_NEAR(times.estimate(4), 1.0 + 3.0 / 7, 1e-9);
  EXPECT_DOUBLE_EQ(times.estimate(16), 3.0);
}

}  // namespace
}  // namespace kedge::engine
