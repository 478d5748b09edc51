// Goal: steps that ask models write what the models say, keep what their bounds allow, and drop with the reason what a
// model cannot take. Method: a model of which every answer follows from the text's length.

#include <gtest/gtest.h>

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
  [[nodiscard]] Result<double> score(std::string_view text) const override {
    return static_cast<double>(text.size()) - 3;
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
