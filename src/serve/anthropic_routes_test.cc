// Goal: /v1/messages answers, streams and refuses as Anthropic's API does.
// Method: a scripted engine behind a real server; whole answers, every event of streams, and a table of wrong fields.
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::HasSubstr;

constexpr const char* kMessages = "/v1/messages";

class AnthropicRoutesTest : public ServerTest {
 protected:
  static Json question() { return {{"model", "fake"}, {"max_tokens", 100}, {"messages", hello()["messages"]}}; }

  static Json with_tools() {
    Json body = question();
    body["tools"] = {{{"name", "f"}, {"description", "does"}, {"input_schema", {{"type", "object"}}}}};
    return body;
  }

  std::string prompt() { return FakeTokenizer().decode(engine().last_request().prompt_tokens, true); }

  std::vector<Json> events(const Json& body) { return named_events(kMessages, body); }

  static std::string types(const std::vector<Json>& events) {
    std::string text;
    for (const Json& event : events) text += event["type"].get<std::string>() + " ";
    return text;
  }
};

TEST_F(AnthropicRoutesTest, answers) {
  start();
  const ApiAnswer answer = post(kMessages, question());
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json& json = answer.json;
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["role"], "assistant");
  EXPECT_EQ(json["model"], "fake");
  EXPECT_EQ(json["content"], (Json::array({{{"type", "text"}, {"text", "Hello!"}}})));
  EXPECT_EQ(json["stop_reason"], "end_turn");
  EXPECT_EQ(json["stop_sequence"], nullptr);
  const std::string expected = "<s>user: Hi\nassistant: ";
  EXPECT_EQ(prompt(), expected);
  EXPECT_EQ(json["usage"]["input_tokens"], expected.size() - 2);  // the fake engine had two of them in its cache
  EXPECT_EQ(json["usage"]["cache_read_input_tokens"], 2);
  EXPECT_EQ(json["usage"]["output_tokens"], 6);
}

TEST_F(AnthropicRoutesTest, marks_keep_the_prompt_for_the_longest_of_their_times) {
  start();
  const Json brief = {{"type", "ephemeral"}}, hour = {{"type", "ephemeral"}, {"ttl", "1h"}};
  const Json text = {{"type", "text"}, {"text", "Hi"}};
  const auto marked = [&](const char* where, const Json& mark) {
    Json body = with_tools(), block = text;
    block["cache_control"] = mark;
    const std::string place = where;
    if (place == "top") body["cache_control"] = mark;
    if (place == "system") body["system"] = Json::array({block});
    if (place == "tool") body["tools"][0]["cache_control"] = mark;
    if (place == "message") body["messages"][0]["content"] = Json::array({text, block});
    return body;
  };
  EXPECT_EQ(post(kMessages, question()).status, 200);
  EXPECT_EQ(engine().last_request().pin_seconds, 0U);
  for (const char* place : {"top", "system", "tool", "message"}) {
    EXPECT_EQ(post(kMessages, marked(place, brief)).status, 200) << place;
    EXPECT_EQ(engine().last_request().pin_seconds, 300U) << place;
    EXPECT_EQ(post(kMessages, marked(place, nullptr)).status, 200) << place;
    EXPECT_EQ(engine().last_request().pin_seconds, 0U) << place;
  }
  Json both = marked("system", hour);
  both["cache_control"] = brief;
  EXPECT_EQ(post(kMessages, both).status, 200);
  EXPECT_EQ(engine().last_request().pin_seconds, 3600U);
  for (const Json& wrong :
       {Json("ephemeral"), Json{{"ttl", "5m"}}, Json{{"type", "eternal"}}, Json{{"type", "ephemeral"}, {"ttl", 5}}}) {
    const ApiAnswer answer = post(kMessages, marked("message", wrong));
    EXPECT_EQ(answer.status, 400) << wrong;
    EXPECT_THAT(answer.text, HasSubstr("messages[0].content[1].cache_control"));
  }
  const Json chat = {
      {"messages",
       {{{"role", "user"}, {"content", Json::array({marked("message", hour)["messages"][0]["content"][1]})}}}}};
  EXPECT_EQ(post(kChat, chat).status, 200);
  EXPECT_EQ(engine().last_request().pin_seconds, 3600U);
}

TEST_F(AnthropicRoutesTest, streams) {
  start();
  const std::vector<Json> all = events(question());
  EXPECT_EQ(
      types(all),
      "message_start content_block_start content_block_delta content_block_delta content_block_delta "
      "content_block_delta content_block_delta content_block_delta content_block_stop message_delta message_stop ");
  EXPECT_EQ(all[0]["message"]["content"], Json::array());
  EXPECT_EQ(all[0]["message"]["stop_reason"], nullptr);
  EXPECT_EQ(all[0]["message"]["usage"]["input_tokens"], prompt().size());
  EXPECT_EQ(all[1]["content_block"], (Json{{"type", "text"}, {"text", ""}}));
  std::string text;
  for (size_t i = 2; i < 8; ++i) {
    EXPECT_EQ(all[i]["index"], 0);
    text += all[i]["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "Hello!");
  EXPECT_EQ(all[9]["delta"], (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(all[9]["usage"]["output_tokens"], 6);
}

TEST_F(AnthropicRoutesTest, options_reach_the_engine) {
  start();
  Json body = question();
  body.update({{"system", "Be brief."}, {"temperature", 0.5}, {"top_p", 0.25}, {"top_k", 7}, {"max_tokens", 3}});
  const Json answer = post(kMessages, body).json;
  const Request request = engine().last_request();
  EXPECT_EQ(prompt(), "<s>system: Be brief.\nuser: Hi\nassistant: ");
  EXPECT_FLOAT_EQ(request.sampling.temperature, 0.5F);
  EXPECT_FLOAT_EQ(request.sampling.top_p, 0.25F);
  EXPECT_EQ(request.sampling.top_k, 7);
  EXPECT_EQ(answer["content"][0]["text"], "Hel");
  EXPECT_EQ(answer["stop_reason"], "max_tokens");
}

TEST_F(AnthropicRoutesTest, the_answer_tells_which_stop_sequence_ended_it) {
  start();
  Json body = question();
  body["stop_sequences"] = {"lo"};
  const Json answer = post(kMessages, body).json;
  EXPECT_EQ(answer["content"][0]["text"], "Hel");
  EXPECT_EQ(answer["stop_reason"], "stop_sequence");
  EXPECT_EQ(answer["stop_sequence"], "lo");
  body["stop_sequences"] = {"never"};
  EXPECT_EQ(post(kMessages, body).json["stop_reason"], "end_turn");
}

TEST_F(AnthropicRoutesTest, blocks_become_text_calls_and_results) {
  start();
  Json body = with_tools();
  body["system"] = {{{"type", "text"}, {"text", "A"}, {"cache_control", {{"type", "ephemeral"}}}},
                    {{"type", "text"}, {"text", "B"}}};
  body["messages"] = {
      {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "Go"}}}}},
      {{"role", "assistant"},
       {"content",
        {{{"type", "thinking"}, {"thinking", "hm"}, {"signature", "x"}},
         {{"type", "text"}, {"text", "I call"}},
         {{"type", "tool_use"}, {"id", "call_1"}, {"name", "f"}, {"input", {{"a", 1}}}}}}},
      {{"role", "user"},
       {"content",
        {{{"type", "tool_result"}, {"tool_use_id", "call_1"}, {"content", {{{"type", "text"}, {"text", "42"}}}}},
         {{"type", "text"}, {"text", "And?"}}}}}};
  ASSERT_EQ(post(kMessages, body).status, 200);
  EXPECT_THAT(prompt(), HasSubstr("system: A\nB\nuser: "));
  EXPECT_THAT(prompt(), HasSubstr("I call"));
  EXPECT_THAT(prompt(), HasSubstr(R"({"a":1})"));
  EXPECT_THAT(prompt(), HasSubstr("42"));
  EXPECT_THAT(prompt(), HasSubstr("And?"));
  EXPECT_EQ(prompt().find("hm"), std::string::npos);
}

TEST_F(AnthropicRoutesTest, calls) {
  start();
  engine().set_answer("So:<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>");
  const Json answer = post(kMessages, with_tools()).json;
  ASSERT_EQ(answer["content"].size(), 2U) << to_text(answer);
  EXPECT_EQ(answer["content"][0]["text"], "So:");
  EXPECT_EQ(answer["content"][1]["type"], "tool_use");
  EXPECT_EQ(answer["content"][1]["name"], "f");
  EXPECT_EQ(answer["content"][1]["input"], (Json{{"a", 1}}));
  EXPECT_FALSE(answer["content"][1]["id"].get<std::string>().empty());
  EXPECT_EQ(answer["stop_reason"], "tool_use");

  std::string arguments;
  size_t begun = 0;
  const std::vector<Json> all = events(with_tools());
  for (const Json& event : all) {
    if (event["type"] == "content_block_start" && event["content_block"]["type"] == "tool_use") {
      ++begun;
      EXPECT_EQ(event["index"], 1);
      EXPECT_EQ(event["content_block"]["name"], "f");
      EXPECT_EQ(event["content_block"]["input"], Json::object());
    }
    if (event["type"] == "content_block_delta" && event["delta"]["type"] == "input_json_delta") {
      EXPECT_EQ(event["index"], 1);
      arguments += event["delta"]["partial_json"].get<std::string>();
    }
  }
  EXPECT_EQ(begun, 1U);
  EXPECT_EQ(parse_json(arguments, "arguments").value(), (Json{{"a", 1}}));
  EXPECT_EQ(all[all.size() - 2]["delta"]["stop_reason"], "tool_use");
}

TEST_F(AnthropicRoutesTest, tool_choice) {
  start();
  Json body = with_tools();
  body["tool_choice"] = {{"type", "none"}};
  ASSERT_EQ(post(kMessages, body).status, 200);
  EXPECT_FALSE(engine().last_request().constraint.has_value());
  for (const Json& choice : {Json{{"type", "any"}}, Json{{"type", "tool"}, {"name", "f"}}}) {
    body["tool_choice"] = choice;
    ASSERT_EQ(post(kMessages, body).status, 200);
    EXPECT_TRUE(engine().last_request().constraint.has_value());
  }
}

TEST_F(AnthropicRoutesTest, counts_tokens) {
  start();
  Json body = question();
  body.erase("max_tokens");
  const ApiAnswer answer = post("/v1/messages/count_tokens", body);
  EXPECT_EQ(answer.json, (Json{{"input_tokens", std::string("<s>user: Hi\nassistant: ").size()}}));
  EXPECT_EQ(post("/v1/messages/count_tokens", Json::object()).status, 400);
}

TEST_F(AnthropicRoutesTest, wrong_fields_are_named) {
  start();
  const std::pair<Json, std::string> cases[] = {
      {{{"max_tokens", nullptr}}, "max_tokens"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"messages", "Hi"}}, "messages"},
      {{{"messages", {{{"role", "system"}, {"content", "x"}}}}}, "messages[0].role"},
      {{{"messages", {{{"role", "assistant"}, {"content", "x"}}}}}, "messages[0].role"},
      {{{"messages", {{{"role", "user"}, {"content", 5}}}}}, "messages[0].content"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "image"}}}}}}}}, "messages[0].content[0]"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "tool_result"}}}}}}}},
       "messages[0].content[0].tool_use_id"},
      {{{"system", 5}}, "system"},
      {{{"temperature", "hot"}}, "temperature"},
      {{{"top_p", 2}}, "top_p"},
      {{{"top_k", -1}}, "top_k"},
      {{{"stop_sequences", "x"}}, "stop_sequences"},
      {{{"stop_sequences", {""}}}, "stop_sequences[0]"},
      {{{"stream", 1}}, "stream"},
      {{{"tools", {{{"name", "f"}}}}}, "tools[0].input_schema"},
      {{{"tools", {{{"type", "web_search_20250305"}, {"name", "f"}}}}}, "tools[0].type"},
      {{{"tool_choice", {{"type", "any"}}}}, "tool_choice"},
      {{{"tool_choice", {{"type", "most"}}}}, "tool_choice.type"},
      {{{"messages", {{{"role", "user"}, {"content", std::string(2000, 'a')}}}}}, "messages"},
  };
  for (const auto& [change, param] : cases) {
    Json body = question();
    body.update(change);
    const ApiAnswer answer = post(kMessages, body);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.json["type"], "error");
    EXPECT_EQ(answer.json["error"]["type"], "invalid_request_error");
    EXPECT_THAT(answer.json["error"]["message"].get<std::string>(), HasSubstr("'" + param + "'"));
  }
}

TEST_F(AnthropicRoutesTest, errors_have_anthropics_form) {
  ServerOptions options;
  options.api_key = "secret";
  start(ModelKind::decoder, options);
  const ApiAnswer refused = post(kMessages, question());
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.json["error"]["type"], "authentication_error");
  Json body = question();
  EXPECT_EQ(ask_raw(post_text(kMessages, to_text(body), "x-api-key: secret\r\n")).status, 200);
  EXPECT_EQ(ask_raw(post_text(kMessages, to_text(body), "x-api-key: wrong\r\n")).status, 401);
  body["model"] = "other";
  const ApiAnswer unknown = ask_raw(post_text(kMessages, to_text(body), "x-api-key: secret\r\n"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json["error"]["type"], "not_found_error");
}

TEST_F(AnthropicRoutesTest, a_failure_is_an_event_of_the_stream) {
  start();
  engine().fail_after(2);
  const std::vector<Json> all = events(question());
  EXPECT_EQ(all.back()["type"], "error");
  EXPECT_EQ(all.back()["error"]["type"], "api_error");
  const ApiAnswer whole = post(kMessages, question());
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(whole.json["error"]["type"], "api_error");
}

}  // namespace
}  // namespace kedge::serve
