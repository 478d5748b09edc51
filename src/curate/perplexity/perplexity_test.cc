// Goal: probabilities by runs of words are KenLM's, and broken models are refused by line.
// Method: a small ARPA file and KenLM's scores of sentences with known and unknown words (tests/golden/make_arpa.py),
// and the same of binaries of each type (make_kenlm.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "curate/perplexity/ngram_model.h"
#include "curate/perplexity/unigrams.h"

namespace kedge::curate {
namespace {

constexpr const char* kModel = KEDGE_SOURCE_DIR "/tests/golden/ngrams.arpa";

TEST(NgramModel, scores_are_kenlms) {
  const auto model = NgramModel::open(kModel);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/ngrams.json");
  ASSERT_TRUE(golden.ok());
  ASSERT_EQ(golden.value().size(), 60U);
  for (const Json& a_case : golden.value()) {
    const std::string text = a_case["text"].get<std::string>();
    EXPECT_NEAR(model.value()->score(text).log10, a_case["score"].get<double>(), 1e-4) << text;
    const double perplexity = a_case["perplexity"].get<double>();
    EXPECT_NEAR(perplexity_of(*model.value(), text, false), perplexity, 1e-4 * perplexity) << text;
  }
}

constexpr std::array kKenlmKinds = {"probing", "rests", "trie", "quantized", "array", "quantized_array"};

std::string kenlm_file(std::string_view kind) {
  return fmt::format("{}/tests/golden/kenlm_{}.bin", KEDGE_SOURCE_DIR, kind);
}

TEST(KenlmModel, scores_are_kenlms_for_every_type_of_binary) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/kenlm.json");
  ASSERT_TRUE(golden.ok());
  for (const char* kind : kKenlmKinds) {
    const auto model = NgramModel::open(kenlm_file(kind));
    ASSERT_TRUE(model.ok()) << model.error().message;
    const Json& scores = golden.value()["scores"][kind];
    ASSERT_EQ(scores.size(), 40U);
    for (size_t i = 0; i < scores.size(); ++i) {
      const std::string text = golden.value()["texts"][i].get<std::string>();
      EXPECT_NEAR(model.value()->score(text).log10, scores[i].get<double>(), 1e-4) << kind << ": " << text;
    }
  }
}

TEST(KenlmModel, perplexity_of_pieces_is_ccnets) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/kenlm.json");
  ASSERT_TRUE(golden.ok());
  const auto model = NgramModel::open(kenlm_file("pieces"));
  const auto tokenizer = Tokenizer::open(KEDGE_SOURCE_DIR "/tests/golden/kenlm_pieces.sp.model");
  ASSERT_TRUE(model.ok() && tokenizer.ok());
  ASSERT_EQ(golden.value()["pieces"].size(), 24U);
  for (const Json& a_case : golden.value()["pieces"]) {
    const std::string text = a_case["text"].get<std::string>();
    const double expected = a_case["perplexity"].get<double>();
    const auto found = perplexity_of_pieces(*model.value(), *tokenizer.value(), text, true);
    ASSERT_TRUE(found.ok());
    EXPECT_NEAR(found.value(), expected, 1e-4 * expected) << text;
  }
}

TEST(KenlmModel, perplexity_of_pieces_is_data_juicers_to_one_decimal_place) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/kenlm.json");
  const auto model = NgramModel::open(kenlm_file("pieces"));
  const auto tokenizer = Tokenizer::open(KEDGE_SOURCE_DIR "/tests/golden/kenlm_pieces.sp.model");
  ASSERT_TRUE(golden.ok() && model.ok() && tokenizer.ok());
  size_t compared = 0;
  for (const Json& a_case : golden.value()["pieces"]) {
    const std::string text = a_case["text"].get<std::string>();
    if (text.empty() || to_utf8(normalize_as_ccnet(to_codes(text))) != text) continue;  // CCNet's is of another text
    ++compared;
    const auto found = juicer_perplexity(*model.value(), *tokenizer.value(), text);
    ASSERT_TRUE(found.ok());
    EXPECT_NEAR(found.value(), a_case["perplexity"].get<double>(), 0.051) << text;
    EXPECT_NEAR(found.value() * 10, std::round(found.value() * 10), 1e-6);
  }
  EXPECT_GE(compared, 5U);
  EXPECT_EQ(juicer_perplexity(*model.value(), *tokenizer.value(), "").value(), 0);
}

TEST(KenlmModel, cut_and_changed_binaries_are_refused_or_read_within_their_bytes) {
  for (const char* kind : kKenlmKinds) {
    const auto file = read_file(kenlm_file(kind), size_t{1} << 20);
    ASSERT_TRUE(file.ok());
    const size_t words = file.value().find("<unk>");  // the words' own text, which nothing needs, ends the file
    ASSERT_NE(words, std::string::npos);
    for (size_t size = 40; size < words; size += 61) {
      const std::string cut = file.value().substr(0, size);
      EXPECT_FALSE(NgramModel::parse(cut, "m").ok()) << kind << " " << size;
    }
    for (size_t at = 88; at < words; at += 7) {
      std::string changed = file.value();
      for (size_t i = at; i < std::min(at + 9, changed.size()); ++i) changed[i] = static_cast<char>(0xFF);
      const std::string exact(changed.data(), words);
      const auto model = NgramModel::parse(exact, "m");
      if (model.ok()) static_cast<void>(model.value()->score("the ship left harbour at dawn unseen"));
    }
  }
}

TEST(KenlmModel, others_are_refused_by_name) {
  const std::string bytes = read_file(kenlm_file("trie"), size_t{1} << 20).value();
  const auto message = [&](size_t at, char value) {
    std::string changed = bytes;
    changed[at] = value;
    const auto model = NgramModel::parse(changed, "m");
    return model.ok() ? "" : model.error().message;
  };
  EXPECT_EQ(message(49, '4'),
            "m: found 'mmap lm http://kheafield.com/code format version 4', expected format version 5 (build_binary of "
            "KenLM writes it)");
  EXPECT_EQ(message(96, 9), "m: KenLM's model type 9, expected 0 to 5 (probing or trie)");
  EXPECT_EQ(message(104, 7), "m: a trie of version 7, expected version 1");
  EXPECT_EQ(message(88, 11), "m: runs of 11 words, expected 2 to 10");
  EXPECT_NE(message(72, 0).find("another kind of machine"), std::string::npos);
}

TEST(NgramModel, perplexity_of_a_text_counts_every_line_and_its_end) {
  const auto model = NgramModel::open(kModel);
  ASSERT_TRUE(model.ok());
  const auto one = model.value()->score("the ship"), two = model.value()->score("grey sea left");
  EXPECT_EQ(two.tokens, 4U);
  EXPECT_NEAR(perplexity_of(*model.value(), "the ship\ngrey sea left", false),
              std::pow(10, -(one.log10 + two.log10) / 7), 1e-9);
  EXPECT_EQ(normalize_as_ccnet(U"  \u00C9t\u00E9 2020 \u2014 \u201COui\u201D\u2026\u007F\u0661 "),
            U"ete 0000  -  \"oui\"...0");
}

TEST(NgramModel, broken_files_are_refused_by_line) {
  const auto message = [](std::string_view text) {
    const auto model = NgramModel::parse(text, "m");
    return model.ok() ? "" : model.error().message;
  };
  const std::string head = "\\data\\\nngram 1=2\n\n\\1-grams:\n-1 <s>\n-1 </s>\n";
  EXPECT_EQ(message(head + "\n\\end\\\n"), "");
  EXPECT_NE(message(head).find("expected \\end\\"), std::string::npos);
  EXPECT_NE(message("words").find("expected an ARPA file"), std::string::npos);
  EXPECT_NE(message("\\data\\\nngram 1=2\n\\1-grams:\n1 a\n").find("line 4: found '1 a'"), std::string::npos);
  EXPECT_NE(message("\\data\\\nngram 1=3\n\\1-grams:\n-1 <s>\n-1 </s>\n\\end\\").find("expected 3"), std::string::npos);
  EXPECT_NE(message("\\data\\\nngram 1=1\n\\1-grams:\n-1 <s>\n\\end\\").find("no </s>"), std::string::npos);
  EXPECT_NE(message("\\data\\\nngram 1=1\nngram 2=1\n\\1-grams:\n-1 <s>\n\\2-grams:\n-1 <s> b\n").find("line 7"),
            std::string::npos);
  const auto whole = MappedFile::open(kModel);
  ASSERT_TRUE(whole.ok());
  const std::string text(reinterpret_cast<const char*>(whole.value()->bytes().data()), whole.value()->bytes().size());
  for (size_t size = 0; size + 8 < text.size(); size += 101) EXPECT_NE(message(text.substr(0, size)), "") << size;
}

TEST(Unigrams, the_mean_counts_tokens_and_what_is_not_listed) {
  const auto unigrams = Unigrams::parse("word,count\r\nthe,60\nship,30\n.,10\n", "u");
  ASSERT_TRUE(unigrams.ok()) << unigrams.error().message;
  const double expected = (std::log(0.6) + std::log(0.3) + std::log(1e-9) + std::log(0.1)) / 4;
  EXPECT_NEAR(unigrams.value()->mean_log_probability(U"The  ship\nsank."), expected, 1e-12);
  EXPECT_EQ(unigrams.value()->mean_log_probability(U" \n "), 0);
  const auto message = [](std::string_view csv) {
    const auto made = Unigrams::parse(csv, "u");
    return made.ok() ? "" : made.error().message;
  };
  EXPECT_NE(message("a,b\n").find("line 1: found 'a,b', expected word,count"), std::string::npos);
  for (const char* line : {"the", "the,", "the,x", ",4", "the,-1", "the,99999999999999999999"}) {
    EXPECT_NE(message(std::string("word,count\n") + line).find("line 2"), std::string::npos) << line;
  }
  EXPECT_NE(message("word,count\n").find("no counts"), std::string::npos);
}

}  // namespace
}  // namespace kedge::curate
