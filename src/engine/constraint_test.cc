// Goal: answers keep to a request's constraint, end when nothing may follow, and are the same for the same seed.
// Method: the demo model with constraints of several kinds; what it would say freely does not matter.

#include <gtest/gtest.h>

#include <future>

#include "core/json.h"
#include "kedge/engine.h"

namespace kedge {
namespace {

class ConstraintTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto opened = Engine::open(std::string(KEDGE_SOURCE_DIR) + "/demo/model", {.thread_count = 2});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    engine_ = std::move(opened).value();
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static Request request(Constraint constraint, uint32_t new_tokens_max = 300) {
    Request made{.prompt_tokens = {300, 301, 302}, .new_tokens_max = new_tokens_max};
    made.sampling.temperature = 1.3F;
    made.sampling.seed = 5;
    made.constraint = std::move(constraint);
    return made;
  }

  struct Answer {
    std::string text;
    FinishReason finish = FinishReason::none;
  };

  static std::vector<Answer> run(const Request& made) {
    std::vector<Answer> answers(made.sequence_count);
    std::promise<void> done;
    const auto id = engine_->submit(
        made,
        [&](const TokenEvent& event) {
          answers[event.sequence_index].text += event.text;
          if (event.finish != FinishReason::none) answers[event.sequence_index].finish = event.finish;
        },
        [&](const RequestTimings&) { done.set_value(); });
    EXPECT_TRUE(id.ok()) << id.error().message;
    if (id.ok()) done.get_future().wait();
    return answers;
  }

  static std::unique_ptr<Engine> engine_;
};

std::unique_ptr<Engine> ConstraintTest::engine_;

TEST_F(ConstraintTest, holds_for_every_answer) {
  Request made = request({ConstraintKind::json_schema,
                          R"({"properties": {"a": {"type": "integer", "maximum": 99}, "b": {"enum": ["x", "y"]}},
                              "required": ["a", "b"]})"});
  made.sequence_count = 3;
  const std::vector<Answer> answers = run(made), again = run(made);
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& answer = answers[i];
    EXPECT_EQ(answer.finish, FinishReason::stop);
    const Result<Json> json = parse_json(answer.text, "answer");
    ASSERT_TRUE(json.ok()) << answer.text;
    EXPECT_LE(json.value()["a"].get<int>(), 99);
    EXPECT_EQ(answer.text, again[i].text);
  }
}

TEST_F(ConstraintTest, ends_where_nothing_may_follow) {
  Request made = request({ConstraintKind::choice, R"(["yes", "no"])"});
  made.ignore_eos = true;
  const Answer answer = run(made)[0];
  EXPECT_TRUE(answer.text == "yes" || answer.text == "no") << answer.text;
  EXPECT_EQ(answer.finish, FinishReason::stop);
}

TEST_F(ConstraintTest, may_be_cut_by_the_length) {
  EXPECT_EQ(run(request({ConstraintKind::regex, "[a-z]{500}"}, 3))[0].finish, FinishReason::length);
}

TEST_F(ConstraintTest, greedy_and_narrow_sampling_keep_to_it) {
  Request made = request({ConstraintKind::regex, "[0-9]{4}-[0-9]{2}"});
  made.sampling.temperature = 0;
  EXPECT_EQ(run(made)[0].text.size(), 7U);
  made.sampling.temperature = 1;
  made.sampling.top_k = 2;
  EXPECT_EQ(run(made)[0].text.size(), 7U);
  made.sampling.top_k = 0;
  made.sampling.top_p = 0.1F;
  made.sampling.repetition_penalty = 1.5F;
  EXPECT_EQ(run(made)[0].text.size(), 7U);
}

TEST_F(ConstraintTest, a_wrong_one_is_refused_before_it_runs) {
  const Constraint wrong{ConstraintKind::gbnf, "root ::= (\"a\""};
  const auto id = engine_->submit(request(wrong), {}, {});
  ASSERT_FALSE(id.ok());
  EXPECT_EQ(id.error().kind, ErrorKind::invalid_input);
  EXPECT_FALSE(engine_->prepare(wrong).ok());
  EXPECT_TRUE(engine_->prepare({ConstraintKind::json_object, ""}).ok());
}

}  // namespace
}  // namespace kedge
