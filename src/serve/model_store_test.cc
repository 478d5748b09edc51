// Goal: models of a folder are there when they are asked for, within the memory that they may take, in the order of
// asking; nobody's answer is lost to a model that comes or goes; whatever cannot be loaded says why.
// Method: fake engines of made-up sizes behind a real server; doors that hold a load or an answer until the test opens
// them, so that nothing depends on time.
#include "serve/model_store.h"

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kFakeBytes = 4096;  // what a fake engine plans

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kedge-models-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Closed until it is opened.
class Door {
 public:
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  bool wait_for_somebody() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

class ModelStoreTest : public ServerTest {
 protected:
  ~ModelStoreTest() override {
    for (auto& [name, door] : doors_) door.open();
    server_.reset();
  }

  /// A model of the folder: its file says what the fake engine is.
  void model(const std::string& name, const std::string& kind = "decoder") {
    std::filesystem::create_directories(folder_.path() / name);
    std::ofstream(folder_.path() / name / "config.json") << kind;
  }

  void serve(uint64_t bytes_max, const std::vector<std::pair<std::string, ModelKind>>& pinned = {},
             ServerOptions options = {}) {
    options.models.folder = folder_.path();
    options.models.bytes_max = bytes_max;
    options.models.open = [this](const ModelOpening& opening) { return open(opening); };
    start(pinned, std::move(options));
  }

  Result<std::unique_ptr<Engine>> open(const ModelOpening& opening) {
    const std::string name = opening.path.filename().string();
    std::ifstream file(opening.path / "config.json");
    const std::string kind{std::istreambuf_iterator<char>(file), {}};
    if (kind == "corrupt") return Error{ErrorKind::corrupt_data, "config.json: found 'corrupt', expected a model"};
    const ModelKind is = kind == "embedder"   ? ModelKind::embedder
                         : kind == "reranker" ? ModelKind::reranker
                                              : ModelKind::decoder;
    auto engine = std::make_unique<FakeEngine>(is);
    engine->set_plan_bytes(kind == "large" ? 10 * kFakeBytes : kFakeBytes);
    if (opening.plan_only) return std::unique_ptr<Engine>(std::move(engine));
    if (kind == "weights broken") return Error{ErrorKind::corrupt_data, "model.safetensors: ends early"};
    if (doors_.contains(name)) doors_[name].pass();
    engine->set_answer("I am " + name);
    const std::scoped_lock lock(mutex_);
    engines_[name] = engine.get();
    ++loads_[name];
    return std::unique_ptr<Engine>(std::move(engine));
  }

  int loads(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    return loads_[name];
  }

  std::string answer_of(const std::string& model) {
    Json body = hello();
    body["model"] = model;
    const ApiAnswer answer = post(kChat, body);
    if (answer.status != 200) return std::to_string(answer.status) + " " + answer.json["error"]["code"].dump();
    return answer.json["choices"][0]["message"]["content"];
  }
  std::future<std::string> ask(const std::string& model) {
    return std::async(std::launch::async, [this, model] { return answer_of(model); });
  }

  std::map<std::string, std::string> states() {
    std::map<std::string, std::string> states;
    const Json list = get("/v1/models").json;
    for (const Json& model : list["data"]) states[model["id"]] = model["status"]["value"];
    return states;
  }
  bool wait_for_metric(const std::string& line_start, double value) {
    for (int i = 0; i < 2000; ++i) {
      if (metric(line_start) == value) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  TemporaryFolder folder_;
  std::mutex mutex_;
  std::map<std::string, int> loads_;
  std::map<std::string, Door> doors_;  // of loads
};

using States = std::map<std::string, std::string>;

TEST_F(ModelStoreTest, the_first_request_loads_its_model_and_the_one_used_longest_ago_goes) {
  for (const char* name : {"a", "b", "c"}) model(name);
  serve(2 * kFakeBytes);
  EXPECT_EQ(states(), (States{{"a", "unloaded"}, {"b", "unloaded"}, {"c", "unloaded"}}));
  EXPECT_EQ(answer_of("a"), "I am a");
  EXPECT_EQ(answer_of("b"), "I am b");
  EXPECT_EQ(answer_of("a"), "I am a");
  EXPECT_EQ(loads("a"), 1);
  EXPECT_TRUE(wait_for_metric("kedge_models_bytes", 2 * kFakeBytes));
  EXPECT_EQ(answer_of("c"), "I am c");
  EXPECT_EQ(states(), (States{{"a", "loaded"}, {"b", "unloaded"}, {"c", "loaded"}}));
  EXPECT_EQ(answer_of("b"), "I am b");
  EXPECT_EQ(loads("b"), 2);
  EXPECT_EQ(states(), (States{{"a", "unloaded"}, {"b", "loaded"}, {"c", "loaded"}}));
}

TEST_F(ModelStoreTest, counts_go_on_over_loads_and_sizes_go_with_the_model) {
  for (const char* name : {"a", "b"}) model(name);
  serve(kFakeBytes);
  EXPECT_EQ(metric("num_preemptions_total{model_name=\"a\"}"), -1)
      << "nothing is told of a model that never was loaded";
  EXPECT_EQ(answer_of("a"), "I am a");
  EXPECT_EQ(metric("num_preemptions_total{model_name=\"a\"}"), 3);
  EXPECT_EQ(metric("kedge_kv_cache_bytes{model_name=\"a\"}"), kFakeBytes);
  EXPECT_EQ(answer_of("b"), "I am b");
  EXPECT_EQ(metric("num_preemptions_total{model_name=\"a\"}"), 3);
  EXPECT_EQ(metric("kedge_kv_cache_bytes{model_name=\"a\"}"), 0);
  EXPECT_EQ(metric("kedge_step_seconds_count{model_name=\"a\"}"), 3);
  EXPECT_EQ(answer_of("a"), "I am a");
  EXPECT_EQ(metric("num_preemptions_total{model_name=\"a\"}"), 6) << "the second engine has counted 3 more";
  EXPECT_EQ(metric("kedge_step_seconds_count{model_name=\"a\"}"), 6);
  EXPECT_EQ(metric("request_success_total{model_name=\"a\"}"), 2);
  EXPECT_EQ(metric("kedge_model_loads_total{model_name=\"a\"}"), 2);
  EXPECT_EQ(metric("kedge_model_unloads_total{model_name=\"a\"}"), 1);
}

TEST_F(ModelStoreTest, requests_for_one_model_wait_for_one_load_while_others_are_answered) {
  for (const char* name : {"a", "b"}) model(name);
  doors_["b"];
  serve(2 * kFakeBytes);
  EXPECT_EQ(answer_of("a"), "I am a");
  std::future<std::string> first = ask("b");
  ASSERT_TRUE(doors_["b"].wait_for_somebody());
  std::future<std::string> second = ask("b");
  EXPECT_TRUE(wait_for_metric("kedge_model_requests_waiting", 2));
  EXPECT_EQ(states()["b"], "loading");
  EXPECT_EQ(answer_of("a"), "I am a");
  doors_["b"].open();
  EXPECT_EQ(first.get(), "I am b");
  EXPECT_EQ(second.get(), "I am b");
  EXPECT_EQ(loads("b"), 1);
}

TEST_F(ModelStoreTest, a_model_that_answers_stays_and_the_newcomer_goes_before_later_requests) {
  for (const char* name : {"a", "b"}) model(name);
  serve(kFakeBytes);
  EXPECT_EQ(answer_of("a"), "I am a");
  engine("a").allow(2);
  std::future<std::string> running = ask("a");
  ASSERT_TRUE(engine("a").wait_for_pending(1));
  std::future<std::string> newcomer = ask("b");
  EXPECT_TRUE(wait_for_metric("kedge_model_requests_waiting", 1));
  EXPECT_TRUE(wait_for_metric("kedge_models_leaving", 1));
  EXPECT_EQ(loads("b"), 0);
  std::future<std::string> later = ask("a");  // or "b" would wait for ever
  EXPECT_TRUE(wait_for_metric("kedge_model_requests_waiting", 2));
  EXPECT_EQ(loads("a"), 1);
  engine("a").allow(SIZE_MAX);
  EXPECT_EQ(running.get(), "I am a") << "to its end";
  EXPECT_EQ(newcomer.get(), "I am b");
  EXPECT_EQ(later.get(), "I am a");
  EXPECT_EQ(loads("a"), 2);
}

TEST_F(ModelStoreTest, no_more_requests_wait_than_the_queue_allows) {
  model("a");
  doors_["a"];
  ServerOptions options;
  options.queue_max = 1;
  serve(kFakeBytes, {}, std::move(options));
  std::future<std::string> first = ask("a");
  ASSERT_TRUE(doors_["a"].wait_for_somebody());
  Json body = hello();
  body["model"] = "a";
  const ApiAnswer refused = post(kChat, body);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json["error"]["code"], "queue_full");
  EXPECT_THAT(refused.head, HasSubstr("Retry-After: 5"));
  doors_["a"].open();
  EXPECT_EQ(first.get(), "I am a");
}

TEST_F(ModelStoreTest, a_body_that_is_not_declared_as_json_loads_nothing) {
  model("a");
  serve(kFakeBytes);
  Json body = hello();
  body["model"] = "a";
  const std::string text = to_text(body);
  const ApiAnswer refused =
      ask_raw("POST " + std::string(kChat) + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" +
              "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(states()["a"], "unloaded");
}

TEST_F(ModelStoreTest, what_can_never_fit_is_refused_with_its_numbers) {
  model("a");
  model("big", "large");
  serve(3 * kFakeBytes, {{"pinned", ModelKind::decoder}});
  Json body = hello();
  body["model"] = "big";
  const ApiAnswer refused = post(kChat, body);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error_param(), "model");
  EXPECT_EQ(refused.json["error"]["code"], "model_too_large");
  EXPECT_THAT(refused.json["error"]["message"].get<std::string>(),
              testing::AllOf(HasSubstr("'big' needs 40960 bytes"), HasSubstr("the 12288 bytes that --models-max-bytes"),
                             HasSubstr("less 4096 of the models that stay loaded")));
  EXPECT_EQ(answer_of("a"), "I am a");
  EXPECT_EQ(answer_of("pinned"), "Hello!");
}

TEST_F(ModelStoreTest, what_cannot_be_loaded_says_why_until_its_files_change) {
  model("broken", "corrupt");
  model("cut", "weights broken");
  model("a");
  serve(kFakeBytes);
  EXPECT_EQ(states(), (States{{"a", "unloaded"}, {"broken", "failed"}, {"cut", "unloaded"}}));
  Json body = hello();
  for (const auto& [name, reason] : {std::pair("broken", "found 'corrupt'"), std::pair("cut", "ends early")}) {
    body["model"] = name;
    const ApiAnswer refused = post(kChat, body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.json["error"]["code"], "model_not_loadable");
    EXPECT_THAT(refused.json["error"]["message"].get<std::string>(), HasSubstr(reason));
    EXPECT_THAT(refused.json["error"]["message"].get<std::string>(), HasSubstr(std::string("'") + name + "'"));
    EXPECT_EQ(states()[name], "failed");
  }
  EXPECT_EQ(answer_of("cut"), "400 \"model_not_loadable\"");
  EXPECT_EQ(metric("kedge_model_load_failures_total{model_name=\"cut\"}"), 1) << "not tried again";
  EXPECT_EQ(answer_of("a"), "I am a");
  model("cut");
  EXPECT_EQ(answer_of("cut"), "I am cut");
}

TEST_F(ModelStoreTest, models_come_and_go_with_their_folders) {
  model("a");
  model("org/b");
  std::filesystem::create_directories(folder_.path() / "no model");
  std::filesystem::create_directories(folder_.path() / ".hidden");
  std::ofstream(folder_.path() / ".hidden" / "config.json") << "decoder";
  std::ofstream(folder_.path() / "c.gguf") << "x";
  serve(4 * kFakeBytes);
  EXPECT_EQ(states(), (States{{"a", "unloaded"}, {"c", "unloaded"}, {"org/b", "unloaded"}}));
  EXPECT_EQ(answer_of("org/b"), "I am b");
  EXPECT_EQ(answer_of("d"), "404 \"model_not_found\"");
  model("d");
  std::filesystem::remove_all(folder_.path() / "org");
  ASSERT_TRUE(server_->refresh_models().ok());
  EXPECT_EQ(answer_of("d"), "I am d");
  EXPECT_EQ(answer_of("org/b"), "404 \"model_not_found\"");
  EXPECT_EQ(states(), (States{{"a", "unloaded"}, {"c", "unloaded"}, {"d", "loaded"}}));
  EXPECT_EQ(metric("kedge_models_loaded"), 1) << "what is gone and idle takes no memory";
}

TEST_F(ModelStoreTest, every_kind_of_model_and_route_loads) {
  model("chat");
  model("vectors", "embedder");
  model("scores", "reranker");
  serve(kFakeBytes);
  EXPECT_EQ(post("/v1/embeddings", {{"model", "vectors"}, {"input", "x"}}).status, 200);
  const Json ranking = {{"query", {{"text", "q"}}}, {"passages", {{{"text", "p"}}}}};
  EXPECT_EQ(post("/v1/retrieval/scores/reranking", ranking).status, 200);
  EXPECT_EQ(post("/v1/rerank", {{"model", "scores"}, {"query", "q"}, {"documents", {"d"}}}).status, 200);
  EXPECT_EQ(post("/tokenize", {{"model", "chat"}, {"prompt", "x"}}).status, 200);
  EXPECT_EQ(post("/v1/completions", {{"model", "vectors"}, {"prompt", "x"}}).status, 400);
  EXPECT_EQ(post("/v1/messages", {{"model", "chat"}, {"max_tokens", 3}, {"messages", hello()["messages"]}}).status,
            200);
  EXPECT_EQ(post("/v1/responses", {{"model", "chat"}, {"input", "x"}}).status, 200);
  EXPECT_EQ(post(kChat, hello()).error_param(), "model") << "there are several";
  EXPECT_EQ(get("/openapi.json").status, 200);
  EXPECT_EQ(get("/v1/manifest").status, 200);
}

TEST_F(ModelStoreTest, models_are_loaded_and_unloaded_when_a_client_says_so) {
  model("a");
  serve(kFakeBytes, {}, {});
  EXPECT_EQ(post("/models/load", {{"model", "a"}}).text, "{\"success\":true}");
  EXPECT_EQ(states()["a"], "loaded");
  EXPECT_EQ(get("/models").json["data"][0]["status"]["value"], "loaded");
  engine("a").allow(1);
  std::future<std::string> running = ask("a");
  ASSERT_TRUE(engine("a").wait_for_pending(1));
  const ApiAnswer busy = post("/models/unload", {{"model", "a"}});
  EXPECT_EQ(busy.status, 409);
  EXPECT_EQ(busy.json["error"]["code"], "model_busy");
  engine("a").allow(SIZE_MAX);
  EXPECT_EQ(running.get(), "I am a");
  for (int i = 0; i < 2000 && post("/models/unload", {{"model", "a"}}).status == 409; ++i) {
  }  // the last of the request may still be on its way
  EXPECT_EQ(states()["a"], "unloaded");
  EXPECT_EQ(post("/models/unload", {{"model", "a"}}).status, 200) << "it is";
  EXPECT_EQ(post("/models/load", {{"model", "z"}}).status, 404);
}

TEST_F(ModelStoreTest, a_model_of_the_start_stays) {
  model("a");
  serve(2 * kFakeBytes, {{"pinned", ModelKind::decoder}});
  EXPECT_EQ(post("/models/load", {{"model", "pinned"}}).status, 200);
  const ApiAnswer refused = post("/models/unload", {{"model", "pinned"}});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.json["error"]["code"], "model_pinned");
  EXPECT_EQ(answer_of("pinned"), "Hello!");
}

TEST_F(ModelStoreTest, a_client_that_left_loads_nothing) {
  for (const char* name : {"a", "b", "c"}) model(name);
  doors_["a"];
  serve(3 * kFakeBytes);
  std::future<std::string> first = ask("a");
  ASSERT_TRUE(doors_["a"].wait_for_somebody());
  {
    Json body = hello();
    body["model"] = "b";
    net::TestClient client(server_->port());
    client.send(post_text(kChat, to_text(body)));
    EXPECT_TRUE(wait_for_metric("kedge_model_requests_waiting", 2));
  }
  std::future<std::string> last = ask("c");
  EXPECT_TRUE(wait_for_metric("kedge_model_requests_waiting", 3));
  EXPECT_TRUE(wait_for_metric("kedge_http_connections", 3)) << "the client's end has been seen";
  doors_["a"].open();
  EXPECT_EQ(first.get(), "I am a");
  EXPECT_EQ(last.get(), "I am c");
  EXPECT_EQ(loads("b"), 0);
}

TEST_F(ModelStoreTest, whoever_waits_when_the_server_ends_is_told) {
  model("a");
  doors_["a"];
  serve(kFakeBytes);
  std::future<std::string> waiting = ask("a");
  ASSERT_TRUE(doors_["a"].wait_for_somebody());
  std::thread ends([this] { server_->drain(std::chrono::milliseconds(50)); });
  EXPECT_EQ(waiting.get(), "503 \"shutting_down\"");
  doors_["a"].open();
  ends.join();
}

TEST_F(ModelStoreTest, aliases_are_names_for_every_route_and_right) {
  model("a");
  ServerOptions options;
  options.aliases = {{"small", "a"}, {"gpt-4o", "pinned"}, {"nothing", "z"}};
  ApiKey by_alias, by_model;
  by_alias.name = "by alias";
  by_alias.hash = hash_of_key("1");
  by_alias.models = {"small"};
  by_model.name = "by model";
  by_model.hash = hash_of_key("2");
  by_model.models = {"a"};
  options.api_keys = {by_alias, by_model};
  options.api_key = "0";
  serve(2 * kFakeBytes, {{"pinned", ModelKind::decoder}}, std::move(options));
  const auto ask_as = [&](const std::string& key, const std::string& path, Json body, const std::string& model) {
    body["model"] = model;
    return ask_raw(post_text(path, to_text(body), "Authorization: Bearer " + key + "\r\n"));
  };
  const ApiAnswer answer = ask_as("0", kChat, hello(), "small");
  EXPECT_EQ(answer.json["model"], "small");
  EXPECT_EQ(answer.json["choices"][0]["message"]["content"], "I am a");
  EXPECT_EQ(ask_as("0", kChat, hello(), "gpt-4o").status, 200);
  const ApiAnswer nothing = ask_as("0", kChat, hello(), "nothing");
  EXPECT_EQ(nothing.status, 404);
  EXPECT_THAT(nothing.json["error"]["message"].get<std::string>(),
              HasSubstr("'nothing' is an alias of 'z', but there is"));
  // A right to the alias is none to the model's own name; a right to the model is one to its aliases.
  EXPECT_EQ(ask_as("1", kChat, hello(), "small").status, 200);
  EXPECT_EQ(ask_as("1", kChat, hello(), "a").status, 403);
  EXPECT_EQ(ask_as("2", kChat, hello(), "small").status, 200);
  EXPECT_EQ(ask_as("2", kChat, hello(), "a").status, 200);
  for (const char* path : {"/tokenize", "/v1/completions", "/v1/completions/render"}) {
    EXPECT_EQ(ask_as("2", path, {{"prompt", "x"}}, "small").status, 200) << path;
    EXPECT_EQ(ask_as("2", path, {{"prompt", "x"}}, "pinned").status, 403) << path;
  }
  EXPECT_EQ(ask_as("2", "/models/unload", Json::object(), "pinned").status, 403);
  EXPECT_EQ(ask_as("2", "/apply-template", hello(), "pinned").status, 403);
  const ApiAnswer list = ask_raw("GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 2\r\n\r\n");
  std::vector<std::string> names;
  for (const Json& entry : list.json["data"])
    names.push_back(entry["id"].get<std::string>() + "=" + entry["root"].get<std::string>());
  EXPECT_THAT(names, ElementsAre("a=a", "small=a"));
}

TEST_F(ModelStoreTest, adapters_come_back_with_their_model) {
  for (const char* name : {"a", "b"}) model(name);
  TemporaryFolder adapters;
  std::filesystem::create_directories(adapters.path() / "tuned");
  std::ofstream(adapters.path() / "tuned" / "adapter_config.json") << R"({"base_model_name_or_path": "org/a"})";
  ServerOptions options;
  options.adapters = {{"tuned", adapters.path() / "tuned"}};
  serve(kFakeBytes, {}, std::move(options));
  EXPECT_EQ(states()["tuned"], "unloaded");
  EXPECT_EQ(answer_of("tuned"), "I am a");
  EXPECT_NE(engine("a").last_request().adapter, nullptr);
  EXPECT_EQ(metric("kedge_lora_bytes"), 100);
  EXPECT_EQ(answer_of("b"), "I am b");
  EXPECT_EQ(metric("kedge_lora_bytes"), 0) << "it went with its model";
  EXPECT_EQ(answer_of("tuned"), "I am a");
  EXPECT_EQ(answer_of("b"), "I am b");
  std::ofstream(adapters.path() / "tuned" / "adapter_config.json") << R"({"base_model_name_or_path": "broken"})";
  Json body = hello();
  body["model"] = "tuned";
  const ApiAnswer refused = post(kChat, body);
  EXPECT_EQ(refused.status, 404);
  EXPECT_THAT(refused.json["error"]["message"].get<std::string>(),
              HasSubstr("'tuned' could not be loaded: it is broken"));
}

TEST_F(ModelStoreTest, many_requests_for_more_models_than_fit_are_all_answered) {
  const std::vector<std::string> names{"a", "b", "c", "d"};
  for (const std::string& name : names) model(name);
  ServerOptions options;
  options.queue_max = 1000;
  serve(2 * kFakeBytes, {{"pinned", ModelKind::decoder}}, std::move(options));
  std::vector<std::future<int>> wrong;
  for (int client = 0; client < 8; ++client) {
    wrong.push_back(std::async(std::launch::async, [&, client] {
      int count = 0;
      for (int i = 0; i < 12; ++i) {
        const std::string& name = names[static_cast<size_t>((client * 7 + i * 3) % 4)];
        if (answer_of(name) != "I am " + name) ++count;
        if (i % 4 == 0 && states().size() != 5) ++count;
      }
      return count;
    }));
  }
  for (auto& count : wrong) EXPECT_EQ(count.get(), 0);
  EXPECT_TRUE(wait_for_metric("kedge_models_bytes", 2 * kFakeBytes)) << "never more than allowed at the end";
}

TEST(ModelFolder, what_lies_there) {
  TemporaryFolder folder;
  const auto file = [&](const std::string& path) {
    std::filesystem::create_directories((folder.path() / path).parent_path());
    std::ofstream(folder.path() / path) << "x";
  };
  for (const char* path : {"one.gguf", "two/config.json", "three/any.gguf", "four/a.gguf", "four/b.gguf",
                           "org/five/config.json", "readme.md", ".git/config.json"}) {
    file(path);
  }
  const auto found = list_models(folder.path());
  ASSERT_TRUE(found.ok());
  std::vector<std::string> names;
  for (const FoundModel& model : found.value()) names.push_back(model.name);
  EXPECT_THAT(names, ElementsAre("four/a", "four/b", "one", "org/five", "three", "two"));
  EXPECT_FALSE(list_models(folder.path() / "none").ok());
}

TEST_F(ModelStoreTest, a_model_that_is_used_while_another_makes_room_stays) {
  model("a");
  model("b");
  model("great", "large");
  MetricsRegistry metrics;
  ModelRegistry models;
  ModelFolderOptions options{.folder = folder_.path(),
                             .bytes_max = 10 * kFakeBytes,
                             .open = [this](const auto& opening) { return open(opening); }};
  ModelStore* store = nullptr;
  std::optional<ModelUse> other;  // of the model that was to go next
  std::promise<void> taken;
  bool first_gone = false;
  ModelStore::Hooks hooks;
  hooks.tell = [](const std::string&) {};
  hooks.on_unloaded = [&](ServedModel& gone) {
    if (std::exchange(first_gone, true)) return;
    std::optional<ModelUse> use = store->use_if_loaded(*models.find(gone.name() == "a" ? "b" : "a").value());
    if (use) other.emplace(std::move(*use));
    taken.set_value();
  };
  ModelStore made(std::move(options), 4, models, metrics, std::move(hooks));
  store = &made;
  ASSERT_TRUE(made.refresh().ok());
  const auto use = [&](const char* name) {
    auto promise = std::make_shared<std::promise<ApiResult<ModelUse>>>();
    auto future = promise->get_future();
    made.use(*models.find(name).value(),
             {.ready = [promise](ApiResult<ModelUse> given) { promise->set_value(std::move(given)); }, .gone = {}});
    return future;
  };
  EXPECT_TRUE(use("a").get().ok());
  EXPECT_TRUE(use("b").get().ok());
  auto great = use("great");
  taken.get_future().get();
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->model()->engine().info().kind, ModelKind::decoder);  // it is there while it is used
  EXPECT_EQ(great.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  EXPECT_EQ(made.state(*other->model()), ModelStore::State::loaded);
  other.reset();
  EXPECT_TRUE(great.get().ok());
}

}  // namespace
}  // namespace kedge::serve
