// Goal: DeBERTa's spm.model alone gives the ids that transformers' tokenizer gives, or is refused.
// Method: a small vocabulary and the ids of its slow tokenizer (tests/golden/make_deberta.py).

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/json.h"
#include "kedge/tokenizer.h"

namespace kedge::text {
namespace {

namespace fs = std::filesystem;

class DebertaVocabulary : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "kedge-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::copy_file(KEDGE_SOURCE_DIR "/tests/golden/deberta.spm.model", folder_ / "spm.model");
    auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/deberta.json");
    ASSERT_TRUE(golden.ok());
    tokens_ = golden.value()["tokens"];
    write("added_tokens.json", {{"[MASK]", tokens_["mask"]}});
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  void write(const char* name, const Json& json) const { std::ofstream(folder_ / name) << to_text(json); }

  fs::path folder_;
  Json tokens_;
};

TEST_F(DebertaVocabulary, gives_the_ids_of_transformers) {
  write("tokenizer_config.json", {{"bos_token", "[CLS]"}, {"eos_token", "[SEP]"}, {"do_lower_case", false}});
  const auto tokenizer = Tokenizer::open(folder_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  ASSERT_EQ(tokens_["texts"].size(), 9U);
  for (const Json& one : tokens_["texts"]) {
    const auto ids = tokenizer.value()->encode(one["text"].get<std::string>(), {.add_special = true});
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(ids.value(), one["ids"].get<std::vector<TokenId>>()) << one["text"];
  }
  const auto pair = tokenizer.value()->encode_pair("the ship", "a b");
  ASSERT_TRUE(pair.ok());
  EXPECT_EQ(pair.value(), tokens_["pair"].get<std::vector<TokenId>>());
}

TEST_F(DebertaVocabulary, settings_that_the_file_cannot_meet_are_refused) {
  for (const char* const name : {"do_lower_case", "split_by_punct"}) {
    write("tokenizer_config.json", {{name, true}});
    const auto tokenizer = Tokenizer::open(folder_);
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_NE(tokenizer.error().message.find(name), std::string::npos) << tokenizer.error().message;
    EXPECT_NE(tokenizer.error().message.find("tokenizer.json"), std::string::npos) << tokenizer.error().message;
  }
}

TEST_F(DebertaVocabulary, a_vocabulary_without_its_tokens_is_refused) {
  fs::copy_file(KEDGE_SOURCE_DIR "/tests/golden/kenlm_pieces.sp.model", folder_ / "spm.model",
                fs::copy_options::overwrite_existing);
  const auto tokenizer = Tokenizer::open(folder_);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_NE(tokenizer.error().message.find("spm.model: no control piece '[CLS]'"), std::string::npos)
      << tokenizer.error().message;
}

}  // namespace
}  // namespace kedge::text
