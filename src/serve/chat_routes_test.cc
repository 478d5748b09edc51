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
      {{{"response_format", "json_object"}}, "response_format"},
      {{{"response_format", {{"type", "yaml"}}}}, "response_format.type"},
      {{{"response_format", {{"type", "json_schema"}}}}, "response_format.json_schema"},
      {{{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", {{"unsupported", 1}}}}}}}},
       "response_format.json_schema.schema"},
      {{{"guided_json", 5}}, "guided_json"},
      {{{"guided_regex", {{"a", 1}}}}, "guided_regex"},
      {{{"guided_choice", {"a", 1}}}, "guided_choice[1]"},
      {{{"guided_choice", Json::array()}}, "guided_choice"},
      {{{"guided_grammar", "unsupported"}}, "guided_grammar"},
      {{{"nvext", {{"guided_regex", 1}}}}, "nvext.guided_regex"},
      {{{"structured_outputs", {{"json_object", 1}}}}, "structured_outputs.json_object"},
      {{{"guided_regex", "a"}, {"nvext", {{"guided_choice", {"a"}}}}}, "nvext.guided_choice"},
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

TEST_F(ChatRoutesTest, constraints_reach_the_engine) {
  start();
  const Json schema = {{"type", "object"}};
  const std::vector<std::tuple<Json, ConstraintKind, std::string>> cases = {
      {{{"response_format", {{"type", "json_object"}}}}, ConstraintKind::json_object, ""},
      {{{"response_format",
         {{"type", "json_schema"}, {"json_schema", {{"name", "x"}, {"strict", true}, {"schema", schema}}}}}},
       ConstraintKind::json_schema,
       to_text(schema)},
      {{{"guided_json", to_text(schema)}}, ConstraintKind::json_schema, to_text(schema)},
      {{{"nvext", {{"guided_json", schema}}}}, ConstraintKind::json_schema, to_text(schema)},
      {{{"guided_regex", "a+"}}, ConstraintKind::regex, "a+"},
      {{{"guided_choice", {"a", "b"}}}, ConstraintKind::choice, "[\"a\",\"b\"]"},
      {{{"nvext", {{"guided_grammar", "root ::= \"a\""}}}}, ConstraintKind::gbnf, "root ::= \"a\""},
      {{{"structured_outputs", {{"regex", "b"}}}}, ConstraintKind::regex, "b"},
      {{{"structured_outputs", {{"structural_tag", "{}"}}}}, ConstraintKind::structural_tag, "{}"},
  };
  for (const auto& [change, kind, source] : cases) {
    Json body = hello();
    body.update(change);
    ASSERT_EQ(post(kChat, body).status, 200) << to_text(change);
    const std::optional<Constraint> constraint = engine().last_request().constraint;
    ASSERT_TRUE(constraint.has_value()) << to_text(change);
    EXPECT_EQ(constraint->kind, kind);
    EXPECT_EQ(constraint->source, source);
  }
  Json plain = hello();
  plain["response_format"] = {{"type", "text"}};
  EXPECT_EQ(post(kChat, plain).status, 200);
  EXPECT_FALSE(engine().last_request().constraint.has_value());
}

Json tools_of_weather() {
  return {{{"type", "function"}, {"function", {{"name", "weather"}, {"parameters", {{"type", "object"}}}}}}};
}

TEST_F(ChatRoutesTest, tools_are_called) {
  start();
  engine().set_answer("Hm.<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>");
  Json body = hello();
  body["tools"] = tools_of_weather();
  const Json choice = post(kChat, body).json["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Hm.");
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1U);
  const Json& call = choice["message"]["tool_calls"][0];
  EXPECT_TRUE(call["id"].get<std::string>().starts_with("call_"));
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"], (Json{{"name", "weather"}, {"arguments", "{\"city\": \"Bern\"}"}}));
  const Request request = engine().last_request();
  EXPECT_FALSE(request.skip_special);
  ASSERT_TRUE(request.constraint.has_value());
  EXPECT_EQ(request.constraint->kind, ConstraintKind::structural_tag);
}

TEST_F(ChatRoutesTest, calls_are_streamed) {
  start();
  engine().set_answer("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"a\": 1}}\n</tool_call>");
  Json body = hello();
  body["tools"] = tools_of_weather();
  body["tool_choice"] = "required";
  std::string arguments, finish;
  size_t beginnings = 0;
  for (const std::string& event : stream(kChat, body)) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event, "chunk").value()["choices"][0];
    if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"].get<std::string>();
    EXPECT_EQ(choice["delta"].value("content", Json("")).is_string() ? choice["delta"].value("content", "") : "", "");
    for (const Json& call : choice["delta"].value("tool_calls", Json::array())) {
      EXPECT_EQ(call["index"], 0);
      if (call.contains("id")) {
        ++beginnings;
        EXPECT_EQ(call["function"], (Json{{"name", "weather"}, {"arguments", ""}}));
        EXPECT_EQ(arguments, "");
      } else {
        arguments += call["function"]["arguments"].get<std::string>();
      }
    }
  }
  EXPECT_EQ(beginnings, 1U);
  EXPECT_EQ(arguments, "{\"a\": 1}");
  EXPECT_EQ(finish, "tool_calls");
}

TEST_F(ChatRoutesTest, tool_choice) {
  start();
  Json body = hello();
  body["tools"] = tools_of_weather();
  body["tool_choice"] = "none";
  EXPECT_EQ(post(kChat, body).status, 200);
  EXPECT_EQ(prompt().find("tools"), std::string::npos);
  EXPECT_FALSE(engine().last_request().constraint.has_value());
  const std::vector<std::pair<Json, std::string>> kWrong = {
      {{{"tool_choice", "any"}}, "tool_choice"},
      {{{"tool_choice", {{"type", "function"}, {"function", {{"name", "x"}}}}}}, "tool_choice"},
      {{{"tool_choice", "required"}, {"tools", nullptr}}, "tool_choice"},
      {{{"parallel_tool_calls", 1}}, "parallel_tool_calls"},
      {{{"tools", {{{"type", "function"}, {"function", {{"name", ""}}}}}}}, "tools[0]"},
      {{{"tools", {{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", "x"}}}}}}},
       "tools[0].function.parameters"},
      {{{"tools",
         {{{"type", "function"},
           {"function", {{"name", "f"}, {"strict", true}, {"parameters", {{"unsupported", 1}}}}}}}}},
       "tools[0].function.parameters"},
  };
  for (const auto& [change, param] : kWrong) {
    Json wrong = hello();
    wrong["tools"] = tools_of_weather();
    wrong.update(change);
    const ApiAnswer answer = post(kChat, wrong);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
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
