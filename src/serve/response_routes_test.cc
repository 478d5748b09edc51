// Goal: /v1/responses answers, streams, keeps and refuses as OpenAI's Responses API does.
// Method: a scripted engine behind a real server: whole answers, every event of streams, conversations that go on,
// responses in the background, and a table of wrong fields.
#include "serve/response_store.h"
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::HasSubstr;

constexpr const char* kResponses = "/v1/responses";

class ResponseRoutesTest : public ServerTest {
 protected:
  static Json question() { return {{"model", "fake"}, {"input", "Hi"}}; }

  std::string prompt() { return FakeTokenizer().decode(engine().last_request().prompt_tokens, true); }

  /// The events of a stream, which count on.
  std::vector<Json> events(const Json& body) {
    std::vector<Json> all = named_events(kResponses, body);
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i]["sequence_number"], i);
    return all;
  }

  ApiAnswer ask(const std::string& method, const std::string& path, const std::string& headers = "") {
    return ask_raw(method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "Content-Length: 0\r\n\r\n");
  }

  /// Asks for a response in the background until it is over.
  Json finished(const std::string& id) {
    for (;;) {
      const ApiAnswer answer = get(std::string(kResponses) + "/" + id);
      EXPECT_EQ(answer.status, 200) << answer.text;
      if (answer.status != 200 || answer.json["status"] != "queued") return answer.json;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

TEST_F(ResponseRoutesTest, answers) {
  start();
  Json body = question();
  body["instructions"] = "Be brief.";
  body["metadata"] = {{"k", "v"}};
  body["max_output_tokens"] = 50;
  const ApiAnswer answer = post(kResponses, body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json& json = answer.json;
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("resp_"));
  EXPECT_EQ(json["object"], "response");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_EQ(json["metadata"], (Json{{"k", "v"}}));
  EXPECT_EQ(json["instructions"], "Be brief.");
  EXPECT_EQ(json["max_output_tokens"], 50);
  ASSERT_EQ(json["output"].size(), 1);
  EXPECT_EQ(json["output"][0]["type"], "message");
  EXPECT_EQ(json["output"][0]["content"][0]["text"], "Hello!");
  const std::string expected = "<s>system: Be brief.\nuser: Hi\nassistant: ";
  EXPECT_EQ(prompt(), expected);
  EXPECT_EQ(json["usage"]["input_tokens"], expected.size());
  EXPECT_EQ(json["usage"]["input_tokens_details"]["cached_tokens"], 2);
  EXPECT_EQ(json["usage"]["output_tokens"], 6);
}

TEST_F(ResponseRoutesTest, streams_and_its_last_event_is_the_whole_answer) {
  start();
  const std::vector<Json> all = events(question());
  std::string types, text;
  for (const Json& event : all) {
    types += event["type"].get<std::string>().substr(9) + " ";
    if (event["type"] == "response.output_text.delta") text += event["delta"].get<std::string>();
  }
  EXPECT_EQ(types,
            "created in_progress output_item.added content_part.added output_text.delta output_text.delta "
            "output_text.delta output_text.delta output_text.delta output_text.delta output_text.done "
            "content_part.done output_item.done completed ");
  EXPECT_EQ(text, "Hello!");
  EXPECT_EQ(all[0]["response"]["status"], "in_progress");
  EXPECT_EQ(all[10]["text"], "Hello!");
  const Json& last = all.back()["response"];
  EXPECT_EQ(last["status"], "completed");
  EXPECT_EQ(last["output"][0], all[12]["item"]);
  EXPECT_EQ(last["id"], all[0]["response"]["id"]);
  EXPECT_EQ(get(std::string(kResponses) + "/" + last["id"].get<std::string>()).json, last);
}

TEST_F(ResponseRoutesTest, an_answer_that_is_cut_is_incomplete) {
  start();
  Json body = question();
  body["max_output_tokens"] = 3;
  const Json json = post(kResponses, body).json;
  EXPECT_EQ(json["status"], "incomplete");
  EXPECT_EQ(json["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(json["output"][0]["status"], "incomplete");
  EXPECT_EQ(events(body).back()["type"], "response.incomplete");
}

TEST_F(ResponseRoutesTest, a_conversation_goes_on) {
  start();
  const Json first = post(kResponses, question()).json;
  Json body = {{"model", "fake"}, {"input", "More"}, {"previous_response_id", first["id"]}};
  const Json second = post(kResponses, body).json;
  EXPECT_EQ(prompt(), "<s>user: Hi\nassistant: Hello!\nuser: More\nassistant: ");
  body["previous_response_id"] = second["id"];
  ASSERT_EQ(post(kResponses, body).status, 200);
  EXPECT_EQ(prompt(), "<s>user: Hi\nassistant: Hello!\nuser: More\nassistant: Hello!\nuser: More\nassistant: ");
}

TEST_F(ResponseRoutesTest, items_become_messages) {
  start();
  Json body = question();
  body["input"] = Json::parse(R"([
    {"role": "developer", "content": [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]},
    {"type": "message", "role": "user", "content": "Weather?"},
    {"type": "reasoning", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\": 1}"},
    {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "warm"}]}])");
  ASSERT_EQ(post(kResponses, body).status, 200);
  const std::string text = prompt();
  EXPECT_THAT(text, HasSubstr("one\ntwo\nuser: Weather?\nassistant: \ncalls ["));
  EXPECT_THAT(text, HasSubstr(R"("arguments":{"x":1})"));
  EXPECT_THAT(text, HasSubstr("tool: sunny\ntool: warm\n"));
}

TEST_F(ResponseRoutesTest, stored_ones_are_listed_and_forgotten) {
  start();
  Json body = question();
  body["input"] = Json::parse(R"([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])");
  const std::string id = post(kResponses, body).json["id"];
  const std::string path = std::string(kResponses) + "/" + id;
  const Json list = get(path + "/input_items?limit=1").json;
  EXPECT_EQ(list["data"].size(), 1);
  EXPECT_EQ(list["has_more"], true);
  EXPECT_EQ(list["data"][0]["content"], (Json::array({{{"type", "input_text"}, {"text", "b"}}})));
  const std::string after = list["last_id"];
  EXPECT_EQ(get(path + "/input_items?after=" + after).json["data"][0]["content"][0]["text"], "a");
  EXPECT_EQ(get(path + "/input_items?order=asc").json["data"][0]["content"][0]["text"], "a");
  EXPECT_EQ(get(path + "/input_items?limit=0").error_param(), "limit");
  EXPECT_EQ(get(path + "/input_items?after=no").error_param(), "after");
  EXPECT_EQ(get(path + "?stream=true").error_param(), "stream");
  EXPECT_EQ(ask("POST", path + "/cancel").error_param(), "response_id");
  EXPECT_EQ(ask("DELETE", path).json["deleted"], true);
  EXPECT_EQ(get(path).status, 404);
  body["store"] = false;
  const std::string unstored = post(kResponses, body).json["id"];
  EXPECT_EQ(get(std::string(kResponses) + "/" + unstored).status, 404);
}

TEST_F(ResponseRoutesTest, works_in_the_background) {
  start();
  Json body = question();
  body["background"] = true;
  const ApiAnswer answer = post(kResponses, body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json["status"], "queued");
  const Json done = finished(answer.json["id"]);
  EXPECT_EQ(done["status"], "completed");
  EXPECT_EQ(done["output"][0]["content"][0]["text"], "Hello!");
}

TEST_F(ResponseRoutesTest, what_runs_in_the_background_can_be_cancelled) {
  start();
  engine().allow(1);
  Json body = question();
  body["background"] = true;
  const std::string id = post(kResponses, body).json["id"];
  const std::string path = std::string(kResponses) + "/" + id;
  EXPECT_EQ(post(kResponses, {{"model", "fake"}, {"input", "x"}, {"previous_response_id", id}}).error_param(),
            "previous_response_id");
  EXPECT_EQ(ask("POST", path + "/cancel").json["status"], "cancelled");
  EXPECT_EQ(get(path).json["status"], "cancelled");
}

TEST_F(ResponseRoutesTest, a_server_that_ends_cuts_what_runs_in_the_background) {
  start();
  engine().allow(1);
  Json body = question();
  body["background"] = true;
  ASSERT_EQ(post(kResponses, body).status, 200);
  EXPECT_FALSE(server_->drain(std::chrono::milliseconds(10)));
}

TEST_F(ResponseRoutesTest, calls_of_tools_are_items) {
  start();
  engine().set_answer("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>");
  Json body = question();
  body["tools"] = {{{"type", "function"}, {"name", "f"}, {"parameters", {{"type", "object"}}}}};
  body["tool_choice"] = "required";
  const Json json = post(kResponses, body).json;
  ASSERT_EQ(json["output"].size(), 1) << to_text(json);
  EXPECT_EQ(json["output"][0]["type"], "function_call");
  EXPECT_EQ(json["output"][0]["name"], "f");
  EXPECT_EQ(json["output"][0]["arguments"], R"({"x": 1})");
  EXPECT_EQ(json["tools"], body["tools"]);
  const std::vector<Json> all = events(body);
  std::string arguments;
  for (const Json& event : all) {
    if (event["type"] == "response.function_call_arguments.delta") arguments += event["delta"].get<std::string>();
  }
  EXPECT_EQ(arguments, R"({"x": 1})");
  EXPECT_EQ(all.back()["response"]["output"][0]["arguments"], arguments);
}

TEST_F(ResponseRoutesTest, the_oldest_messages_go_when_asked) {
  start();
  Json body = question();
  body["input"] = Json::array();
  for (int i = 0; i < 40; ++i) body["input"].push_back({{"role", "user"}, {"content", std::string(100, 'x')}});
  body["input"].push_back({{"role", "user"}, {"content", "the last"}});
  ASSERT_EQ(post(kResponses, body).error_param(), "input");
  body["truncation"] = "auto";
  ASSERT_EQ(post(kResponses, body).status, 200);
  EXPECT_THAT(prompt(), HasSubstr("user: the last\n"));
}

TEST_F(ResponseRoutesTest, others_do_not_find_a_response) {
  start();
  const std::string headers = "Authorization: Bearer one\r\n";
  const std::string id = ask_raw(post_text(kResponses, to_text(question()), headers)).json["id"];
  const std::string path = std::string(kResponses) + "/" + id;
  EXPECT_EQ(ask("GET", path, headers).status, 200);
  EXPECT_EQ(ask("GET", path, "Authorization: Bearer two\r\n").status, 404);
  EXPECT_EQ(ask("DELETE", path).status, 404);
}

TEST_F(ResponseRoutesTest, counts_tokens) {
  start();
  EXPECT_EQ(post("/v1/responses/input_tokens", question()).json["input_tokens"],
            std::string("<s>user: Hi\nassistant: ").size());
}

TEST_F(ResponseRoutesTest, wrong_fields_are_named) {
  start();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"input": []})", "input"},
      {R"({"input": 1})", "input"},
      {R"({})", "input"},
      {R"({"input": [{"role": "user"}]})", "input[0].content"},
      {R"({"input": [{"role": "king", "content": "x"}]})", "input[0].role"},
      {R"({"input": [{"type": "item_reference", "id": "x"}]})", "input[0].type"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})", "input[0].content[0].type"},
      {R"({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]})", "input[0].call_id"},
      {R"({"input": [{"type": "function_call_output", "call_id": "c"}]})", "input[0].output"},
      {R"({"input": "x", "tools": [{"type": "web_search"}]})", "tools[0].type"},
      {R"({"input": "x", "tools": [{"type": "function"}]})", "tools[0].name"},
      {R"({"input": "x", "tool_choice": "required"})", "tool_choice"},
      {R"({"input": "x", "tool_choice": {"type": "function", "name": "f"}})", "tool_choice.name"},
      {R"({"input": "x", "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"name": "f"}]}})",
       "tool_choice.tools[0]"},
      {R"({"input": "x", "text": {"format": {"type": "verse"}}})", "text.format.type"},
      {R"({"input": "x", "text": {"format": {"type": "json_schema", "schema": {"title": "unsupported"}}}})",
       "text.format.schema"},
      {R"({"input": "x", "text": {"verbosity": "loud"}})", "text.verbosity"},
      {R"({"input": "x", "conversation": "c"})", "conversation"},
      {R"({"input": "x", "previous_response_id": "resp_no"})", "previous_response_id"},
      {R"({"input": "x", "background": true, "stream": true})", "stream"},
      {R"({"input": "x", "background": true, "store": false})", "store"},
      {R"({"input": "x", "metadata": {"a": 1}})", "metadata"},
      {R"({"input": "x", "max_output_tokens": 0})", "max_output_tokens"},
      {R"({"input": "x", "truncation": "some"})", "truncation"},
      {R"({"input": "x", "temperature": 9})", "temperature"},
  };
  for (const auto& [body, param] : cases) {
    const ApiAnswer answer = ask_raw(post_text(kResponses, body));
    EXPECT_THAT(answer.status, testing::AnyOf(400, 404)) << body;
    EXPECT_EQ(answer.error_param(), param) << body << answer.text;
  }
}

TEST(ResponseStoreTest, the_oldest_make_room_but_not_what_runs) {
  ResponseStore store(1000);
  const auto entry = [](std::function<void()> cancel) {
    return StoredResponse{"me", Json{{"text", std::string(300, 'x')}}, nullptr, nullptr, std::move(cancel)};
  };
  bool was_cancelled = false;
  store.put("runs", entry([&] { was_cancelled = true; }));
  for (const char* id : {"a", "b", "c"}) store.put(id, entry(nullptr));
  EXPECT_TRUE(store.find("runs", "me"));
  EXPECT_FALSE(store.find("a", "me"));
  EXPECT_TRUE(store.find("b", "me"));
  EXPECT_TRUE(store.find("c", "me"));
  store.cancel_all();
  EXPECT_TRUE(was_cancelled);
  store.complete("runs", Json("late"), nullptr);  // after its end: nothing changes
  EXPECT_EQ(store.find("runs", "me")->response["status"], "cancelled");
}

}  // namespace
}  // namespace kedge::serve
