// Goal: GBNF reads as llama.cpp reads it.
// Method: tables of grammars with texts that match and texts that do not, and of wrong grammars.
#include "grammar/grammar_for_tests.h"

namespace kedge::grammar {
namespace {

struct Case {
  const char* grammar;
  std::vector<std::string> yes, no;
};

TEST(Gbnf, matches) {
  const Case kCases[] = {
      {"root ::= \"a\" \"b\"?", {"a", "ab"}, {"", "b", "abb"}},
      {"# a comment\nroot ::= x+ # more\nx ::= [a-c] | \"-\"\n", {"a", "ab-"}, {"", "d"}},
      {"root ::= (\n \"a\" |\n \"b\"\n)*\n", {"", "abba"}, {"c"}},
      {"root ::= \"a\"\n  | \"b\"\nother ::= \"c\"", {"a", "b"}, {"c"}},
      {"root ::= [^\\n\"]{2,3}", {"ab", "\xC3\xA9\xC3\xA9\xC3\xA9"}, {"a", "a\n", "abcd"}},
      {"root ::= \"\\u00e9\\x41\\n\\\"\"",
       {"\xC3\xA9"
        "A\n\""},
       {}},
      {"root ::= \"(\" root \")\" | \"\"", {"", "()", "((()))"}, {"(", "(()"}},
      {"root ::= e\ne ::= t (\"+\" t)*\nt ::= \"x\" | \"(\" e \")\"", {"x", "x+(x+x)"}, {"x+", "(x"}},
      {"root ::= [a-]{2} .", {"a-\xF0\x9F\x98\x80"}, {"ab", "aa"}},
      {"root ::= \"a\"{2} \"b\"{1,} \"c\"{0,2}", {"aab", "aabbcc"}, {"ab", "aabccc"}},
  };
  for (const Case& each : kCases) {
    for (const std::string& text : each.yes)
      EXPECT_TRUE(matches(ConstraintKind::gbnf, each.grammar, text)) << each.grammar << ": " << text;
    for (const std::string& text : each.no)
      EXPECT_FALSE(matches(ConstraintKind::gbnf, each.grammar, text)) << each.grammar << ": " << text;
  }
}

TEST(Gbnf, refuses) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "no rules"},
      {"start: \"a\"", "Lark"},
      {"main ::= \"a\"", "no rule 'root'"},
      {"root ::= x", "'x' is used but not defined"},
      {"root ::= \"a", "closing"},
      {"root ::= (\"a\"", "')'"},
      {"root ::= [a", "']'"},
      {"root ::= root \"a\" | \"a\"", "left recursion"},
      {"root ::= x root | \"a\"\nx ::= \"\"", "left recursion"},
      {"root ::= \"a\" root", "no text matches"},
      {"root ::= \"a\"\nroot ::= \"b\"", "twice"},
      {"root ::= \"\\q\"", "escape"},
      {"root ::= \"a\" )", "')'"},
      {"root ::= \"a\"{3,1}", "at least 3"},
  };
  for (const auto& [grammar, expected] : kCases) {
    EXPECT_NE(refusal(ConstraintKind::gbnf, grammar).find(expected), std::string::npos)
        << grammar << ": " << refusal(ConstraintKind::gbnf, grammar);
  }
}

TEST(Gbnf, right_recursion_takes_no_room) {
  EXPECT_TRUE(matches(ConstraintKind::gbnf, "root ::= \"a\" root | \"b\"", std::string(100'000, 'a') + "b"));
}

TEST(Gbnf, nesting_ends_at_a_limit) {
  const char* const grammar = "root ::= \"(\" root \")\" | \"x\"";
  EXPECT_TRUE(matches(ConstraintKind::gbnf, grammar, std::string(900, '(') + "x" + std::string(900, ')')));
  EXPECT_FALSE(matches(ConstraintKind::gbnf, grammar, std::string(1100, '(') + "x" + std::string(1100, ')')));
}

}  // namespace
}  // namespace kedge::grammar
