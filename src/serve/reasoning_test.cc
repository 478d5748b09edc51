// Goal: reasoning and answer come apart the same way however they are cut; constraints hold behind reasoning.
// Method: answers whole and cut in two at every place; constraints byte by byte.
#include "serve/reasoning.h"

#include <gtest/gtest.h>

#include "grammar/grammar_for_tests.h"

namespace kedge::serve {
namespace {

std::pair<std::string, std::string> parted(bool begun, const std::vector<std::string>& parts) {
  ReasoningSplitter splitter({"<think>", "</think>", begun});
  std::string reasoning, text;
  for (const std::string& part : parts) {
    const auto [r, t] = splitter.push(part);
    reasoning += r;
    text += t;
  }
  const auto [r, t] = splitter.finish();
  return {reasoning + r, text + t};
}

TEST(Reasoning, comes_apart_from_the_answer) {
  const std::tuple<bool, std::string, std::string, std::string> kCases[] = {
      {false, "<think>\nHm, <b> ok.\n</think>\n\nHello <think>", "Hm, <b> ok.", "Hello <think>"},
      {true, "Hm.\n\nMore </thin\n</think>Hello\n", "Hm.\n\nMore </thin", "Hello\n"},
      {false, "\n Hello", "", "\n Hello"},
      {false, "<thin", "", "<thin"},
      {true, "never ends ", "never ends", ""},
      {false, "<think></think>x", "", "x"},
  };
  for (const auto& [begun, answer, reasoning, text] : kCases) {
    const std::pair expected(reasoning, text);
    EXPECT_EQ(parted(begun, {answer}), expected) << answer;
    for (size_t i = 1; i < answer.size(); ++i) {
      EXPECT_EQ(parted(begun, {answer.substr(0, i), answer.substr(i)}), expected) << answer << " at " << i;
    }
  }
}

TEST(Reasoning, is_detected) {
  EXPECT_FALSE(detect_reasoning("plain", "prompt").has_value());
  EXPECT_FALSE(detect_reasoning("a</think>", "assistant\n")->begun);
  EXPECT_TRUE(detect_reasoning("a</think>", "assistant\n<think>\n")->begun);
  EXPECT_EQ(detect_reasoning("[THINK]x[/THINK]", "")->end, "[/THINK]");
}

TEST(Reasoning, constraints_hold_behind_it) {
  const Constraint yes{ConstraintKind::choice, "[\"yes\"]"};
  const auto allows = [&](bool begun, const std::string& text) {
    const Constraint whole = behind_reasoning(yes, {"<think>", "</think>", begun});
    return grammar::matches(whole.kind, whole.source, text);
  };
  EXPECT_TRUE(allows(false, "yes"));
  EXPECT_TRUE(allows(false, "<think>\nno?\n</think>\n\nyes"));
  EXPECT_FALSE(allows(false, "<think>yes"));
  EXPECT_TRUE(allows(true, "hm</think>yes"));
  EXPECT_FALSE(allows(true, "yes"));
}

}  // namespace
}  // namespace kedge::serve
