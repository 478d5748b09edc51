// Goal: steps that ask models write what the models say, keep what their bounds allow, and drop with the reason what a
// model cannot take. Method: a model of which every answer follows from the text's length.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "curate/pipeline/step.h"
#include "curate/text_model.h"

namespace kedge::curate {
namespace {

class LengthModel final : public TextModel {
 public:
  [[nodiscard]] Result<std::vector<float>> embedding(std::string_view text) const override {
    if (text.empty()) return Error{ErrorKind::invalid_input, "nothing to embed"};
    return std::vector<float>{static_cast<float>(text.size()), 0.5F};
  }
  [[nodiscard]] Result<Likelihood> likelihood(std::string_view text) const override {
    return Likelihood{-2.0 * static_cast<double>(text.size()), text.size()};
  }
  [[nodiscard]] size_t tokens_max() const override { return 512; }
  /// Tokens are bytes here.
  [[nodiscard]] Result<double> score(std::string_view text, size_t tokens_max) const override {
    return static_cast<double>(tokens_max > 0 ? std::min(tokens_max, text.size()) : text.size()) - 3;
  }
};

Result<std::unique_ptr<Step>> step_of(std::string_view op, const Json& settings) {
  set_model_opener([](const std::string& name) -> Result<std::shared_ptr<const TextModel>> {
    if (name == "model.gguf") return std::shared_ptr<const TextModel>(std::make_shared<LengthModel>());
    return Error{ErrorKind::not_found, name + ": no such file"};
  });
  OptionReader options(settings, std::string(op));
  return find_operator(op)->make(options, "");
}

Outcome outcome_of(const Step& step, std::string text) {
  data::Document document;
  document.text = std::move(text);
  return step.apply(document);
}

TEST(ModelSteps, embeddings_stand_beside_the_text) {
  const auto step = step_of("embed", {{"model", "model.gguf"}});
  ASSERT_TRUE(step.ok());
  const Outcome outcome = outcome_of(*step.value(), "four");
  ASSERT_EQ(outcome.members.size(), 1U);
  EXPECT_EQ(outcome.members[0], std::pair(std::string("embedding"), std::string("[4,0.5]")));
  const Outcome refused = outcome_of(*step.value(), "");
  EXPECT_FALSE(refused.keep);
  EXPECT_EQ(refused.reason, "model: nothing to embed");
}

TEST(ModelSteps, scores_have_bounds) {
  const auto step = step_of("score", {{"model", "model.gguf"}, {"min", 0}, {"max", 2}});
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(outcome_of(*step.value(), "ab").reason, "score too low");
  EXPECT_TRUE(outcome_of(*step.value(), "abcd").keep);
  EXPECT_EQ(outcome_of(*step.value(), "abcdef").reason, "score too high");
}

// NeMo Curator cuts by code points before it asks for tokens.
TEST(ModelSteps, a_head_is_shown_the_beginning) {
  const auto characters = step_of("score", {{"model", "model.gguf"}, {"max_chars", 5}});
  ASSERT_TRUE(characters.ok()) << characters.error().message;
  EXPECT_EQ(outcome_of(*characters.value(), "ab\xC3\xA9").values[0].second, 1);
  EXPECT_EQ(outcome_of(*characters.value(),
                       "ab\xC3\xA9"
                       "de")
                .values[0]
                .second,
            3);
  EXPECT_EQ(outcome_of(*characters.value(),
                       "ab\xC3\xA9"
                       "defgh")
                .values[0]
                .second,
            3);
  const auto tokens = step_of("score", {{"model", "model.gguf"}, {"max_tokens", 4}});
  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  EXPECT_EQ(outcome_of(*tokens.value(), "abcdefgh").values[0].second, 1);
  const auto many = step_of("score", {{"model", "model.gguf"}, {"max_tokens", 513}});
  ASSERT_FALSE(many.ok());
  EXPECT_NE(many.error().message.find("max_tokens"), std::string::npos) << many.error().message;
  EXPECT_NE(many.error().message.find("512"), std::string::npos) << many.error().message;
}

/// Logits of three labels: 0, the text's length less 3, and 1.
class HeadModel final : public TextModel {
 public:
  explicit HeadModel(bool multi_label) : multi_label_(multi_label) {}
  [[nodiscard]] Result<std::vector<float>> embedding(std::string_view) const override { return Error{}; }
  [[nodiscard]] Result<Likelihood> likelihood(std::string_view) const override { return Error{}; }
  [[nodiscard]] Result<double> score(std::string_view, size_t) const override { return Error{}; }
  [[nodiscard]] Head head() const override { return {{"Low", "Medium", "High"}, multi_label_}; }
  [[nodiscard]] Result<std::vector<float>> logits(std::string_view text, size_t) const override {
    return std::vector<float>{0, static_cast<float>(text.size()) - 3, 1};
  }

 private:
  bool multi_label_;
};

Result<std::unique_ptr<Step>> head_step(bool multi_label, const Json& settings) {
  set_model_opener([multi_label](const std::string&) -> Result<std::shared_ptr<const TextModel>> {
    return std::shared_ptr<const TextModel>(std::make_shared<HeadModel>(multi_label));
  });
  OptionReader options(settings, "classify");
  return find_operator("classify")->make(options, "");
}

TEST(ModelSteps, a_head_of_several_labels_keeps_by_label_or_by_probability) {
  const double sum = 1 + std::exp(2) + std::exp(1);
  const auto by_label = head_step(false, {{"model", "/tmp"}, {"keep", {"Medium", "Low"}}});
  ASSERT_TRUE(by_label.ok()) << by_label.error().message;
  const Outcome medium = outcome_of(*by_label.value(), "fives");
  EXPECT_TRUE(medium.keep);
  ASSERT_EQ(medium.members.size(), 2U);
  EXPECT_EQ(medium.members[0].second, R"("Medium")");
  EXPECT_NEAR(medium.values[0].second, std::exp(2) / sum, 1e-12);
  EXPECT_EQ(outcome_of(*by_label.value(), "abc").reason, "class High");
  const auto by_share = head_step(false, {{"model", "/tmp"}, {"label", "High"}, {"min", 0.5}});
  EXPECT_NEAR(outcome_of(*by_share.value(), "fives").values[0].second, std::exp(1) / sum, 1e-12);
  EXPECT_EQ(outcome_of(*by_share.value(), "fives").reason, "score below the least");
  EXPECT_TRUE(outcome_of(*by_share.value(), "").keep);
}

TEST(ModelSteps, labels_of_which_several_hold_are_a_list) {
  const auto step = head_step(true, {{"model", "/tmp"}, {"keep", "Medium"}});
  ASSERT_TRUE(step.ok()) << step.error().message;
  const Outcome two = outcome_of(*step.value(), "fives");
  EXPECT_EQ(two.members[0].second, R"(["Low","Medium","High"])");
  EXPECT_TRUE(two.keep);
  EXPECT_NEAR(two.values[0].second, 1 / (1 + std::exp(-2)), 1e-12);
  EXPECT_FALSE(outcome_of(*step.value(), "a").keep);
  EXPECT_NE(head_step(true, {{"model", "/tmp"}, {"keep", "Best"}}).error().message.find("Low, Medium, High"),
            std::string::npos);
}

TEST(ModelSteps, perplexity_by_a_language_model) {
  const auto step = step_of("perplexity", {{"model", "model.gguf"}, {"max", 7}});
  ASSERT_TRUE(step.ok());
  const Outcome outcome = outcome_of(*step.value(), "some text");
  EXPECT_DOUBLE_EQ(outcome.values.front().second, std::exp(2.0));
  EXPECT_EQ(outcome.reason, "too unlikely");
}

TEST(ModelSteps, a_model_that_is_not_there_is_named) {
  for (const char* op : {"embed", "score"}) {
    EXPECT_NE(step_of(op, {{"model", "other"}}).error().message.find("other: no such file"), std::string::npos);
    EXPECT_NE(step_of(op, Json::object()).error().message.find("model: not there"), std::string::npos);
  }
}

}  // namespace
}  // namespace kedge::curate
