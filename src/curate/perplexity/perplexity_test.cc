// Goal: probabilities by runs of words are KenLM's, and broken models are refused by line.
// Method: a small ARPA file and KenLM's scores of sentences with known and unknown words (tests/golden/make_arpa.py).
#include <gtest/gtest.h>

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
  EXPECT_NE(message("mmap lm http://kheafield.com").find("expected its ARPA text"), std::string::npos);
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
