// Goal: long matches are found, and a search that gives up says so.
// Method: texts longer than the usual stack of PCRE2's machine code; a pattern whose steps double with each character.
#include "curate/pattern.h"

#include <gtest/gtest.h>

namespace kedge::curate {
namespace {

TEST(Pattern, long_matches_need_more_than_the_usual_stack) {
  const Pattern pattern("^(?:ab|cd|e)+$", Pattern::Unit::bytes);
  for (const size_t count : {10U, 10'000U, 100'000U}) {
    const Pattern::Search search = pattern.find(std::string(count, 'e'));
    ASSERT_TRUE(search.match) << count;
    EXPECT_EQ(search.match->end, count);
    EXPECT_FALSE(search.gave_up);
  }
}

TEST(Pattern, giving_up_is_told_from_no_match) {
  const Pattern pattern("(?:a|a)+$", Pattern::Unit::bytes);
  const Pattern::Search none = pattern.find("b");
  EXPECT_FALSE(none.match || none.gave_up);
  const Pattern::Search hard = pattern.find(std::string(40, 'a') + "b");
  EXPECT_FALSE(hard.match);
  EXPECT_TRUE(hard.gave_up);
}

}  // namespace
}  // namespace kedge::curate
