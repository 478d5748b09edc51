// Goal: tables, groups and heaps make byte pair encoding fast without changing an id.
// Method: random words against the definition; searches around every size that the tables treat in its own way.

#include "text/tokenizer/bpe_model.h"

#include <gtest/gtest.h>

#include <random>

#include "text/tokenizer/small_tokenizers_for_fuzzers.h"

namespace kedge::text {
namespace {

TEST(BpeModel, random_words_have_the_ids_of_the_definition) {
  const auto tokenizer = small_byte_level(kLlama3Pattern);  // it leaves a run of letters whole
  std::mt19937 random(1);
  constexpr std::string_view kLetters = "heloingatsAB";
  for (int round = 0; round < 400; ++round) {
    std::string word;
    const size_t size = 1 + random() % (round % 4 == 0 ? 200 : 20);  // beyond BpeMerger's short words, and within
    while (word.size() < size) word.push_back(kLetters[random() % (round % 3 == 0 ? 6 : kLetters.size())]);
    std::vector<std::string> bytes;
    for (const char byte : word) bytes.emplace_back(1, byte);
    const std::vector<std::string> expected = merge_by_definition(std::move(bytes), small_byte_merges());
    const auto ids = tokenizer->encode(word, {.parse_special = false});
    ASSERT_TRUE(ids.ok());
    std::vector<std::string> parts;
    for (const TokenId id : ids.value()) parts.push_back(tokenizer->token_bytes(id));
    ASSERT_EQ(parts, expected) << word;
  }
}

TEST(TokenTable, finds_tokens_of_every_size_and_no_other) {
  TokenTable table;
  std::vector<std::string> tokens = {""};
  for (size_t size = 1; size <= 40; ++size) {
    for (size_t change = 0; change < size; ++change) {
      std::string token(size, 'x');
      token[change] = 'y';
      tokens.push_back(token);
    }
  }
  for (const size_t size : {254U, 255U, 256U, 300U}) tokens.emplace_back(size, 'z');
  for (size_t i = 0; i < tokens.size(); i += 2) ASSERT_TRUE(table.add(static_cast<TokenId>(i), tokens[i]));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto expected = i % 2 == 0 ? std::optional(static_cast<TokenId>(i)) : std::nullopt;
    ASSERT_EQ(table.find(tokens[i]), expected) << tokens[i];
  }
  EXPECT_TRUE(table.finds_all());
  EXPECT_TRUE(table.add(1, tokens[0]));
  EXPECT_EQ(table.find(tokens[0]), 0);
  EXPECT_FALSE(table.finds_all());
}

TEST(Vocabulary, knows_when_two_ids_are_spelled_alike) {
  for (const bool unmatched_first : {false, true}) {
    Vocabulary vocabulary(Vocabulary::Spelling::byte_alphabet);
    ASSERT_TRUE((unmatched_first ? vocabulary.add_unmatched(0, "ab") : vocabulary.add(0, "ab")).ok());
    EXPECT_TRUE(vocabulary.is_unique());
    ASSERT_TRUE((unmatched_first ? vocabulary.add(1, "ab") : vocabulary.add_unmatched(1, "ab")).ok());
    EXPECT_FALSE(vocabulary.is_unique());
  }
}

/// The second of two merges into one token is found by its neighbour; so is a token that follows, but not one before.
TEST(MergeLoader, merges_in_any_order_make_their_tokens) {
  const auto opened = load_tokenizer_json(
      R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
          "model": {"type": "BPE", "vocab": {"abc": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5, "cab": 6},
                    "merges": ["b c", ["a", "bc"], "a b", "ab c", "c ab"]}})",
      "small", {});
  ASSERT_TRUE(opened.ok());
  const auto ids = [&](std::string_view text) { return opened.value()->encode(text, {}).value(); };
  EXPECT_EQ(ids("abc"), std::vector<TokenId>({0}));
  EXPECT_EQ(ids("cab"), std::vector<TokenId>({6}));
  EXPECT_EQ(ids("abbc"), std::vector<TokenId>({4, 5}));
}

}  // namespace
}  // namespace kedge::text
