// Goal: regular expressions match what they match elsewhere; what is not supported is refused by name.
// Method: a table, then random expressions and texts against RE2.
#include <fmt/format.h>
#include <re2/re2.h>

#include <random>

#include "grammar/grammar_for_tests.h"

namespace kedge::grammar {
namespace {

bool regex(const std::string& pattern, const std::string& text) {
  return matches(ConstraintKind::regex, pattern, text);
}

TEST(Regex, matches_the_whole_text) {
  EXPECT_TRUE(regex("abc", "abc"));
  EXPECT_FALSE(regex("abc", "abcd"));
  EXPECT_TRUE(regex("^abc$", "abc"));
  EXPECT_TRUE(regex("a|bc|", ""));
  EXPECT_TRUE(regex("(^a|b$)", "b"));
  EXPECT_TRUE(regex("[a-c]{2,3}?", "abc"));
  EXPECT_FALSE(regex("[a-c]{2,3}", "a"));
  EXPECT_TRUE(regex("(?:x|(?<name>y))+", "xyyx"));
  EXPECT_TRUE(regex("\\d{4}-\\d\\d", "2026-11"));
  EXPECT_TRUE(regex("[^a]", "\xC3\xA9"));
  EXPECT_FALSE(regex("[^a]", "\xC3"));
  EXPECT_TRUE(regex(".", "\xF0\x9F\x98\x80"));
  EXPECT_FALSE(regex(".", "\n"));
  EXPECT_TRUE(regex("\\u00e9\\x41\\u{1F600}",
                    "\xC3\xA9"
                    "A\xF0\x9F\x98\x80"));
  EXPECT_TRUE(regex("a{,3}b{2", "aab{2"));
  EXPECT_TRUE(regex("[]-a]", "^")) << "']' first in a class is itself";
}

TEST(Regex, refuses_by_name) {
  const std::pair<const char*, const char*> kCases[] = {
      {"a(?=b)", "look-around"},   {"(a)\\1", "back-reference"},
      {"\\bx", "word boundary"},   {"(a", "')'"},
      {"a)", "unmatched"},         {"[a", "']'"},
      {"*a", "nothing to repeat"}, {"a{3,2}", "at least 3"},
      {"a**", "quantifier"},       {"a{20000}", "the limit"},
      {"a$b", "can never match"},  {"[b-a]", "ends before"},
      {"\\p{L}", "property"},      {"(?i)a", "flags"},
      {"a\xFF", "UTF-8"},          {"a++", "possessive"},
      {".*a.{900}", "too large"},  {"((((a{900}){900}){900}){900}){900}", "states"}};
  for (const auto& [pattern, expected] : kCases) {
    EXPECT_NE(refusal(ConstraintKind::regex, pattern).find(expected), std::string::npos)
        << pattern << ": " << refusal(ConstraintKind::regex, pattern);
  }
}

class RandomRegex {
 public:
  explicit RandomRegex(uint32_t seed) : random_(seed) {}
  uint32_t below(uint32_t n) { return random_() % n; }

  std::string make(int depth) {
    std::string pattern;
    const uint32_t parts = 1 + below(3);
    for (uint32_t i = 0; i < parts; ++i) pattern += item(depth);
    if (below(4) == 0) pattern += "|" + item(depth);
    return pattern;
  }
  std::string text() {
    static const char* const kPieces[] = {"a", "b", "c", "1", " ", "\xC3\xA9", "\xE2\x82\xAC", "-"};
    std::string text;
    for (uint32_t i = below(7); i > 0; --i) text += kPieces[below(8)];
    return text;
  }

 private:
  std::string item(int depth) {
    static const char* const kAtoms[] = {"a",   "b",   "c", "[a-c]",    "[^b]",
                                         "\\d", "\\w", ".", "\xC3\xA9", "[\xC3\xA0-\xE2\x82\xAC]"};
    std::string atom = depth > 0 && below(3) == 0 ? "(" + make(depth - 1) + ")" : kAtoms[below(10)];
    static const char* const kQuantifiers[] = {"*", "+", "?", "{2}", "{1,3}", "{0,2}", "{1,}", "*?"};
    return below(3) == 0 ? atom + kQuantifiers[below(8)] : atom;
  }
  std::mt19937 random_;
};

TEST(Regex, random_ones_match_as_re2_does) {
  const ListTokenizer tokenizer = ListTokenizer::bytes_and({});
  RandomRegex random(7);
  size_t matched = 0;
  for (int i = 0; i < 600; ++i) {
    const std::string pattern = random.make(2);
    const RE2 expected(pattern);
    ASSERT_TRUE(expected.ok()) << pattern;
    const auto bound = bind(ConstraintKind::regex, pattern, tokenizer);
    ASSERT_TRUE(bound.ok()) << pattern << ": " << bound.error().message;
    for (int j = 0; j < 40; ++j) {
      const std::string text = random.text();
      Matcher matcher(bound.value());
      const bool found = matcher.accept_bytes(text) && matcher.complete();
      ASSERT_EQ(found, RE2::FullMatch(text, expected)) << pattern << " on '" << text << "'";
      matched += found ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 1000U);
}

}  // namespace
}  // namespace kedge::grammar
