// Goal: keys let in whom they should, count what they use, and tell the truth about when to come back; the log has one
// line for each request and never a prompt.
// Method: limits on made-up times; entries with one thing wrong each; scripted engines behind a real server.
#include "serve/api_keys.h"

#include <condition_variable>
#include <mutex>

#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

TEST(RateLimit, fills_evenly_and_says_how_long_it_takes) {
  RateLimit::Clock::time_point now{};
  RateLimit limit(60, now);
  for (int i = 0; i < 60; ++i) EXPECT_FALSE(limit.take(1, now).has_value()) << i;
  EXPECT_DOUBLE_EQ(limit.take(1, now)->count(), 1);
  EXPECT_DOUBLE_EQ(limit.take(30, now)->count(), 30);
  EXPECT_FALSE(limit.take(1, now + seconds(1)).has_value());
  EXPECT_DOUBLE_EQ(limit.remaining(now + seconds(11)), 10);
  EXPECT_DOUBLE_EQ(limit.reset(now + seconds(11)).count(), 50);
  limit.charge(30, now + seconds(11));  // 20 more than there are
  EXPECT_DOUBLE_EQ(limit.remaining(now + seconds(11)), 0);
  EXPECT_DOUBLE_EQ(limit.take(1, now + seconds(11))->count(), 21);
  EXPECT_DOUBLE_EQ(limit.remaining(now + seconds(1000)), 60) << "never more than a minute's";
  limit.set_per_minute(6, now + seconds(1000));
  EXPECT_DOUBLE_EQ(limit.remaining(now + seconds(1000)), 6);
}

Json entry(const std::string& name, const std::string& key) {
  return {{"name", name}, {"hash", hash_text(hash_of_key(key))}};
}

TEST(ApiKeys, hashes_are_sha256) {
  EXPECT_EQ(hash_text(hash_of_key("abc")), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ApiKeys, a_wrong_entry_is_named) {
  const auto with = [](const std::string& field, Json value) {
    Json key = entry("a", "k");
    key[field] = std::move(value);
    return Json::array({key});
  };
  const struct {
    Json list;
    std::string message;
  } cases[] = {
      {Json::object(), "f: expected a list of keys"},
      {Json::array({1}), "'keys[0]' must be a mapping"},
      {Json::array({{{"name", "a"}}}), "'keys[0].hash' is missing"},
      {with("rpm", 1), "'keys[0]' has no field 'rpm'"},
      {with("name", "a b"), "'keys[0].name' must be at most 64 letters"},
      {with("hash", "my secret key"), "'keys[0].hash' must be 'sha256:' and 64"},
      {with("requests_per_minute", 0), "'keys[0].requests_per_minute' must be a number of at least 1"},
      {with("models", Json::array()), "'keys[0].models' must be a list"},
      {with("priority_min", -1001), "'keys[0].priority_min' must be an integer"},
      {Json::array({entry("a", "k"), entry("a", "l")}), "two keys are named 'a'"},
      {Json::array({entry("a", "k"), entry("b", "k")}), "'b' is the same key"},
  };
  for (const auto& c : cases) {
    const auto keys = read_api_keys(c.list, "f");
    ASSERT_FALSE(keys.ok()) << c.message;
    EXPECT_THAT(keys.error().message, HasSubstr(c.message));
    EXPECT_THAT(keys.error().message, Not(HasSubstr("my secret key"))) << "a key in the wrong place stays secret";
  }
}

class KeysTest : public ServerTest {
 protected:
  ~KeysTest() override { server_.reset(); }  // it logs until its end

  void start_with(const Json& keys, const std::string& api_key = "") {
    ServerOptions options;
    options.api_key = api_key;
    options.asks_for_key = true;
    options.api_keys = read(keys);
    options.log = [this](const LogRecord& record) {
      const std::scoped_lock lock(mutex_);
      records_.push_back(record);
      changed_.notify_all();
    };
    start({{"fake", ModelKind::decoder}, {"other", ModelKind::decoder}}, options);
  }

  static std::vector<ApiKey> read(const Json& keys) {
    auto read = read_api_keys(keys, "keys");
    EXPECT_TRUE(read.ok());
    return read.ok() ? std::move(read).value() : std::vector<ApiKey>();
  }

  ApiAnswer ask(const std::string& key, Json body = {}, const std::string& headers = "") {
    if (!body.contains("messages")) body["messages"] = hello()["messages"];
    if (!body.contains("model")) body["model"] = "fake";
    return ask_raw(post_text(kChat, to_text(body), "Authorization: Bearer " + key + "\r\n" + headers));
  }

  /// The log's line about the request of that id.
  std::map<std::string, Json> line_of(const std::string& id) {
    std::unique_lock lock(mutex_);
    std::map<std::string, Json> fields;
    changed_.wait_for(lock, seconds(10), [&] {
      for (const LogRecord& record : records_) {
        std::map<std::string, Json> named(record.fields.begin(), record.fields.end());
        if (named["id"] == id) fields = named;
      }
      return !fields.empty();
    });
    return fields;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LogRecord> records_;
};

TEST_F(KeysTest, requests_over_the_limit_wait) {
  Json slow = entry("slow", "key-of-slow");
  slow["requests_per_minute"] = 2;
  start_with(Json::array({slow, entry("free", "key-of-free")}));
  const ApiAnswer first = ask("key-of-slow");
  EXPECT_EQ(first.status, 200);
  EXPECT_THAT(first.head, HasSubstr("x-ratelimit-limit-requests: 2\r\n"));
  EXPECT_THAT(first.head, HasSubstr("x-ratelimit-remaining-requests: 1\r\n"));
  EXPECT_THAT(first.head, HasSubstr("x-ratelimit-reset-requests: 30.0s\r\n"));
  EXPECT_THAT(first.head, Not(HasSubstr("-tokens"))) << "it has no such limit";
  EXPECT_EQ(ask("key-of-slow").status, 200);
  const ApiAnswer third = ask("key-of-slow");
  EXPECT_EQ(third.status, 429);
  EXPECT_THAT(third.head, HasSubstr("Retry-After: 30\r\n"));
  EXPECT_EQ(third.json["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(ask("key-of-free").status, 200);
  EXPECT_EQ(ask("key-of-nobody").status, 401);
  server_->set_api_keys(read(Json::array({slow, entry("new", "key-of-new")})));
  EXPECT_EQ(ask("key-of-free").status, 401) << "it is gone from the file";
  EXPECT_EQ(ask("key-of-new").status, 200);
  EXPECT_EQ(ask("key-of-slow").status, 429) << "a reload gives nothing back";
  server_->set_api_keys({});
  EXPECT_EQ(ask("key-of-new").status, 401) << "without keys nobody is let in";
}

TEST_F(KeysTest, tokens_over_the_limit_wait) {
  Json key = entry("a", "key-of-a");
  key["tokens_per_minute"] = 60;
  start_with(Json::array({key}));
  engine().set_answer(std::string(50, 'x'));
  const ApiAnswer first = ask("key-of-a");
  ASSERT_EQ(first.status, 200);
  const auto used = first.json["usage"]["total_tokens"].get<int>();
  EXPECT_GT(used, 60) << "an answer that has begun is not cut";
  const ApiAnswer second = ask("key-of-a");
  EXPECT_EQ(second.status, 429);
  EXPECT_THAT(second.head, HasSubstr("x-ratelimit-limit-tokens: 60\r\n"));
  EXPECT_THAT(second.head, HasSubstr("x-ratelimit-remaining-tokens: 0\r\n"));
  const auto prompt = first.json["usage"]["prompt_tokens"].get<int>();
  const int wait = std::atoi(second.head.c_str() + second.head.find("Retry-After: ") + 13);
  EXPECT_NEAR(wait, used - 60 + prompt, 1) << "a token a second: the debt, then the prompt";
  Json body;
  body["messages"] = {{{"role", "user"}, {"content", std::string(100, 'y')}}};
  const ApiAnswer never = ask("key-of-a", body);
  EXPECT_EQ(never.status, 400) << "no waiting helps";
  EXPECT_THAT(never.head, Not(HasSubstr("Retry-After")));
}

TEST_F(KeysTest, rights_are_kept) {
  Json narrow = entry("narrow", "key-of-narrow");
  narrow["models"] = {"other"};
  Json urgent = entry("urgent", "key-of-urgent");
  urgent["priority_min"] = -10;
  start_with(Json::array({narrow, urgent}), "plain");
  const ApiAnswer refused = ask("key-of-narrow");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.error_param(), "model");
  EXPECT_EQ(ask("key-of-narrow", {{"model", "other"}}).status, 200);
  const ApiAnswer list = ask_raw("GET /v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: key-of-narrow\r\n\r\n");
  ASSERT_EQ(list.json["data"].size(), 1U);
  EXPECT_EQ(list.json["data"][0]["id"], "other");
  for (const auto& [model, status] : {std::pair("fake", 403), std::pair("other", 200)}) {
    const std::string line = std::string("GET /v1/models/") + model;
    EXPECT_EQ(ask_raw(line + " HTTP/1.1\r\nHost: x\r\nx-api-key: key-of-narrow\r\n\r\n").status, status) << line;
  }
  const ApiAnswer hurried = ask("key-of-narrow", {{"model", "other"}, {"priority", -1}});
  EXPECT_EQ(hurried.status, 403);
  EXPECT_EQ(hurried.error_param(), "priority");
  EXPECT_EQ(ask("key-of-narrow", {{"model", "other"}, {"priority", 5}}).status, 200);
  EXPECT_EQ(ask("key-of-urgent", {{"priority", -10}}).status, 200);
  EXPECT_EQ(ask("key-of-urgent", {{"priority", -11}}).status, 403);
  EXPECT_EQ(ask("plain", {{"priority", -1000}}).status, 200) << "the key of the command line may do everything";
}

TEST_F(KeysTest, the_log_tells_of_each_request_and_no_secret) {
  start_with(Json::array({entry("alice", "key-of-alice")}));
  engine().set_answer("An answer");
  Json body;
  body["messages"] = {{{"role", "user"}, {"content", "a secret prompt"}}};
  const ApiAnswer answer = ask("key-of-alice", body, "X-Request-Id: my-id-1\r\n");
  EXPECT_THAT(answer.head, HasSubstr("X-Request-Id: my-id-1\r\n"));
  std::map<std::string, Json> line = line_of("my-id-1");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["key"], "alice");
  EXPECT_EQ(line["model"], "fake");
  EXPECT_EQ(line["path"], kChat);
  EXPECT_EQ(line["prompt_tokens"], answer.json["usage"]["prompt_tokens"]);
  EXPECT_EQ(line["completion_tokens"], answer.json["usage"]["completion_tokens"]);
  EXPECT_TRUE(line["queue_ms"].is_number());
  EXPECT_TRUE(line["total_ms"].is_number());
  EXPECT_EQ(ask("wrong-key-of-bob", {}, "X-Request-Id: my-id-2\r\n").status, 401);
  EXPECT_EQ(line_of("my-id-2")["status"], 401);
  const ApiAnswer made = ask_raw("GET /nowhere?q=secret HTTP/1.1\r\nHost: x\r\nX-Request-Id: two words\r\n\r\n");
  EXPECT_THAT(made.head, HasSubstr("X-Request-Id: req-"));
  const size_t id = made.head.find("X-Request-Id: ") + 14;
  EXPECT_EQ(line_of(made.head.substr(id, made.head.find('\r', id) - id))["path"], "/nowhere");
  const std::string metrics = ask_raw("GET /metrics HTTP/1.1\r\nHost: x\r\nx-api-key: key-of-alice\r\n\r\n").text;
  EXPECT_THAT(metrics, HasSubstr("kedge_key_requests_total{key=\"alice\"} 1\n"));
  const std::scoped_lock lock(mutex_);
  for (const LogRecord& record : records_) {
    const std::string text = log_text(record, {}) + log_json(record, {}) + metrics;
    for (const char* secret : {"key-of", "secret", "An answer"}) EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
}

TEST_F(KeysTest, a_client_that_leaves_has_its_line) {
  start_with(Json::array({entry("alice", "key-of-alice")}));
  engine().allow(2);
  {
    net::TestClient client(server_->port());
    Json body = hello();
    body["stream"] = true;
    body["model"] = "fake";
    client.send(post_text(kChat, to_text(body), "x-api-key: key-of-alice\r\nx-request-id: gone\r\n"));
    client.read_head();
    EXPECT_THAT(client.read_chunk(), HasSubstr("\"H\""));
  }
  std::map<std::string, Json> line = line_of("gone");
  EXPECT_EQ(line["status"], 499);
  EXPECT_EQ(line["completion_tokens"], 2);
}

}  // namespace
}  // namespace kedge::serve
