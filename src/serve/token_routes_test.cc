// Goal: texts become ids and prompts as vLLM's and llama-server's routes give them, and nothing is computed.
// Method: a tokenizer of bytes and a template of lines; whole answers and a table of wrong fields.
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

class TokenRoutesTest : public ServerTest {};

TEST_F(TokenRoutesTest, tokenizes_a_prompt) {
  start();
  const ApiAnswer answer = post("/tokenize", {{"model", "fake"}, {"prompt", "ab"}});
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json,
            (Json{{"count", 3}, {"max_model_len", 1000}, {"tokens", {256, 97, 98}}, {"token_strs", nullptr}}));
  const Json plain = post("/tokenize", {{"prompt", "ab"}, {"add_special_tokens", false}}).json;
  EXPECT_EQ(plain["tokens"], (Json{97, 98}));
  const Json texts = post("/tokenize", {{"prompt", ""}, {"return_token_strs", true}}).json;
  EXPECT_EQ(texts["token_strs"], Json::array({"<s>"}));
}

TEST_F(TokenRoutesTest, tokenizes_content_as_llama_server_does) {
  start();
  EXPECT_EQ(post("/tokenize", {{"content", "ab"}}).json["tokens"], (Json{97, 98}));
  EXPECT_EQ(post("/tokenize", {{"content", "ab"}, {"add_special", true}}).json["tokens"], (Json{256, 97, 98}));
}

TEST_F(TokenRoutesTest, tokenizes_messages_through_the_template) {
  start();
  Json body = hello();
  const std::string prompt = "<s>user: Hi\nassistant: ";
  EXPECT_EQ(post("/tokenize", body).json["count"], prompt.size());
  body["add_generation_prompt"] = false;
  const Json answer = post("/tokenize", body).json;
  EXPECT_EQ(answer["count"], std::string("<s>user: Hi\n").size());
  EXPECT_EQ(answer["tokens"][0], '<') << "the fake template's BOS is text";
  body["add_special_tokens"] = true;
  EXPECT_EQ(post("/tokenize", body).json["tokens"][0], kFakeBos);
  // A count is what one asks for to learn that a prompt is too long.
  body["messages"][0]["content"] = std::string(2000, 'a');
  EXPECT_EQ(post("/tokenize", body).json["count"], 2011);
}

TEST_F(TokenRoutesTest, detokenizes) {
  start();
  const ApiAnswer answer = post("/detokenize", {{"tokens", {'H', 'i'}}});
  EXPECT_EQ(answer.json, (Json{{"prompt", "Hi"}, {"content", "Hi"}}));
  EXPECT_EQ(post("/detokenize", {{"tokens", Json::array()}}).json["prompt"], "");
}

TEST_F(TokenRoutesTest, encoders_have_tokens_too) {
  start(ModelKind::embedder);
  EXPECT_EQ(post("/tokenize", {{"prompt", "ab"}}).json["count"], 3);
  const ApiAnswer chat = post("/tokenize", hello());
  EXPECT_EQ(chat.status, 400);
  EXPECT_EQ(chat.error_param(), "model");
}

TEST_F(TokenRoutesTest, renders_a_chat) {
  start();
  Json body = hello();
  body["max_tokens"] = 5;
  const std::string prompt = "<s>user: Hi\nassistant: ";
  for (const char* path : {"/v1/chat/completions/render", "/apply-template"}) {
    const ApiAnswer answer = post(path, body);
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.json["prompt"], prompt);
    EXPECT_EQ(answer.json["model"], "fake");
    EXPECT_EQ(answer.json["token_ids"].size(), prompt.size());
  }
  body["tools"] = {{{"type", "function"}, {"function", {{"name", "f"}}}}};
  EXPECT_NE(post("/apply-template", body).json["prompt"], prompt);
  EXPECT_EQ(metric("generation_tokens_total{model_name=\"fake\"}"), 0) << "nothing was computed";
}

TEST_F(TokenRoutesTest, the_rendered_prompt_is_the_one_that_runs) {
  start();
  Json body = hello();
  body["tools"] = {{{"type", "function"}, {"function", {{"name", "f"}}}}};
  const Json rendered = post("/v1/chat/completions/render", body).json;
  ASSERT_EQ(post(kChat, body).status, 200);
  EXPECT_EQ(rendered["token_ids"], Json(engine().last_request().prompt_tokens));
}

TEST_F(TokenRoutesTest, renders_completions) {
  start();
  const ApiAnswer answer = post("/v1/completions/render", {{"prompt", Json::array({"a", "bc"})}});
  ASSERT_EQ(answer.status, 200) << answer.text;
  ASSERT_EQ(answer.json.size(), 2U);
  EXPECT_EQ(answer.json[1], (Json{{"model", "fake"}, {"prompt", "bc"}, {"token_ids", {256, 98, 99}}}));
}

TEST_F(TokenRoutesTest, wrong_fields_are_named) {
  start();
  const std::tuple<std::string, Json, std::string> cases[] = {
      {"/tokenize", Json::object(), "prompt"},
      {"/tokenize", {{"prompt", 5}}, "prompt"},
      {"/tokenize", {{"prompt", "a"}, {"content", "b"}}, "content"},
      {"/tokenize", {{"prompt", "a"}, {"add_special_tokens", "yes"}}, "add_special_tokens"},
      {"/tokenize", {{"messages", {{{"role", "king"}, {"content", "x"}}}}}, "messages[0].role"},
      {"/tokenize", {{"messages", {{{"role", "user"}, {"content", "refuse"}}}}}, "messages"},
      {"/detokenize", Json::object(), "tokens"},
      {"/detokenize", {{"tokens", {1, 258}}}, "tokens[1]"},
      {"/detokenize", {{"tokens", {1, -1}}}, "tokens[1]"},
      {"/apply-template", Json::object(), "messages"},
      {"/v1/chat/completions/render", {{"messages", 3}}, "messages"},
      {"/v1/completions/render", Json::object(), "prompt"},
  };
  for (const auto& [path, body, param] : cases) {
    const ApiAnswer answer = post(path, body);
    EXPECT_EQ(answer.status, 400) << path << to_text(body);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
  }
  EXPECT_EQ(post("/tokenize", {{"model", "other"}, {"prompt", "a"}}).status, 404);
}

}  // namespace
}  // namespace kedge::serve
