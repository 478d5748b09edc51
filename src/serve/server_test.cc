// Goal: what holds for all routes: models by name, keys, queue, clients that leave, drain, metrics, document, page.
// Method: scripted engines behind a real server; the engine stands still where a test needs the middle of an answer.
#include "serve/server.h"

#include <future>
#include <thread>

#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(ServerTest, models_are_found_by_name) {
  start({{"org/one", ModelKind::decoder}, {"two", ModelKind::embedder}});
  engine("org/one").set_answer("I am one");
  const Json list = get("/v1/models").json;
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2U);
  EXPECT_EQ(list["data"][0]["id"], "org/one");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["owned_by"], "kedge");
  EXPECT_EQ(get("/v1/models/org/one").json["id"], "org/one");
  EXPECT_EQ(get("/v1/models/org%2Fone").json["id"], "org/one");
  Json body = hello();
  body["model"] = "org/one";
  EXPECT_EQ(post(kChat, body).json["choices"][0]["message"]["content"], "I am one");
  body["model"] = "gpt-4";
  for (const ApiAnswer& unknown : {post(kChat, body), get("/v1/models/gpt-4")}) {
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.json["error"]["code"], "model_not_found");
    EXPECT_EQ(unknown.error_param(), "model");
    EXPECT_THAT(unknown.json["error"]["message"].get<std::string>(), HasSubstr("'org/one', 'two'"));
  }
  EXPECT_EQ(post(kChat, hello()).error_param(), "model") << "which of the two?";
}

TEST_F(ServerTest, two_models_of_one_name_are_refused) {
  std::vector<ServedEngine> engines;
  for (int i = 0; i < 2; ++i) engines.push_back({"same", std::make_unique<FakeEngine>()});
  const auto server = Server::start(std::move(engines), {});
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.error().message, HasSubstr("'same'"));
}

TEST_F(ServerTest, keys_are_asked_for) {
  ServerOptions options;
  options.api_key = "secret";
  start(ModelKind::decoder, options);
  const std::string body = to_text(hello());
  for (const char* header : {"", "Authorization: Bearer wrong\r\n", "Authorization: Bearer secret2\r\n",
                             "Authorization: Basic secret\r\n", "Authorization: Bearer \r\n"}) {
    const ApiAnswer refused = ask_raw(post_text(kChat, body, header));
    EXPECT_EQ(refused.status, 401) << header;
    EXPECT_EQ(refused.json["error"]["code"], "invalid_api_key");
    EXPECT_EQ(refused.json["error"]["type"], "authentication_error");
    EXPECT_THAT(refused.head, HasSubstr("WWW-Authenticate: Bearer"));
  }
  EXPECT_EQ(ask_raw(post_text(kChat, body, "authorization: bearer secret\r\n")).status, 200);
  EXPECT_EQ(get("/v1/models").status, 401);
  EXPECT_EQ(get("/metrics").status, 401);
  for (const char* path : {"/", "/v1/health/live", "/v1/health/ready", "/version", "/openapi.json"}) {
    EXPECT_EQ(get(path).status, 200) << path;
  }
}

TEST_F(ServerTest, an_engine_that_stands_still_is_reported_until_it_goes_on) {
  std::mutex mutex;
  std::string log;
  ServerOptions options;
  options.step_time_max = std::chrono::milliseconds(500);
  options.log = [&](const LogRecord& record) {
    const std::scoped_lock lock(mutex);
    log += record.message + "\n";
  };
  start(ModelKind::decoder, options);
  const auto wait_for_status = [&](int status) {
    int found = 0;
    for (int i = 0; i < 1000 && found != status; ++i) {
      found = get("/v1/health/ready").status;
      if (found != status) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return found;
  };
  engine().set_step_seconds(0.4);
  EXPECT_EQ(get("/v1/health/ready").status, 200) << "long, but not too long";
  EXPECT_EQ(metric("kedge_engine_stalls_total{model_name=\"fake\"}"), 0);
  engine().set_step_seconds(0.6);
  EXPECT_EQ(wait_for_status(503), 503);
  EXPECT_EQ(get("/v1/health/live").status, 200);
  EXPECT_EQ(metric("kedge_engine_stalls_total{model_name=\"fake\"}"), 1);
  EXPECT_EQ(metric("kedge_engine_step_seconds{model_name=\"fake\"}"), 0.6);
  engine().set_step_seconds(0);
  EXPECT_EQ(wait_for_status(200), 200);
  server_.reset();
  EXPECT_THAT(log, HasSubstr("the engine of 'fake' does not go on: its step has been running for 0.6 s"));
  EXPECT_THAT(log, HasSubstr("the engine of 'fake' goes on"));
}

TEST_F(ServerTest, unknown_routes_answer_in_the_form_of_the_api) {
  start();
  const ApiAnswer unknown = get("/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json["error"]["code"], "unknown_route");
  const ApiAnswer method = get(kChat);
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.json["error"]["type"], "invalid_request_error");
}

TEST_F(ServerTest, a_full_queue_answers_429) {
  ServerOptions options;
  options.queue_max = 1;
  start(ModelKind::decoder, options);
  engine().allow(0);
  std::vector<std::future<ApiAnswer>> running;
  for (size_t i = 0; i < 2; ++i) {
    running.push_back(std::async(std::launch::async, [this] { return post(kChat, hello()); }));
    EXPECT_TRUE(engine().wait_for_pending(i + 1));
  }
  EXPECT_EQ(metric("num_requests_running{model_name=\"fake\"}"), 1);
  EXPECT_EQ(metric("num_requests_waiting{model_name=\"fake\"}"), 1);
  const ApiAnswer refused = post(kChat, hello());
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.head, HasSubstr("Retry-After: "));
  EXPECT_EQ(refused.json["error"]["code"], "queue_full");
  engine().allow(SIZE_MAX);
  for (std::future<ApiAnswer>& answer : running) EXPECT_EQ(answer.get().status, 200);
  EXPECT_TRUE(engine().wait_for_idle());
  EXPECT_EQ(post(kChat, hello()).status, 200);
}

TEST_F(ServerTest, a_client_that_leaves_stops_the_engine) {
  start();
  engine().allow(2);
  for (const bool streaming : {false, true}) {
    Json body = hello();
    body["stream"] = streaming;
    net::TestClient client(server_->port());
    client.send(post_text(kChat, to_text(body)));
    if (streaming) {
      client.read_head();
      EXPECT_THAT(client.read_chunk(), HasSubstr("\"H\""));
    }
    EXPECT_TRUE(engine().wait_for_pending(1));
    client.close();
    EXPECT_TRUE(engine().wait_for_idle()) << streaming;
  }
  EXPECT_EQ(metric("num_requests_running{model_name=\"fake\"}"), 0);
}

TEST_F(ServerTest, a_client_that_leaves_the_queue_is_forgotten) {
  start();
  engine().allow(0);
  net::TestClient first(server_->port());
  first.send(post_text(kChat, to_text(hello())));
  EXPECT_TRUE(engine().wait_for_pending(1));
  {
    net::TestClient second(server_->port());
    second.send(post_text(kCompletions, to_text({{"prompt", Json::array({"a", "b"})}})));
    EXPECT_TRUE(engine().wait_for_pending(3));
  }
  engine().allow(SIZE_MAX);
  EXPECT_EQ(first.read_answer().status, 200);
  EXPECT_TRUE(engine().wait_for_idle());
}

TEST_F(ServerTest, drain_finishes_what_runs) {
  start();
  engine().allow(1);
  Json body = hello();
  body["stream"] = true;
  net::TestClient client(server_->port());
  client.send(post_text(kChat, to_text(body)));
  client.read_head();
  EXPECT_THAT(client.read_chunk(), HasSubstr("\"H\""));
  auto drained = std::async(std::launch::async, [this] { return server_->drain(std::chrono::seconds(60)); });
  while (get("/v1/health/ready").status != 503) std::this_thread::yield();
  EXPECT_EQ(get("/v1/health/ready").json["status"], "draining");
  EXPECT_EQ(get("/v1/health/live").status, 200);
  const ApiAnswer refused = post(kChat, hello());
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json["error"]["code"], "shutting_down");
  engine().allow(SIZE_MAX);
  std::string rest;
  for (std::string chunk = client.read_chunk(); !chunk.empty(); chunk = client.read_chunk()) rest += chunk;
  EXPECT_THAT(rest, HasSubstr("[DONE]"));
  client.close();
  EXPECT_TRUE(drained.get());
  EXPECT_FALSE(net::TestClient(server_->port()).connected());
}

TEST_F(ServerTest, drain_cuts_what_outlives_the_grace) {
  start();
  engine().allow(1);
  net::TestClient client(server_->port());
  client.send(post_text(kChat, to_text(hello())));
  EXPECT_TRUE(engine().wait_for_pending(1));
  EXPECT_FALSE(server_->drain(std::chrono::milliseconds(10)));
  EXPECT_TRUE(client.wait_for_close());
}

TEST_F(ServerTest, is_destroyed_in_the_middle_of_an_answer) {
  start();
  engine().allow(1);
  net::TestClient client(server_->port());
  client.send(post_text(kChat, to_text(hello())));
  EXPECT_TRUE(engine().wait_for_pending(1));
  server_.reset();
  EXPECT_TRUE(client.wait_for_close());
}

TEST_F(ServerTest, a_model_that_fails_to_compute_is_not_ready) {
  auto engine = std::make_unique<FakeEngine>();
  engine->fail_after(0);
  std::vector<ServedEngine> engines;
  engines.push_back({"broken", std::move(engine)});
  ServerOptions options;
  options.http.port = 0;
  auto server = Server::start(std::move(engines), options);
  ASSERT_TRUE(server.ok());
  server_ = std::move(server).value();
  const Status ready = server_->wait_until_ready();
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(ready.error().message, HasSubstr("'broken'"));
  EXPECT_EQ(get("/v1/health/ready").status, 503);
  EXPECT_EQ(get("/v1/health/live").status, 200);
}

TEST_F(ServerTest, counts) {
  start();
  post(kChat, hello());
  post(kChat, hello());
  post(kChat, {});
  get("/v1/nothing");
  const std::string labels = "{model_name=\"fake\"}";
  // The answer is with the client a moment before it is counted.
  const std::string ok = "kedge_http_requests_total{route=\"/v1/chat/completions\",method=\"POST\",code=\"200\"}";
  const std::string unknown = "kedge_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}";
  const std::string wrong = "kedge_http_requests_total{route=\"/v1/chat/completions\",method=\"POST\",code=\"400\"}";
  while (metric(ok) < 2 || metric(wrong) < 1 || metric(unknown) < 1) std::this_thread::yield();
  EXPECT_EQ(metric("request_success_total" + labels), 2);
  EXPECT_EQ(metric("generation_tokens_total" + labels), 12);
  EXPECT_EQ(metric("time_to_first_token_seconds_count" + labels), 2);
  EXPECT_EQ(metric("time_per_output_token_seconds_count" + labels), 2);
  EXPECT_EQ(metric("e2e_request_latency_seconds_count" + labels), 2);
  EXPECT_EQ(metric("kedge_kv_cache_tokens" + labels), 2000);
  EXPECT_EQ(metric("num_requests_running" + labels), 0);
}

TEST_F(ServerTest, version_and_health) {
  start();
  EXPECT_EQ(get("/version").json["api"], "v1");
  EXPECT_EQ(get("/v1/version").json, get("/version").json);
  EXPECT_EQ(get("/v1/health/ready").json["object"], "health.response");
  EXPECT_EQ(get("/v1/health/ready").json["status"], "ready");
}

TEST_F(ServerTest, the_page_is_cached_by_its_tag) {
  start();
  const ApiAnswer page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.head, HasSubstr("Content-Type: text/html"));
  EXPECT_THAT(page.head, HasSubstr("Content-Security-Policy: frame-ancestors 'none'"));
  EXPECT_THAT(page.text, HasSubstr("<html"));
  const size_t start_of_tag = page.head.find("ETag: ") + 6;
  const std::string tag = page.head.substr(start_of_tag, page.head.find("\r\n", start_of_tag) - start_of_tag);
  const ApiAnswer again = ask_raw("GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + tag + "\r\n\r\n");
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(again.text.empty());
}

TEST_F(ServerTest, the_document_has_every_route_that_some_model_answers) {
  start({{"fake", ModelKind::decoder}, {"ranker", ModelKind::reranker}});
  const Json document = get("/openapi.json").json;
  EXPECT_EQ(document["openapi"], "3.1.0");
  for (const char* path : {"/v1/chat/completions",
                           "/v1/completions",
                           "/v1/embeddings",
                           "/v1/ranking",
                           "/v1/models",
                           "/v1/models/{model}",
                           "/v1/retrieval/{model}/reranking",
                           "/v1/health/live",
                           "/v1/health/ready",
                           "/metrics",
                           "/version",
                           "/openapi.json",
                           "/",
                           "/tokenize",
                           "/detokenize",
                           "/v1/chat/completions/render",
                           "/v1/completions/render",
                           "/apply-template",
                           "/v1/messages",
                           "/v1/messages/count_tokens",
                           "/v1/rerank",
                           "/v2/rerank",
                           "/rerank",
                           "/v1/metadata",
                           "/v1/license",
                           "/v1/manifest",
                           "/v1/metrics"}) {
    EXPECT_TRUE(document["paths"].contains(path)) << path;
  }
  const Json& schema = document["paths"][kChat]["post"]["requestBody"]["content"]["application/json"]["schema"];
  EXPECT_EQ(schema["properties"]["temperature"]["maximum"], 2);
  const Json& refused = document["paths"]["/v1/messages"]["post"]["responses"]["400"]["content"]["application/json"];
  EXPECT_EQ(refused["schema"]["properties"]["type"]["const"], "error") << "Anthropic's form";
  EXPECT_EQ(schema["required"], Json::array({"messages", "model"}));
  EXPECT_EQ(schema["properties"]["model"]["enum"], Json::array({"fake"}));
}

TEST_F(ServerTest, the_document_leaves_out_what_no_model_answers) {
  start();
  const Json document = get("/openapi.json").json;
  EXPECT_FALSE(document["paths"].contains("/v1/ranking"));
  const Json& schema = document["paths"][kChat]["post"]["requestBody"]["content"]["application/json"]["schema"];
  EXPECT_EQ(schema["required"], Json::array({"messages"}));
  EXPECT_EQ(schema["properties"]["model"]["enum"], Json::array({"fake", "", nullptr}));
}

TEST_F(ServerTest, many_clients_at_once) {
  start();
  std::vector<std::future<int>> answers;
  for (int i = 0; i < 20; ++i) {
    answers.push_back(std::async(std::launch::async, [this, i] {
      int good = 0;
      for (int j = 0; j < 5; ++j) {
        if (i % 2 == 0) {
          good += post(kChat, hello()).json["choices"][0]["message"]["content"] == "Hello!" ? 1 : 0;
        } else {
          good += stream(kChat, hello()).back() == "[DONE]" ? 1 : 0;
        }
      }
      return good;
    }));
  }
  for (std::future<int>& answer : answers) EXPECT_EQ(answer.get(), 5);
}

}  // namespace
}  // namespace kedge::serve
