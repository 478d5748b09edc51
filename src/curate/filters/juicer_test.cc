// Goal: data-juicer's statistics by words and special characters, and its text of pages, are its own.
// Method: texts and pages with what its operators made of them (tests/golden/make_juicer.py); its recipes.
#include "curate/filters/juicer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "core/json.h"
#include "curate/clean/html_text.h"
#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

class JuicerTest : public ::testing::Test {
 protected:
  JuicerTest() : folder_(fs::temp_directory_path() / ("kedge-juicer-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    const auto read = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/juicer.json");
    EXPECT_TRUE(read.ok());
    if (read.ok()) golden_ = read.value();
    for (const char* kind : {"stopwords", "flagged_words"}) {
      std::ofstream(folder_ / (std::string("my_") + kind + ".json")) << golden_[kind];
    }
  }
  ~JuicerTest() override { fs::remove_all(folder_); }

  /// The step that a recipe's operator becomes; or why not.
  Result<Stages> stages_of(const std::string& recipe) const {
    KEDGE_ASSIGN(Pipeline pipeline, parse_pipeline("process: [" + recipe + "]", "j"));
    pipeline.folder = folder_;
    return make_stages(pipeline);
  }

  fs::path folder_;
  Json golden_;
};

TEST_F(JuicerTest, statistics_are_its_own) {
  ASSERT_EQ(golden_["made"].size(), 7U);
  for (const Json& made : golden_["made"]) {
    Json settings = made["settings"];
    const auto name = made["statistic"].get<std::string>();
    settings.update({{"profile", "data-juicer"}, {"limits", {{name, {{"min", 0}}}}}});
    settings.update({{"stopwords_dir", "."}, {"flagged_words_dir", "."}});
    Pipeline pipeline;
    pipeline.folder = folder_;
    pipeline.steps.push_back({"filter", settings, "filter"});
    const auto stages = make_stages(pipeline);
    ASSERT_TRUE(stages.ok()) << stages.error().message;
    for (size_t i = 0; i < golden_["texts"].size(); ++i) {
      data::Document document{"1", golden_["texts"][i].get<std::string>(), ""};
      const Outcome outcome = stages.value().stages[0].steps[0]->apply(document);
      EXPECT_DOUBLE_EQ(outcome.values.at(0).second, made["values"][i].get<double>()) << name << " of text " << i;
    }
  }
}

TEST_F(JuicerTest, text_of_pages_is_its_own) {
  for (size_t i = 0; i < golden_["pages"].size(); ++i) {
    EXPECT_EQ(to_utf8(html_text(to_codes(golden_["pages"][i].get<std::string>()))), golden_["plain"][i]) << i;
  }
}

TEST_F(JuicerTest, recipes_are_read_or_say_what_to_supply) {
  for (const char* recipe :
       {"word_repetition_filter: {rep_len: 5}", "special_characters_filter", "clean_html_mapper",
        "stopwords_filter: {stopwords_dir: ., min_ratio: 0.1}",
        "flagged_words_filter: {flagged_words_dir: ., lang: all, use_words_aug: true, words_aug_group_sizes: [2]}"}) {
    const auto stages = stages_of("{" + std::string(recipe) + (std::strchr(recipe, ':') ? "}" : ": }"));
    EXPECT_TRUE(stages.ok()) << recipe << ": " << stages.error().message;
  }
  const auto message = [&](const std::string& recipe) { return stages_of(recipe).error().message; };
  EXPECT_NE(message("stopwords_filter").find("put them into a folder as stopwords.json"), std::string::npos);
  EXPECT_NE(message("flagged_words_filter").find("name it as flagged_words_dir"), std::string::npos);
  EXPECT_NE(message("{stopwords_filter: {stopwords_dir: nowhere}}").find("found no file *stopwords*.json"),
            std::string::npos);
  EXPECT_NE(message("{stopwords_filter: {stopwords_dir: ., lang: fr}}").find("found no words of language 'fr'"),
            std::string::npos);
  EXPECT_NE(message("{perplexity_filter: {lang: de}}").find("(de.arpa.bin, KenLM's) and tokenizer (de.sp.model"),
            std::string::npos);
  EXPECT_NE(message("{word_repetition_filter: {tokenization: true}}").find("tokenization has no counterpart"),
            std::string::npos);
}

}  // namespace
}  // namespace kedge::curate
