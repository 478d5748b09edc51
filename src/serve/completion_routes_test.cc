// Goal: /v1/completions takes every form of prompt and answers as OpenAI's API does, echo and log-probabilities too.
// Method: a scripted engine behind a real server; exact answers, and a table of wrong fields.
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::ElementsAre;

class CompletionRoutesTest : public ServerTest {};

TEST_F(CompletionRoutesTest, answers_a_text) {
  start();
  const ApiAnswer answer = post(kCompletions, {{"prompt", "ab"}, {"model", "fake"}});
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_TRUE(answer.json["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(answer.json["object"], "text_completion");
  EXPECT_EQ(answer.json["choices"][0],
            (Json{{"index", 0}, {"text", "Hello!"}, {"logprobs", nullptr}, {"finish_reason", "stop"}}));
  EXPECT_EQ(answer.json["usage"]["prompt_tokens"], 3);
  EXPECT_THAT(engine().last_request().prompt_tokens, ElementsAre(kFakeBos, 'a', 'b'));
  EXPECT_EQ(engine().last_request().new_tokens_max, 16U);
}

TEST_F(CompletionRoutesTest, every_form_of_prompt) {
  start();
  post(kCompletions, {{"prompt", {97, 98}}});
  EXPECT_THAT(engine().last_request().prompt_tokens, ElementsAre('a', 'b'));
  post(kCompletions, {{"prompt", ""}});
  EXPECT_THAT(engine().last_request().prompt_tokens, ElementsAre(kFakeBos));
  Json body = {{"prompt", Json::array({"a", "bc"})}, {"n", 2}};
  const Json texts = post(kCompletions, body).json;
  ASSERT_EQ(texts["choices"].size(), 4U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(texts["choices"][i]["index"], i);
    EXPECT_EQ(texts["choices"][i]["text"], "Hello!" + std::to_string(i % 2));
  }
  EXPECT_EQ(texts["usage"]["prompt_tokens"], 2 + 3);
  EXPECT_EQ(texts["usage"]["completion_tokens"], 4 * 7);
  body = {{"prompt", {{97}, {98, 99}}}};
  EXPECT_EQ(post(kCompletions, body).json["choices"].size(), 2U);
}

TEST_F(CompletionRoutesTest, streams) {
  start();
  const std::vector<std::string> events = stream(kCompletions, {{"prompt", Json::array({"a", "b"})}});
  std::map<int, std::string> texts;
  std::map<int, int> finished;
  for (const std::string& event : events) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event, "chunk").value()["choices"][0];
    texts[choice["index"].get<int>()] += choice["text"].get<std::string>();
    if (choice["finish_reason"] == "stop") ++finished[choice["index"].get<int>()];
  }
  EXPECT_EQ(texts[0], "Hello!");
  EXPECT_EQ(texts[1], "Hello!");
  EXPECT_EQ(finished[0], 1);
  EXPECT_EQ(finished[1], 1);
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(CompletionRoutesTest, echo_with_log_probabilities) {
  start();
  engine().set_answer("xy");
  const Json body = {{"prompt", "a\xC3\xA9"}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 2}};
  const Json choice = post(kCompletions, body).json["choices"][0];
  EXPECT_EQ(choice["text"], "a\xC3\xA9xy");
  const Json& logprobs = choice["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json::array({"<s>", "a", "bytes:\\xc3", "bytes:\\xa9", "x", "y"}));
  EXPECT_EQ(logprobs["token_logprobs"], Json::array({nullptr, -0.5, -0.5, -0.5, -0.5, -0.5}));
  EXPECT_EQ(logprobs["text_offset"], Json::array({0, 0, 1, 2, 2, 3}));
  EXPECT_EQ(logprobs["top_logprobs"][0], nullptr);
  EXPECT_EQ(logprobs["top_logprobs"][1], (Json{{"a", -0.5}}));
  std::string streamed;
  size_t tokens = 0;
  for (const std::string& event : stream(kCompletions, body)) {
    if (event == "[DONE]") continue;
    const Json part = parse_json(event, "chunk").value()["choices"][0];
    streamed += part["text"].get<std::string>();
    tokens += part["logprobs"]["tokens"].size();
  }
  EXPECT_EQ(streamed, "a\xC3\xA9xy");
  EXPECT_EQ(tokens, 6U);
}

TEST_F(CompletionRoutesTest, only_the_prompt) {
  start();
  const Json body = {{"prompt", {97, 98}}, {"echo", true}, {"logprobs", 0}, {"max_tokens", 0}};
  const Json choice = post(kCompletions, body).json["choices"][0];
  EXPECT_EQ(choice["text"], "ab");
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["logprobs"]["tokens"], Json::array({"a", "b"}));
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][1], (Json{{"b", -0.5}}));
}

TEST_F(CompletionRoutesTest, wrong_fields_are_named) {
  start();
  const std::pair<Json, std::string> cases[] = {
      {{{"prompt", nullptr}}, "prompt"},
      {{{"prompt", 5}}, "prompt"},
      {{{"prompt", Json::array()}}, "prompt"},
      {{{"prompt", Json::array({"a", 5})}}, "prompt[1]"},
      {{{"prompt", Json::array({5, "a"})}}, "prompt[1]"},
      {{{"prompt", Json::array({Json::array()})}}, "prompt[0]"},
      {{{"prompt", {-1}}}, "prompt[0]"},
      {{{"prompt", {300}}}, "prompt"},
      {{{"prompt", std::string(1001, 'x')}}, "prompt"},
      {{{"suffix", "end"}}, "suffix"},
      {{{"best_of", 2}}, "best_of"},
      {{{"echo", 1}}, "echo"},
      {{{"logprobs", true}}, "logprobs"},
      {{{"logprobs", 21}}, "logprobs"},
  };
  for (const auto& [change, param] : cases) {
    Json body = {{"prompt", "a"}};
    body.update(change);
    const ApiAnswer answer = post(kCompletions, body);
    EXPECT_EQ(answer.status, 400) << to_text(change).substr(0, 80);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
  }
  EXPECT_EQ(post(kCompletions, {{"prompt", "a"}, {"suffix", ""}, {"best_of", 1}}).status, 200);
}

TEST_F(CompletionRoutesTest, beam_search_as_the_engine_takes_it) {
  start();
  const Json body = {{"prompt", "a"},         {"use_beam_search", true}, {"n", 2},
                     {"best_of", 5},          {"length_penalty", 0.5},   {"early_stopping", true},
                     {"stop_token_ids", {98}}};
  EXPECT_EQ(post(kCompletions, body).json["choices"].size(), 2U);
  const Request asked = engine().last_request();
  ASSERT_TRUE(asked.beams.has_value());
  EXPECT_EQ(asked.sequence_count, 2U);
  EXPECT_EQ(asked.beams->width, 5U);
  EXPECT_EQ(asked.beams->length_penalty, 0.5F);
  EXPECT_TRUE(asked.beams->early_stopping);
  EXPECT_EQ(post(kCompletions, {{"prompt", "a"}, {"use_beam_search", true}, {"n", 3}}).status, 200);
  EXPECT_EQ(engine().last_request().beams->width, 3U);
  EXPECT_EQ(post(kCompletions, {{"prompt", "a"}, {"length_penalty", 2}}).status, 200);
  EXPECT_FALSE(engine().last_request().beams.has_value());
}

TEST_F(CompletionRoutesTest, what_does_not_go_with_beams_is_named) {
  start();
  const std::pair<Json, std::string> cases[] = {
      {{{"n", 3}, {"best_of", 2}}, "best_of"},
      {{{"best_of", 51}}, "best_of"},
      {{{"n", 51}}, "n"},
      {{{"stop", "x"}}, "stop"},
      {{{"guided_regex", "a*"}}, "guided_regex"},
      {{{"echo", true}, {"logprobs", 1}}, "echo"},
      {{{"length_penalty", "long"}}, "length_penalty"},
  };
  for (const auto& [change, param] : cases) {
    Json body = {{"prompt", "a"}, {"use_beam_search", true}};
    body.update(change);
    const ApiAnswer answer = post(kCompletions, body);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
  }
}

}  // namespace
}  // namespace kedge::serve
