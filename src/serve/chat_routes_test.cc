// Goal: /v1/chat/completions answers, streams and refuses as OpenAI's API does.
// Method: a scripted engine behind a real server; whole answers, every event of streams, and a table of wrong fields.
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ChatRoutesTest : public ServerTest {
 protected:
  std::string prompt() {
    const Request request = engine().last_request();
    return FakeTokenizer().decode(request.prompt_tokens, true);
  }
};

TEST_F(ChatRoutesTest, answers) {
  start();
  const ApiAnswer answer = post(kChat, hello());
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/json"));
  const Json& json = answer.json;
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "fake");
  EXPECT_GT(json["created"], 1'600'000'000);
  EXPECT_TRUE(json["system_fingerprint"].get<std::string>().starts_with("fp_"));
  ASSERT_EQ(json["choices"].size(), 1U);
  EXPECT_EQ(json["choices"][0]["message"], (Json{{"role", "assistant"}, {"content", "Hello!"}, {"refusal", nullptr}}));
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["choices"][0]["logprobs"], nullptr);
  const std::string expected_prompt = "<s>user: Hi\nassistant: ";
  EXPECT_EQ(prompt(), expected_prompt);
  EXPECT_EQ(json["usage"]["prompt_tokens"], expected_prompt.size());
  EXPECT_EQ(json["usage"]["completion_tokens"], 6);
  EXPECT_EQ(json["usage"]["total_tokens"], expected_prompt.size() + 6);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
  EXPECT_EQ(json["timings"]["predicted_ms"], 4);
  EXPECT_EQ(json["timings"]["predicted_per_second"], 1500);
}

TEST_F(ChatRoutesTest, streams) {
  start();
  engine().set_answer("H\xC3\xA9y");
  Json body = hello();
  body["stream_options"] = {{"include_usage", true}};
  const std::vector<std::string> events = stream(kChat, body);
  ASSERT_EQ(events.size(), 6U);  // three characters, the end, the counts, [DONE]
  std::string text;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const Json chunk = parse_json(events[i], "chunk").value();
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], parse_json(events[0], "chunk").value()["id"]);
    if (i < 4) {
      EXPECT_EQ(chunk["usage"], nullptr);
      text += chunk["choices"][0]["delta"].value("content", "");
      EXPECT_EQ(chunk["choices"][0]["delta"].contains("role"), i == 0);
    }
  }
  EXPECT_EQ(text, "H\xC3\xA9y");
  const Json last = parse_json(events[3], "chunk").value();
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(last["timings"]["predicted_n"], 4);
  const Json usage = parse_json(events[4], "chunk").value();
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 4);
  EXPECT_EQ(events[5], "[DONE]");
}

TEST_F(ChatRoutesTest, chunks_have_no_usage_unless_asked) {
  start();
  const std::vector<std::string> events = stream(kChat, hello());
  for (const std::string& event : events) EXPECT_EQ(event.find("usage"), std::string::npos) << event;
}

TEST_F(ChatRoutesTest, several_answers) {
  start();
  Json body = hello();
  body["n"] = 3;
  const ApiAnswer answer = post(kChat, body);
  ASSERT_EQ(answer.json["choices"].size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer.json["choices"][i]["index"], i);
    EXPECT_EQ(answer.json["choices"][i]["message"]["content"], "Hello!" + std::to_string(i));
  }
  std::map<int, std::string> texts;
  for (const std::string& event : stream(kChat, body)) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event, "chunk").value()["choices"][0];
    texts[choice["index"].get<int>()] += choice["delta"].value("content", "");
  }
  EXPECT_EQ(texts[2], "Hello!2");
}

TEST_F(ChatRoutesTest, log_probabilities) {
  start();
  engine().set_answer("\xC3\xA9");
  Json body = hello();
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  const Json content = post(kChat, body).json["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2U);
  EXPECT_EQ(content[0]["token"], "bytes:\\xc3");
  EXPECT_EQ(content[0]["bytes"], Json::array({0xC3}));
  EXPECT_EQ(content[0]["logprob"], -0.5);
  ASSERT_EQ(content[0]["top_logprobs"].size(), 2U);
  EXPECT_EQ(content[0]["top_logprobs"][1]["logprob"], -1);
  size_t entries = 0;
  for (const std::string& event : stream(kChat, body)) {
    if (event == "[DONE]") continue;
    const Json logprobs = parse_json(event, "chunk").value()["choices"][0]["logprobs"];
    if (!logprobs.is_null()) entries += logprobs["content"].size();
  }
  EXPECT_EQ(entries, 2U);
}

TEST_F(ChatRoutesTest, sampling_reaches_the_engine) {
  start();
  Json body = hello();
  body.update({{"temperature", 0.5},
               {"top_p", 0.25},
               {"top_k", 7},
               {"min_p", 0.125},
               {"typical_p", 0.75},
               {"repetition_penalty", 1.5},
               {"presence_penalty", -1},
               {"frequency_penalty", 2},
               {"seed", -3},
               {"logit_bias", {{"65", -100}, {"66", 1.5}}},
               {"stop", Json::array({"X", "Y"})},
               {"stop_token_ids", {10, 257}},
               {"max_tokens", 4.0},
               {"ignore_eos", true},
               {"skip_special_tokens", false},
               {"user", "somebody"},
               {"unknown_field", {1, 2}}});
  const ApiAnswer answer = post(kChat, body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json["choices"][0]["finish_reason"], "length");
  const Request request = engine().last_request();
  EXPECT_EQ(request.sampling.temperature, 0.5F);
  EXPECT_EQ(request.sampling.top_p, 0.25F);
  EXPECT_EQ(request.sampling.top_k, 7);
  EXPECT_EQ(request.sampling.min_p, 0.125F);
  EXPECT_EQ(request.sampling.typical_p, 0.75F);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(request.sampling.presence_penalty, -1);
  EXPECT_EQ(request.sampling.frequency_penalty, 2);
  EXPECT_EQ(request.sampling.seed, static_cast<uint64_t>(-3));
  EXPECT_THAT(request.sampling.logit_bias,
              ElementsAre(std::pair<TokenId, float>(65, -100), std::pair<TokenId, float>(66, 1.5F)));
  EXPECT_THAT(request.stop_strings, ElementsAre("X", "Y"));
  EXPECT_THAT(request.stop_tokens, ElementsAre(10, 257));
  EXPECT_EQ(request.new_tokens_max, 4U);
  EXPECT_TRUE(request.ignore_eos);
  EXPECT_FALSE(request.skip_special);
  EXPECT_EQ(request.top_logprobs, -1);
}

TEST_F(ChatRoutesTest, null_means_absent) {
  start();
  Json body = hello();
  for (const char* name : {"temperature", "top_p", "stop", "seed", "n", "max_tokens", "stream", "logprobs", "tools",
                           "model", "logit_bias", "response_format"}) {
    body[name] = nullptr;
  }
  EXPECT_EQ(post(kChat, body).status, 200);
}

TEST_F(ChatRoutesTest, the_answer_may_fill_the_context_and_no_more) {
  start();
  post(kChat, hello());
  const size_t prompt_size = engine().last_request().prompt_tokens.size();
  EXPECT_EQ(engine().last_request().new_tokens_max, 1000 - prompt_size);
  Json body = hello();
  body["max_tokens"] = 5;
  body["max_completion_tokens"] = 100'000;
  post(kChat, body);
  EXPECT_EQ(engine().last_request().new_tokens_max, 1000 - prompt_size);
  body["messages"][0]["content"] = std::string(1000, 'x');
  const ApiAnswer answer = post(kChat, body);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(answer.error_param(), "messages");
}

TEST_F(ChatRoutesTest, messages_become_what_templates_expect) {
  start();
  const Json call = {{"id", "c1"}, {"type", "function"}, {"function", {{"name", "add"}, {"arguments", "{\"a\": 1}"}}}};
  const Json body = {
      {"messages",
       {{{"role", "developer"}, {"content", "Be kind."}},
        {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "one"}}, {{"type", "text"}, {"text", "two"}}}}},
        {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array({call})}},
        {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "1"}}}},
      {"tools", {{{"type", "function"}, {"function", {{"name", "add"}}}}}},
      {"tool_choice", "auto"},
      {"chat_template_kwargs", {{"mood", "calm"}}},
      {"add_generation_prompt", false}};
  const ApiAnswer answer = post(kChat, body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(
      prompt(),
      "<s>system: Be kind.\nuser: one\ntwo\nassistant: \ncalls [{\"id\":\"c1\",\"type\":\"function\",\"function\":"
      "{\"name\":\"add\",\"arguments\":{\"a\":1}}}]\ntool: 1\ntools: 1\nmood: calm\n");
}

TEST_F(ChatRoutesTest, wrong_fields_are_named) {
  start();
  const std::pair<Json, std::string> cases[] = {
      {{{"messages", nullptr}}, "messages"},
      {{{"messages", Json::array()}}, "messages"},
      {{{"messages", "Hi"}}, "messages"},
      {{{"messages", {1}}}, "messages[0]"},
      {{{"messages", {{{"content", "Hi"}}}}}, "messages[0].role"},
      {{{"messages", {{{"role", "king"}, {"content", "Hi"}}}}}, "messages[0].role"},
      {{{"messages", {{{"role", "user"}}}}}, "messages[0].content"},
      {{{"messages", {{{"role", "user"}, {"content", 5}}}}}, "messages[0].content"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}, {"image_url", ""}}}}}}}},
       "messages[0].content[0].type"},
      {{{"messages", {{{"role", "user"}, {"content", "refuse"}}}}}, "messages"},
      {{{"temperature", "hot"}}, "temperature"},
      {{{"temperature", -0.1}}, "temperature"},
      {{{"temperature", 2.1}}, "temperature"},
      {{{"top_p", 1.5}}, "top_p"},
      {{{"min_p", 1}}, "min_p"},
      {{{"top_k", 1.5}}, "top_k"},
      {{{"n", 0}}, "n"},
      {{{"n", 129}}, "n"},
      {{{"max_tokens", -1}}, "max_tokens"},
      {{{"max_tokens", true}}, "max_tokens"},
      {{{"max_completion_tokens", "5"}}, "max_completion_tokens"},
      {{{"stream", "yes"}}, "stream"},
      {{{"stream_options", 1}}, "stream_options"},
      {{{"stream_options", {{"include_usage", 1}}}}, "stream_options.include_usage"},
      {{{"stop", 5}}, "stop"},
      {{{"stop", Json::array({"a", 5})}}, "stop[1]"},
      {{{"stop", ""}}, "stop"},
      {{{"stop_token_ids", {258}}}, "stop_token_ids"},
      {{{"seed", 1.5}}, "seed"},
      {{{"seed", 18446744073709551615U}}, "seed"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias"},
      {{{"logit_bias", {{"300", 1}}}}, "logit_bias"},
      {{{"logit_bias", {{"1", 101}}}}, "logit_bias.1"},
      {{{"top_logprobs", 3}}, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs"},
      {{{"logprobs", 1}}, "logprobs"},
      {{{"tools", {{{"type", "web"}}}}}, "tools[0]"},
      {{{"response_format", {{"type", "json_object"}}}}, "response_format"},
      {{{"chat_template_kwargs", 1}}, "chat_template_kwargs"},
      {{{"model", 5}}, "model"},
  };
  for (const auto& [change, param] : cases) {
    Json body = hello();
    body.update(change);
    const ApiAnswer answer = post(kChat, body);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.error_param(), param) << to_text(change) << answer.text;
    EXPECT_EQ(answer.json["error"]["type"], "invalid_request_error");
    EXPECT_TRUE(answer.json["error"].contains("code"));
  }
}

TEST_F(ChatRoutesTest, broken_bodies_are_refused) {
  start();
  std::string deep = "{\"messages\":" + std::string(5000, '[') + std::string(5000, ']') + "}";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("\"x\""), std::string("{\"temperature\": NaN}"),
        std::string("{\"temperature\": 1e999}"), std::string("{\"messages\": \"\xFF\"}"),
        std::string("{\"messages\": \"\\ud800\"}"), deep}) {
    const ApiAnswer answer = ask_raw(post_text(kChat, body));
    EXPECT_EQ(answer.status, 400) << body.substr(0, 40);
    EXPECT_TRUE(answer.json["error"]["message"].is_string());
  }
  EXPECT_EQ(
      ask_raw(
          "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
          .status,
      415);
  EXPECT_EQ(ask_raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").status, 415);
  EXPECT_EQ(ask_raw(post_text(kChat, "{}", "Content-Encoding: gzip\r\n")).status, 415);
}

TEST_F(ChatRoutesTest, errors_of_the_engine) {
  start();
  Json body = hello();
  body["top_k"] = 12345;
  EXPECT_EQ(post(kChat, body).status, 400);
  engine().fail_after(2);
  const ApiAnswer whole = post(kChat, hello());
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(whole.json["error"]["type"], "server_error");
  const std::vector<std::string> events = stream(kChat, hello());
  ASSERT_GE(events.size(), 2U);
  EXPECT_THAT(events[events.size() - 2], HasSubstr("\"error\""));
  EXPECT_THAT(events[events.size() - 2], HasSubstr("told to fail"));
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(ChatRoutesTest, a_model_without_a_template_says_so) {
  start();
  engine().remove_template();
  const ApiAnswer answer = post(kChat, hello());
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(), HasSubstr("--chat-template"));
}

}  // namespace
}  // namespace kedge::serve
