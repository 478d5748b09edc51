// Goal: models with runs of words are read as fastText reads them, and those trained here are such models.
// Method: a model of fastText's and its own probabilities (tests/golden/make_fasttext_runs.py); two kinds of made-up
// sentences, told apart by words or by their order alone.
#include "curate/language/classifier.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "core/file.h"
#include "core/json.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

TEST(Classifier, runs_of_words_count_as_in_fasttext) {
  const auto model = open_classifier(KEDGE_SOURCE_DIR "/tests/golden/fasttext_runs.bin");
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/fasttext_runs.json");
  ASSERT_TRUE(golden.ok());
  ASSERT_EQ(golden.value().size(), 45U);
  for (const Json& a_case : golden.value()) {
    const std::string text = a_case["text"].get<std::string>();
    const Language best = model.value()->identify(text);
    for (size_t i = 0; i < model.value()->labels().size(); ++i) {
      const std::string& label = model.value()->labels()[i];
      EXPECT_NEAR(model.value()->score_of(text, i), a_case["scores"][label].get<double>(), 2e-5) << text << label;
      EXPECT_GE(best.score, model.value()->score_of(text, i) - 1e-9);
    }
  }
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

/// A file of fastText's with vectors of one number: entries as (word, is a label), pruned rows as (from, to).
std::string model_of(const std::vector<std::pair<std::string, bool>>& entries,
                     const std::vector<std::pair<int32_t, int32_t>>& pruned, int32_t bucket, int64_t rows) {
  std::string out;
  const auto labels = static_cast<int32_t>(std::ranges::count_if(entries, [](const auto& e) { return e.second; }));
  for (const int32_t value : {793712314, 12, 1, 5, 5, 1, 5, 1, 3, 3, bucket, 2, 3, 100}) put(out, value);
  put(out, 1e-4);
  put(out, static_cast<int32_t>(entries.size()));
  put(out, static_cast<int32_t>(entries.size()) - labels);
  put(out, labels);
  put(out, int64_t{10});
  put(out, pruned.empty() ? int64_t{-1} : static_cast<int64_t>(pruned.size()));
  for (const auto& [word, is_label] : entries) {
    out += word + '\0';
    put(out, int64_t{1});
    out += is_label ? '\1' : '\0';
  }
  for (const auto& [from, to] : pruned) {
    put(out, from);
    put(out, to);
  }
  for (const int64_t count : {rows, int64_t{labels}}) {
    out += '\0';
    put(out, count);
    put(out, int64_t{1});
    for (int64_t i = 0; i < count; ++i) put(out, 1.0F);
  }
  return out;
}

TEST(Classifier, rows_that_the_matrix_lacks_are_refused) {
  const fs::path path = fs::temp_directory_path() / ("kedge_model_" + std::to_string(::getpid()));
  const auto opens = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    const auto model = open_classifier(path);
    fs::remove(path);
    if (model.ok()) static_cast<void>(model.value()->identify("w some words"));
    return model.ok();
  };
  EXPECT_TRUE(opens(model_of({{"w", false}, {"__label__a", true}, {"__label__b", true}}, {}, 0, 1)));
  std::vector<std::pair<std::string, bool>> late(4000, {"__label__a", true});
  late.emplace_back("w", false);  // its index would be that of row 4000
  EXPECT_FALSE(opens(model_of(late, {}, 0, 1)));
  // One bucket said twice, and its last row behind the matrix.
  EXPECT_TRUE(opens(model_of({{"w", false}, {"__label__a", true}}, {{0, 0}, {0, 1}}, 1, 3)));
  EXPECT_FALSE(opens(model_of({{"w", false}, {"__label__a", true}}, {{0, 0}, {0, 1}}, 1, 2)));
}

class TrainTest : public testing::Test {
 protected:
  TrainTest() : path_(fs::temp_directory_path() / ("kedge_train_" + std::to_string(::getpid()))) {}
  ~TrainTest() override { fs::remove(path_); }

  static std::vector<LabelledText> texts(size_t count, unsigned seed, bool by_order) {
    std::mt19937 random(seed);
    std::vector<LabelledText> made;
    for (size_t i = 0; i < count; ++i) {
      const bool first = random() % 2 == 0;
      std::string text;
      for (int w = 0; w < 12; ++w) {
        const std::string number = std::to_string(random() % 20);
        if (by_order) {
          text += first ? "left right " : "right left ";
          if (w % 3 == 2) text += "w" + number + " ";
        } else {
          text += (random() % 4 == 0 ? "w" : first ? "a" : "b") + number + " ";
        }
      }
      made.push_back({first ? "first" : "second", text});
    }
    return made;
  }

  double accuracy(const std::vector<LabelledText>& of) {
    const auto model = open_classifier(path_);
    EXPECT_TRUE(model.ok()) << model.error().message;
    if (!model.ok()) return 0;
    size_t right = 0;
    for (const LabelledText& text : of) right += model.value()->identify(text.text).code == text.label ? 1 : 0;
    return static_cast<double>(right) / static_cast<double>(of.size());
  }
  std::string bytes() {
    const auto file = MappedFile::open(path_);
    EXPECT_TRUE(file.ok());
    return {reinterpret_cast<const char*>(file.value()->bytes().data()), file.value()->bytes().size()};
  }

  fs::path path_;
};

TEST_F(TrainTest, words_are_learned_by_both_losses_and_to_the_same_bytes) {
  for (const auto loss : {TrainOptions::Loss::softmax, TrainOptions::Loss::hierarchical}) {
    const TrainOptions options = {.loss = loss, .dimension = 10};
    const auto trained = train_classifier(texts(400, 1, false), options, path_, {}, {});
    ASSERT_TRUE(trained.ok()) << trained.error().message;
    EXPECT_EQ(trained.value().labels, 2U);
    EXPECT_LT(trained.value().loss, 0.4);
    EXPECT_GT(accuracy(texts(200, 2, false)), 0.97);
    const std::string once = bytes();
    ASSERT_TRUE(train_classifier(texts(400, 1, false), options, path_, {}, {}).ok());
    EXPECT_TRUE(once == bytes());
  }
}

TEST_F(TrainTest, order_is_learned_from_runs_of_words_alone) {
  TrainOptions options = {.dimension = 10, .epochs = 20, .learning_rate = 0.5, .bucket_count = 1000};
  ASSERT_TRUE(train_classifier(texts(400, 1, true), options, path_, {}, {}).ok());
  EXPECT_LT(accuracy(texts(200, 2, true)), 0.7);
  options.word_ngrams = 2;
  ASSERT_TRUE(train_classifier(texts(400, 1, true), options, path_, {}, {}).ok());
  EXPECT_GT(accuracy(texts(200, 2, true)), 0.97);
  options.word_ngrams = 1;
  options.piece_min = options.piece_max = 3;
  ASSERT_TRUE(train_classifier(texts(400, 1, false), options, path_, {}, {}).ok());
  EXPECT_GT(accuracy(texts(200, 2, false)), 0.95);
}

TEST_F(TrainTest, what_cannot_be_trained_is_said) {
  const auto message = [&](const std::vector<LabelledText>& of, const TrainOptions& options) {
    const auto trained = train_classifier(of, options, path_, {}, {});
    return trained.ok() ? "" : trained.error().message;
  };
  EXPECT_NE(message({{"a", "x"}, {"a", "y"}}, {}).find("found 1 different ones"), std::string::npos);
  EXPECT_NE(message({{"a", "x"}, {"b", "y"}}, {.word_count_min = 5}).find("--min-count"), std::string::npos);
  EXPECT_NE(message({{"a", "x"}, {"b", "y"}}, {.dimension = 4096, .word_ngrams = 2, .bucket_count = 1'000'000'000})
                .find("bytes, at most"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace kedge::curate
