// Goal: questions are found verbatim, and with changed words where that is asked for; others are not.
// Method: one question of 24 words, and texts that hold it in several states.
#include "curate/decontaminate/decontaminate.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/decontaminate/alignment.h"

namespace kedge::curate {
namespace {

constexpr const char* kQuestion =
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra "
    "tango uniform victor whiskey xray";
constexpr const char* kEdited =
    "alpha bravo charlie delta echo SIX golf hotel india juliett kilo TWELVE mike november oscar papa quebec EIGHTEEN "
    "sierra "
    "tango uniform victor whiskey YES";

Json run(DecontaminationMode mode, const std::string& text) {
  std::vector<EvaluationItem> items = {{"7", place_words(to_codes(kQuestion)).words}};
  std::string line;
  make_decontamination(std::move(items), mode)->annotate({"1", text, ""}, line);
  return parse_json(line, "line").value();
}

TEST(Decontamination, verbatim_questions_are_found_with_their_place) {
  std::string question = kQuestion;
  question[0] = 'A';
  const Json row = run(DecontaminationMode::ngram, "\xC3\xA9 so: " + question + "! And on.");
  EXPECT_EQ(row["contaminated"], true);
  EXPECT_EQ(row["matches"],
            Json::parse("[{\"item\":7,\"start\":6,\"end\":" + std::to_string(7 + question.size()) + "}]"));
}

TEST(Decontamination, changed_words_are_found_by_the_fuzzy_mode_alone) {
  const std::string text = "Before it. " + std::string(kEdited) + " after it.";
  EXPECT_EQ(run(DecontaminationMode::ngram, text)["contaminated"], false);
  EXPECT_EQ(run(DecontaminationMode::fuzzy, text)["contaminated"], true);
}

TEST(Decontamination, a_few_shared_words_are_no_match) {
  for (const auto mode : {DecontaminationMode::ngram, DecontaminationMode::fuzzy}) {
    EXPECT_EQ(run(mode, "alpha bravo charlie delta and some other words that follow here")["contaminated"], false);
    EXPECT_EQ(run(mode, "")["contaminated"], false);
  }
}

TEST(Alignment, scores_and_places) {
  const std::vector<uint64_t> pattern = {1, 2, 3, 4, 5}, text = {9, 1, 2, 8, 4, 5, 9};
  const Agreement agreement = align(pattern, text);
  EXPECT_DOUBLE_EQ(agreement.score, 2.5);
  EXPECT_EQ(agreement.begin, 1U);
  EXPECT_EQ(agreement.end, 6U);
}

}  // namespace
}  // namespace kedge::curate
