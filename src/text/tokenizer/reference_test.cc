// Goal: real vocabularies give exactly the ids, texts and stream pieces that their reference implementations give.
// Method: walk every case of the reference folder; unpack the tokenizer files, open them, compare.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "core/json.h"
#include "kedge/tokenizer.h"
#include "text/tokenizer/reference_files_for_tests.h"

namespace kedge::text {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;

Json read_json(const fs::path& path) {
  auto json = read_json_file(path);
  EXPECT_TRUE(json.ok()) << path;
  return json.ok() ? std::move(json).value() : Json::object();
}

std::shared_ptr<const Tokenizer> open_tokenizer(const fs::path& path) {
  auto tokenizer = Tokenizer::open(path);
  EXPECT_TRUE(tokenizer.ok()) << path << ": " << (tokenizer.ok() ? "" : tokenizer.error().message);
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

/// One tokenizer with its cases; failures name both.
class CaseWalker {
 public:
  CaseWalker(const Tokenizer& tokenizer, std::string name) : tokenizer_(tokenizer), name_(std::move(name)) {}

  void expect_ids(const std::string& text, const EncodeOptions& options, const Json& want, const std::string& what) {
    const auto ids = tokenizer_.encode(text, options);
    ASSERT_TRUE(ids.ok()) << name_ << ' ' << what;
    EXPECT_EQ(ids.value(), want.get<Ids>()) << name_ << ' ' << what;
    ++checks_;
  }

  void expect_text(const Json& ids, bool skip_special, const Json& want, const std::string& what) {
    EXPECT_EQ(tokenizer_.decode(ids.get<Ids>(), skip_special), want.get<std::string>()) << name_ << ' ' << what;
    ++checks_;
  }

  void expect_stream(const Json& ids, const Json& want, const std::string& what) {
    const auto stream = tokenizer_.stream(false);
    std::vector<std::string> pieces;
    for (const TokenId id : ids.get<Ids>()) pieces.push_back(stream->push(id));
    EXPECT_EQ(pieces, want["pieces"].get<std::vector<std::string>>()) << name_ << ' ' << what;
    EXPECT_EQ(stream->flush(), want["flush"].get<std::string>()) << name_ << ' ' << what;
    ++checks_;
  }

  [[nodiscard]] size_t checks() const { return checks_; }

 private:
  const Tokenizer& tokenizer_;
  std::string name_;
  size_t checks_ = 0;
};

constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = true};
constexpr EncodeOptions kSpecialsAsText = {.add_special = false, .parse_special = false};

/// A case of a tokenizer.json.
void walk_parsed_case(CaseWalker& walker, const Json& item) {
  const std::string text = item["text"];
  const std::string name = item["name"];
  walker.expect_ids(text, kPlain, item["ids"], name);
  walker.expect_ids(text, {.add_special = true, .parse_special = true}, item["ids_with_bos_eos"], name + ", BOS/EOS");
  walker.expect_ids(text, kSpecialsAsText, item.value("ids_specials_as_text", item["ids"]),
                    name + ", specials as text");
  walker.expect_text(item["ids"], false, item["decoded"], name + ", decoded");
  walker.expect_text(item["ids_with_bos_eos"], true, item["decoded_skip_special"], name + ", decoded without specials");
  if (item.contains("stream")) walker.expect_stream(item["ids"], item["stream"], name + ", stream");
}

/// A case of a SentencePiece model or a tekken file, whose reference never parses special tokens.
void walk_plain_case(CaseWalker& walker, const Json& item) {
  const std::string text = item["text"];
  const std::string name = item["name"];
  const Json& ids = item["ids_specials_as_text"];
  walker.expect_ids(text, kSpecialsAsText, ids, name);
  walker.expect_text(ids, false, item["decoded"], name + ", decoded");
  if (item.contains("ids_with_bos_eos")) {
    walker.expect_ids(text, {.add_special = true, .parse_special = false}, item["ids_with_bos_eos"],
                      name + ", BOS/EOS");
    walker.expect_text(item["ids_with_bos_eos"], true, item["decoded_skip_special"],
                       name + ", decoded without specials");
  }
  if (item.contains("stream")) walker.expect_stream(ids, item["stream"], name + ", stream");
}

class ReferenceTokenizer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (reference_models().empty()) GTEST_SKIP() << "NO REFERENCE FILES: ../shared is absent, nothing was checked";
    folder_ = unpacked_tokenizer(GetParam());
    cases_ = read_json(reference_models() / "tokenizers" / GetParam() / "cases.json");
    vectors_ = read_json(reference_models() / "tokenizers" / "llamacpp_vectors.json").at("vectors");
    plain_ = !cases_["cases"][0].contains("ids");
  }

  [[nodiscard]] fs::path main_file() const {
    if (fs::exists(folder_ / "tekken.json")) return folder_ / "tekken.json";
    return folder_ / (plain_ ? "tokenizer.model" : "tokenizer.json");
  }

  fs::path folder_;
  Json cases_;
  Json vectors_;
  bool plain_ = false;
};

TEST_P(ReferenceTokenizer, agrees_on_every_case) {
  const auto tokenizer = open_tokenizer(main_file());
  ASSERT_NE(tokenizer, nullptr);
  CaseWalker walker(*tokenizer, GetParam());
  for (const Json& item : cases_["cases"]) plain_ ? walk_plain_case(walker, item) : walk_parsed_case(walker, item);
  const Json decode_cases = cases_.value("decode_cases", Json::array());
  const Json bytes_cases = cases_.value("bytes_cases", Json::array());
  const Json vectors = vectors_.value(GetParam(), Json::array());
  for (const Json& item : decode_cases) {
    walker.expect_text(item["ids"], false, item["text"], "random ids");
  }
  for (const Json& item : bytes_cases) {
    walker.expect_ids(bytes_of_hex(item["bytes_hex"]), kSpecialsAsText, item["ids"], item["name"]);
    walker.expect_text(item["ids"], false, item["decoded_replace"], item["name"]);
  }
  for (const Json& item : vectors) {
    walker.expect_ids(item["text"], plain_ ? kSpecialsAsText : kPlain, item["ids"], "llama.cpp vector");
  }
  EXPECT_GT(walker.checks(), 200U);
}

TEST_P(ReferenceTokenizer, the_converted_tokenizer_json_agrees_too) {
  if (!cases_["cases"][0].contains("ids_hf_parsed")) return;
  const auto tokenizer = open_tokenizer(folder_ / "tokenizer.json");
  ASSERT_NE(tokenizer, nullptr);
  CaseWalker walker(*tokenizer, GetParam() + " tokenizer.json");
  for (const Json& item : cases_["cases"]) {
    walker.expect_ids(item["text"], kPlain, item["ids_hf_parsed"], item["name"]);
    walker.expect_text(item["ids_hf_parsed"], false, item["decoded_hf"], item["name"]);
  }
  EXPECT_GT(walker.checks(), 150U);
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceTokenizer,
                         testing::Values("bert-uncased", "gemma", "gemma3", "gpt2", "llama2", "llama3",
                                         "mistral-tekken", "mistral-v1", "mistral-v3", "phi3", "qwen3"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ReferenceFiles, the_original_llama3_file_gives_the_ids_of_its_tokenizer_json) {
  if (reference_models().empty()) GTEST_SKIP() << "NO REFERENCE FILES: ../shared is absent, nothing was checked";
  const auto tokenizer = open_tokenizer(unpacked_tokenizer("llama3") / "tokenizer.model");
  ASSERT_NE(tokenizer, nullptr);
  CaseWalker walker(*tokenizer, "llama3 tokenizer.model");
  const Json cases = read_json(reference_models() / "tokenizers" / "llama3" / "cases.json");
  for (const Json& item : cases["cases"]) walk_parsed_case(walker, item);
  EXPECT_EQ(tokenizer->find("<|eot_id|>"), 128009);
  EXPECT_GT(walker.checks(), 200U);
}

TEST(ReferenceFiles, vocab_txt_gives_the_ids_of_its_tokenizer_json) {
  if (reference_models().empty()) GTEST_SKIP() << "NO REFERENCE FILES: ../shared is absent, nothing was checked";
  const auto tokenizer = open_tokenizer(unpacked_tokenizer("bert-uncased") / "vocab.txt");
  ASSERT_NE(tokenizer, nullptr);
  CaseWalker walker(*tokenizer, "vocab.txt");
  const Json cases = read_json(reference_models() / "tokenizers" / "bert-uncased" / "cases.json");
  for (const Json& item : cases["cases"]) walk_parsed_case(walker, item);
  EXPECT_GT(walker.checks(), 200U);
}

TEST(ReferenceFiles, sentences_of_minilm_have_their_recorded_ids) {
  if (reference_models().empty()) GTEST_SKIP() << "NO REFERENCE FILES: ../shared is absent, nothing was checked";
  const auto tokenizer = open_tokenizer(unpacked_tokenizer("bert-uncased"));
  ASSERT_NE(tokenizer, nullptr);
  size_t checked = 0;
  const Json expected = read_json(reference_models() / "minilm-embeddings" / "expected.json");
  for (const Json& item : expected["sentences"]) {
    if (item["untruncated_length"] != item["input_ids"].size()) continue;
    const auto ids = tokenizer->encode(item["text"].get<std::string>(), {.add_special = true});
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(ids.value(), item["input_ids"].get<Ids>());
    ++checked;
  }
  EXPECT_GT(checked, 10U);
}

/// Every vocabulary in the folder of models opens and gives back a plain sentence.
TEST(ReferenceFiles, every_checkpoint_and_gguf_file_opens) {
  if (reference_models().empty()) GTEST_SKIP() << "NO REFERENCE FILES: ../shared is absent, nothing was checked";
  std::vector<fs::path> paths = {reference_models() / "real-model"};
  for (const auto& entry : fs::directory_iterator(reference_models() / "models")) {
    if (fs::exists(entry.path() / "bf16" / "tokenizer_config.json")) paths.push_back(entry.path() / "bf16");
  }
  for (const auto& entry : fs::recursive_directory_iterator(reference_models() / "gguf")) {
    if (entry.path().extension() == ".gguf") paths.push_back(entry.path());
  }
  EXPECT_GT(paths.size(), 30U);
  const std::string sentence = "once upon a time there was a model";
  for (const fs::path& path : paths) {
    const auto tokenizer = open_tokenizer(path);
    ASSERT_NE(tokenizer, nullptr);
    const auto ids = tokenizer->encode(sentence, {.add_special = true});
    ASSERT_TRUE(ids.ok()) << path;
    EXPECT_EQ(tokenizer->decode(ids.value(), true), sentence) << path;
  }
}

}  // namespace
}  // namespace kedge::text
