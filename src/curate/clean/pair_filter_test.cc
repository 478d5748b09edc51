// Goal: the filter never denies what a pattern matches, and denies what is usual. Method: random texts of the
// characters that the patterns name, compared with the regular expression; plain sentences.

#include "curate/clean/pair_filter.h"

#include <gtest/gtest.h>

#include <random>

#include "curate/clean/mojibake.h"
#include "curate/pattern.h"

namespace kedge::curate {
namespace {

const std::vector<std::string> kPatterns = {"[\\x{80}-\\x{9F}]", "[ÂÃ][€œ\\xa0°]", "[a-z]\\s?[ÃÂ][ ]", "^[ÃÂ][ ]",
                                            "[Œœ][^A-Za-z]",     "Г.В[A-Za-z ]",   "é[“”]\\w",         "×[²³]"};

TEST(PairFilter, denies_nothing_that_matches) {
  const PairFilter filter(kPatterns);
  std::string all;
  for (const std::string& pattern : kPatterns) all += (all.empty() ? "" : "|") + pattern;
  const Pattern pattern(all, Pattern::Unit::characters);
  const std::u32string letters = U"aZ  \nÂÃ€œŒ°\u0085\u00A0Гв Вé“”×²³x_日😀";
  std::mt19937 random(7);
  int matches = 0, denied = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::u32string text;
    for (size_t n = random() % 5 + 1; n > 0; --n) text += letters[random() % letters.size()];
    const bool matched = pattern.find(to_utf8(text)).match.has_value();
    matches += matched ? 1 : 0;
    denied += filter.may_match(text) ? 0 : 1;
    ASSERT_TRUE(!matched || filter.may_match(text)) << to_utf8(text);
  }
  EXPECT_GT(matches, 1000);
  EXPECT_GT(denied, 1000);
}

TEST(PairFilter, denies_usual_text) {
  const PairFilter filter(kPatterns);
  for (const char32_t* text : {U"", U"a plain line", U"été à Paris, œuvre", U"Группа Б", U"日本語の文", U"Ã"}) {
    EXPECT_FALSE(filter.may_match(text)) << to_utf8(text);
  }
}

}  // namespace
}  // namespace kedge::curate
