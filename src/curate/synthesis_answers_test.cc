// Goal: answers become documents as NeMo Curator's stages make them; malformed ones become nothing.
// Method: answers with each habit of models, and what those stages (1.4) make of them; draws by their bounds.
#include "curate/synthesis_answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace kedge::curate {
namespace {

constexpr const char* kAnswer =
    "Here are the questions and answers based on the provided text:\n\n- Question: One?\n  Answer: 1.\n\nQuestion: "
    "Two?\n"
    "- A) no\n- B) yes\nAnswer: B\n";

TEST(SynthesisAnswers, questions_stand_behind_the_text_with_all_their_lines) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    seen.insert(with_questions("The text.", kAnswer, {.seed = seed, .pairs_max = 2}));
  }
  const std::string one = "Question: One?\nAnswer: 1.", two = "Question: Two?\nA) no\nB) yes\nAnswer: B";
  const std::string text = "The text.\n\n";
  EXPECT_EQ(seen,
            (std::set<std::string>{text + one, text + two, text + one + "\n\n" + two, text + two + "\n\n" + one}));
  EXPECT_EQ(with_questions("t", kAnswer, {.seed = 5}), with_questions("t", kAnswer, {.seed = 5}));
}

TEST(SynthesisAnswers, short_texts_get_fewer_questions) {
  std::string answer;
  for (int i = 0; i < 9; ++i) answer += "Question: q\nAnswer: a\n";
  const auto most = [&](int64_t tokens) {
    size_t pairs = 0;
    for (uint64_t seed = 0; seed < 400; ++seed) {
      const std::string made = with_questions("", answer, {.seed = seed, .pairs_max = 10, .text_tokens = tokens});
      pairs = std::max(pairs, static_cast<size_t>(std::count(made.begin(), made.end(), 'q')));
    }
    return pairs;
  };
  EXPECT_EQ(most(0), 1U);
  EXPECT_EQ(most(45), 3U);
  EXPECT_EQ(most(1000), 9U);
}

TEST(SynthesisAnswers, malformed_answers_become_nothing) {
  for (const char* answer : {"", " \n\n", "Sure! Here you are:\nQuestion: One?\nAnswer: 1", "Answer: 1\nQuestion: One?",
                             "Here are the questions and answers based on the provided text:"}) {
    EXPECT_EQ(with_questions("text", answer, {}), "") << answer;
  }
}

TEST(SynthesisAnswers, lists_lose_bullets_and_what_stands_before_them) {
  EXPECT_EQ(plain_list("Here is a list:\n- One.\n  - Two.\nThree."), "One.\n- Two.\nThree.");
  EXPECT_EQ(plain_list("- One.\n- Two."), "One.\nTwo.");
  EXPECT_EQ(plain_list("Nothing"), "");
}

}  // namespace
}  // namespace kedge::curate
