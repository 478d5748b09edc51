// Goal: a mask has exactly the tokens that may come next, whatever is cached; tags hold what they should.
// Method: random walks through grammars of every kind; at each step every token of the mask is tried on a copy.
#include "grammar/matcher.h"

#include <random>
#include <thread>

#include "grammar/grammar_for_tests.h"

namespace kedge::grammar {
namespace {

ListTokenizer many_tokens() {
  std::vector<std::string> tokens = {"\"",
                                     "{\"",
                                     "\":",
                                     "\": ",
                                     "\",",
                                     "\"}",
                                     "\"]",
                                     "],",
                                     "},",
                                     "}}",
                                     "]]",
                                     ", ",
                                     ",\n",
                                     "{}",
                                     "[]",
                                     "null",
                                     "true",
                                     "12",
                                     "0.5",
                                     "-1",
                                     "e5",
                                     "name",
                                     "\"name\"",
                                     "\"name\": \"",
                                     "abc",
                                     "ab",
                                     "\xC3",
                                     "\xA9\xE2",
                                     "\xE2\x82",
                                     "\xAC\"",
                                     "  ",
                                     "\n\n",
                                     "\n  ",
                                     "\\n",
                                     "\\u00",
                                     "<tool>",
                                     "<to",
                                     "ol>",
                                     "</tool>",
                                     "</tool><tool>",
                                     "x<tool>{",
                                     "<|call|>",
                                     "<|other|>",
                                     std::string(40, ' '),
                                     std::string(40, 'a'),
                                     std::string(33, 'a') + "\"",
                                     std::string(50, 'a') + "\"}"};
  for (int i = 0; i < 60; ++i)
    tokens.push_back(std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i) + "\"");
  return ListTokenizer::bytes_and(tokens);
}

void expect_exact(const Matcher& matcher, const Tokenizer& tokenizer, const std::string& so_far) {
  std::vector<uint64_t> mask((tokenizer.vocabulary_size() + 63) / 64 + 1, ~uint64_t{0});
  matcher.fill_mask(mask);
  EXPECT_EQ(mask.back(), 0U);
  for (size_t i = 0; i < tokenizer.vocabulary_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    Matcher copy = matcher;
    const bool expected = token == *tokenizer.eos() ? matcher.complete() : copy.accept(token);
    ASSERT_EQ((mask[i / 64] >> (i % 64)) & 1, expected ? 1U : 0U)
        << "token '" << tokenizer.token_text(token) << "' behind '" << so_far << "'";
  }
}

void walk(ConstraintKind kind, const std::string& source, uint32_t seed) {
  const ListTokenizer tokenizer = many_tokens();
  const auto bound = bind(kind, source, tokenizer);
  ASSERT_TRUE(bound.ok()) << source << ": " << bound.error().message;
  std::mt19937 random(seed);
  for (int round = 0; round < 3; ++round) {
    Matcher matcher(bound.value());
    std::string text;
    for (int step = 0; step < 25 && !matcher.exhausted(); ++step) {
      expect_exact(matcher, tokenizer, text);
      if (testing::Test::HasFatalFailure()) return;
      std::vector<uint64_t> mask((tokenizer.vocabulary_size() + 63) / 64);
      matcher.fill_mask(mask);
      std::vector<TokenId> allowed;
      for (size_t i = 0; i + 1 < tokenizer.vocabulary_size(); ++i) {
        // Mostly tokens of several bytes: they cross more of the grammar.
        if ((mask[i / 64] >> (i % 64) & 1) != 0 && (i > 255 || random() % 8 == 0))
          allowed.push_back(static_cast<TokenId>(i));
      }
      if (allowed.empty()) {
        for (size_t i = 0; i < 256; ++i) {
          if ((mask[i / 64] >> (i % 64) & 1) != 0) allowed.push_back(static_cast<TokenId>(i));
        }
      }
      if (allowed.empty()) break;
      const TokenId token = allowed[random() % allowed.size()];
      ASSERT_TRUE(matcher.accept(token));
      text += tokenizer.token_text(token);
    }
  }
}

TEST(Matcher, masks_are_exact) {
  const std::pair<ConstraintKind, const char*> kCases[] = {
      {ConstraintKind::json_object, ""},
      {ConstraintKind::json_schema, R"({"properties": {"name": {"type": "string"}, "n": {"type": "number"}},
                                        "required": ["name"], "additionalProperties": {"type": "integer"}})"},
      {ConstraintKind::json_schema, R"({"type": "string", "minLength": 3, "maxLength": 90})"},
      {ConstraintKind::json_schema, R"({"type": "string", "minLength": 60})"},
      {ConstraintKind::json_schema,
       R"({"type": "array", "items": {"type": "string", "pattern": "^[a-c]+$"}, "minItems": 2})"},
      {ConstraintKind::json_schema, R"({"type": "array", "items": {"$ref": "#"}})"},
      {ConstraintKind::regex, "(a|ab|abc)*\"?[0-9a-z]{0,200}"},
      {ConstraintKind::regex, "a{35}b|a{100,150}|[ a]*"},
      {ConstraintKind::choice, R"(["abc", "ab", "name", "a\"b"])"},
      {ConstraintKind::gbnf, "root ::= e\ne ::= t (\",\" t)*\nt ::= [a-z0-9]+ | \"{\" e \"}\" | \"[\" e \"]\""},
      {ConstraintKind::gbnf, "root ::= \"a\" root \"b\" | \"a\" root \"\\\"\" | \"\""},
      {ConstraintKind::structural_tag,
       R"({"structures": [{"begin": "<tool>{", "schema": {"type": "integer"}, "end": "}</tool>"}],
                                           "triggers": ["<tool>"]})"},
      {ConstraintKind::structural_tag,
       R"({"format": {"type": "triggered_tags", "triggers": [{"type": "token", "token": "<|call|>"}],
          "tags": [{"begin": {"type": "token", "token": "<|call|>"}, "content": {"type": "json_schema", "json_schema": {"type": "string"}}, "end": ""}]}})"},
  };
  uint32_t seed = 1;
  for (const auto& [kind, source] : kCases) {
    walk(kind, source, seed++);
    if (HasFatalFailure()) FAIL() << source;
  }
}

std::string tagged(const std::string& format, const std::string& text) {
  static const ListTokenizer kTokenizer = many_tokens();
  const auto bound = bind(ConstraintKind::structural_tag, format, kTokenizer);
  if (!bound.ok()) return bound.error().message;
  Matcher matcher(bound.value());
  return !matcher.accept_bytes(text) ? "no" : matcher.complete() ? "yes" : "not yet";
}

TEST(StructuralTag, free_text_and_tags) {
  const std::string tools = R"j({"structures": [
      {"begin": "<f=a>", "schema": {"type": "integer"}, "end": "</f>"},
      {"begin": "<f=b>", "schema": {"type": "null"}, "end": "</f>"}], "triggers": ["<f="]})j";
  EXPECT_EQ(tagged(tools, "any < text <f"), "yes");
  EXPECT_EQ(tagged(tools, "x<f="), "not yet");
  EXPECT_EQ(tagged(tools, "x<f=c>"), "no");
  EXPECT_EQ(tagged(tools, "x<f=a>12</f> and <<f=b>null</f>"), "yes");
  EXPECT_EQ(tagged(tools, "x<f=a>null"), "no");
  EXPECT_EQ(tagged(tools, "\xFF\xC3 broken bytes"), "yes");
}

TEST(StructuralTag, formats) {
  const auto wrapped = [](const std::string& format) {
    return R"j({"type": "structural_tag", "format": )j" + format + "}";
  };
  EXPECT_EQ(
      tagged(
          wrapped(
              R"j({"type": "sequence", "elements": [{"type": "const_string", "value": "a"}, {"type": "regex", "pattern": "b+"}]})j"),
          "abb"),
      "yes");
  EXPECT_EQ(
      tagged(
          wrapped(
              R"j({"type": "or", "elements": [{"type": "grammar", "grammar": "root ::= \"x\""}, {"type": "json_schema", "json_schema": {"const": 1}}]})j"),
          "1"),
      "yes");
  EXPECT_EQ(tagged(wrapped(R"j({"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"})j"),
                   "<a>x<y</</a>"),
            "yes");
  EXPECT_EQ(tagged(wrapped(R"j({"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"})j"),
                   "<a></a>x"),
            "no");
  const std::string separated = wrapped(R"j({"type": "tags_with_separator", "separator": ",", "at_least_one": true,
      "tags": [{"begin": "(", "content": {"type": "regex", "pattern": "[0-9]"}, "end": ")"}]})j");
  EXPECT_EQ(tagged(separated, "(1),(2)"), "yes");
  EXPECT_EQ(tagged(separated, ""), "not yet");
  const std::string once =
      wrapped(R"j({"type": "triggered_tags", "triggers": ["<"], "at_least_one": true, "stop_after_first": true,
      "tags": [{"begin": "<a>", "content": {"type": "const_string", "value": "1"}, "end": "!"}]})j");
  EXPECT_EQ(tagged(once, "hm <a>1!"), "yes");
  EXPECT_EQ(tagged(once, "hm"), "not yet");
  EXPECT_EQ(tagged(once, "<a>1!x"), "no");
}

TEST(StructuralTag, refuses) {
  EXPECT_NE(tagged(R"j({"format": {"type": "x"}})j", "").find("'x'"), std::string::npos);
  EXPECT_NE(tagged(R"j({"structures": [{"begin": "<a>", "schema": {}, "end": ""}], "triggers": ["b"]})j", "")
                .find("none of the triggers"),
            std::string::npos);
  EXPECT_NE(tagged(R"j({"format": {"type": "tag", "begin": "a", "end": "b"}})j", "").find("'content' is missing"),
            std::string::npos);
}

TEST(Matcher, special_tokens_are_steps_of_their_own) {
  const ListTokenizer tokenizer = many_tokens();
  const auto bound = bind(
      ConstraintKind::structural_tag,
      R"j({"format": {"type": "sequence", "elements": [{"type": "token", "token": "<|call|>"}, {"type": "const_string", "value": "ab"}]}})j",
      tokenizer);
  ASSERT_TRUE(bound.ok()) << bound.error().message;
  Matcher matcher(bound.value());
  EXPECT_FALSE(matcher.accept_bytes("<|call|>"));
  EXPECT_FALSE(matcher.accept(*tokenizer.find("<|other|>")));
  EXPECT_TRUE(matcher.accept(*tokenizer.find("<|call|>")));
  EXPECT_TRUE(matcher.accept(*tokenizer.find("ab")));
  EXPECT_TRUE(matcher.complete());
  EXPECT_TRUE(matcher.exhausted());
}

TEST(Matcher, long_answers_keep_few_stacks) {
  const ListTokenizer tokenizer = many_tokens();
  const auto bound = bind(ConstraintKind::json_schema, R"j({"type": "array", "items": {"type": "array"}})j", tokenizer);
  Matcher matcher(bound.value());
  ASSERT_TRUE(matcher.accept_bytes("["));
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(matcher.accept_bytes("[[1],[[2]]],"));
  expect_exact(matcher, tokenizer, "...");
}

TEST(ConstraintCompiler, threads_share_grammars_and_masks) {
  const ListTokenizer tokenizer = many_tokens();
  const TokenId end = *tokenizer.eos();
  ConstraintCompiler compiler(tokenizer, {&end, 1});
  std::vector<std::vector<uint64_t>> masks(4);
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& mask : masks) {
    threads.emplace_back([&compiler, &mask] {
      const auto grammar = compiler.compile({ConstraintKind::json_object, ""});
      Matcher matcher(grammar.value());
      mask.resize(grammar.value()->vocabulary().mask_words());
      for (const char c : std::string("{\"a\": [1, {\"b\": \"text")) {
        matcher.fill_mask(mask);
        ASSERT_TRUE(matcher.accept_bytes({&c, 1}));
      }
      matcher.fill_mask(mask);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<uint64_t>& mask : masks) EXPECT_EQ(mask, masks[0]);
}

TEST(ConstraintCompiler, equal_sources_share_a_grammar) {
  const ListTokenizer tokenizer = many_tokens();
  const TokenId end = *tokenizer.eos();
  ConstraintCompiler compiler(tokenizer, {&end, 1});
  const auto a = compiler.compile({ConstraintKind::regex, "a+"});
  const auto b = compiler.compile({ConstraintKind::regex, "a+"});
  const auto c = compiler.compile({ConstraintKind::choice, "[\"a+\"]"});
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(a.value(), b.value());
  EXPECT_NE(a.value(), c.value());
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(compiler.compile({ConstraintKind::regex, "a{" + std::to_string(i) + "}"}).ok());
  EXPECT_NE(compiler.compile({ConstraintKind::regex, "a+"}).value(), a.value()) << "least recently used ones go";
}

}  // namespace
}  // namespace kedge::grammar
