// Goal: stop strings end the text wherever the pieces are cut, and text is held back no longer than needed.
// Method: every cut of a text into pieces against the same text matched whole.

#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <string>

namespace kedge::engine {
namespace {

TEST(StopMatcher, finds_the_first_stop_across_every_cut) {
  const std::string text = "one two END three STOP";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      StopMatcher matcher({"STOP", "END", ""}, false);
      std::string out = matcher.push(text.substr(0, a));
      out += matcher.push(text.substr(a, b - a));
      out += matcher.push(text.substr(b));
      out += matcher.flush();
      EXPECT_EQ(out, "one two ");
      EXPECT_TRUE(matcher.stopped());
    }
  }
}

TEST(StopMatcher, includes_the_stop_string_when_asked) {
  StopMatcher matcher({"END"}, true);
  EXPECT_EQ(matcher.push("a EN"), "a ");
  EXPECT_EQ(matcher.push("D b"), "END");
  EXPECT_EQ(matcher.push("more"), "");
}

TEST(StopMatcher, releases_what_can_no_longer_match) {
  StopMatcher matcher({"abcabd"}, false);
  EXPECT_EQ(matcher.push("abcab"), "");
  EXPECT_EQ(matcher.push("c"), "abc");
  EXPECT_EQ(matcher.flush(), "abc");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, passes_everything_without_stops) {
  StopMatcher matcher({}, false);
  EXPECT_EQ(matcher.push("text"), "text");
  EXPECT_EQ(matcher.flush(), "");
}

}  // namespace
}  // namespace kedge::engine
