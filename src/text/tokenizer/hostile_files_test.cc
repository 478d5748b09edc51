// Goal: vocabularies that no honest tool writes end in an error, soon, and never in ids or texts that break a promise.
// Method: small files made for one fault each; most were found by the fuzzers beside this file.

#include <gtest/gtest.h>

#include <string>

#include "core/json.h"
#include "text/tokenizer/bert_vocabulary.h"
#include "text/tokenizer/byte_ranks.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tokenizer_json.h"

namespace kedge::text {
namespace {

using Opened = Result<std::shared_ptr<const Tokenizer>>;

void expect_error(const Opened& opened, ErrorKind kind, const std::string& part_of_message) {
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, kind);
  EXPECT_NE(opened.error().message.find(part_of_message), std::string::npos) << opened.error().message;
}

Opened open_sentencepiece(const SentencePieces& pieces) {
  auto parts = make_sentencepiece_parts(pieces, {});
  if (!parts.ok()) return parts.error();
  return make_tokenizer(std::move(parts).value());
}

TEST(HostileFiles, a_template_token_outside_the_vocabulary_is_refused) {
  const Opened opened = load_tokenizer_json(
      R"({"post_processor": {"type": "BertProcessing", "cls": ["a", 900], "sep": ["b", 1]},
          "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})",
      "file", {});
  expect_error(opened, ErrorKind::corrupt_data, "token 900");
}

TEST(HostileFiles, millions_of_special_tokens_are_refused) {
  const Opened opened = load_tekken_json(
      R"({"config": {"pattern": "a", "default_vocab_size": 4194303, "default_num_special_tokens": 4194302},
          "vocab": [{"rank": 0, "token_bytes": "YQ=="}]})",
      "file", {});
  expect_error(opened, ErrorKind::corrupt_data, "default_num_special_tokens");
}

TEST(HostileFiles, tokens_that_are_not_utf8_are_refused) {
  expect_error(load_bert_vocabulary("[UNK]\n\xFF\n", "file", {}), ErrorKind::corrupt_data, "not UTF-8");
  SentencePieces pieces;
  pieces.pieces = {{"<unk>", 0, SentencePieces::Type::unknown}, {"\xC3", -1, SentencePieces::Type::normal}};
  expect_error(open_sentencepiece(pieces), ErrorKind::corrupt_data, "not UTF-8");
  pieces.pieces[1].type = SentencePieces::Type::control;
  expect_error(open_sentencepiece(pieces), ErrorKind::corrupt_data, "not UTF-8");
}

TEST(HostileFiles, tokens_too_long_to_split_in_every_way_are_refused) {
  const std::string a(65536, 'a');
  const std::string b(65536, 'b');
  SentencePieces pieces;
  pieces.algorithm = SentencePieces::Algorithm::bpe;
  pieces.pieces = {{"<unk>", 0, SentencePieces::Type::unknown}, {a, -1}, {b, -2}};
  expect_error(open_sentencepiece(pieces), ErrorKind::unsupported, "too long");
}

TEST(HostileFiles, a_merge_of_unknown_tokens_is_named) {
  Json vocab = {{"a", 0}, {"b", 1}, {"ab", 2}};
  Json merges = Json::array();
  for (int i = 0; i < 100; ++i) merges.push_back("a b");  // more than one group of MergeLoader
  merges.push_back("b a");
  const Json root = {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
  expect_error(load_tokenizer_json(to_text(root), "file", {}), ErrorKind::corrupt_data, "merge 100 of 'b' and 'a'");
}

}  // namespace
}  // namespace kedge::text
