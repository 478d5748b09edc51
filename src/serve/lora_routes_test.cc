// Goal: adapters are loaded, listed, chosen, unloaded and refused by name, by the command's options, by clients and
// from a watched folder. Method: a fake engine, which takes every folder that has an adapter_config.json without the
// word "broken"; requests over HTTP.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;

constexpr const char* kLoad = "/v1/load_lora_adapter";
constexpr const char* kUnload = "/v1/unload_lora_adapter";

class LoraTest : public ServerTest {
 protected:
  LoraTest() {
    std::string pattern = (fs::temp_directory_path() / "kedge-lora-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~LoraTest() override {
    server_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path write(const std::string& name, const std::string& config = "{}") {
    fs::create_directories(folder_ / name);
    std::ofstream(folder_ / name / "adapter_config.json") << config;
    std::ofstream(folder_ / name / "adapter_model.safetensors") << config.size();
    return folder_ / name;
  }

  ServerOptions options(bool by_api = true) {
    ServerOptions made;
    made.adapters_by_api = by_api;
    made.tell = [this](const std::string& message) {
      const std::scoped_lock lock(mutex_);
      told_.push_back(message);
    };
    return made;
  }
  std::vector<std::string> told() {
    const std::scoped_lock lock(mutex_);
    return told_;
  }

  std::vector<std::string> names() {
    std::vector<std::string> all;
    const Json list = get("/v1/models").json["data"];
    for (const Json& model : list) all.push_back(model["id"].get<std::string>());
    return all;
  }
  ApiAnswer ask(const std::string& model) {
    Json body = hello();
    body["model"] = model;
    return post(kChat, body);
  }
  Json load_body(const std::string& name, const fs::path& path) {
    return {{"lora_name", name}, {"lora_path", path.string()}};
  }

  fs::path folder_;
  std::mutex mutex_;
  std::vector<std::string> told_;
};

TEST_F(LoraTest, clients_load_choose_and_unload) {
  start(ModelKind::decoder, options());
  const ApiAnswer loaded = post(kLoad, load_body("sql", write("sql")));
  EXPECT_EQ(loaded.status, 200) << loaded.text;
  EXPECT_EQ(loaded.text, "Success: LoRA adapter 'sql' added successfully.");
  EXPECT_EQ(names(), (std::vector<std::string>{"fake", "sql"}));
  const Json model = get("/v1/models/sql").json;
  EXPECT_EQ(model["root"], (folder_ / "sql").string());
  EXPECT_EQ(model["parent"], "fake");
  EXPECT_EQ(get("/v1/models/fake").json["parent"], nullptr);
  const ApiAnswer answer = ask("sql");
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json["model"], "sql");
  EXPECT_NE(engine().last_request().adapter, nullptr);
  EXPECT_EQ(ask("fake").json["model"], "fake");
  EXPECT_EQ(engine().last_request().adapter, nullptr);
  EXPECT_EQ(post(kCompletions, {{"model", "sql"}, {"prompt", "Hi"}}).json["model"], "sql");
  EXPECT_NE(engine().last_request().adapter, nullptr);
  EXPECT_EQ(
      post("/v1/messages", {{"model", "sql"}, {"max_tokens", 5}, {"messages", hello()["messages"]}}).json["model"],
      "sql");
  EXPECT_NE(engine().last_request().adapter, nullptr);
  EXPECT_EQ(post("/tokenize", {{"model", "sql"}, {"prompt", "Hi"}}).status, 200);
  EXPECT_EQ(metric("kedge_lora_adapters"), 1);
  EXPECT_EQ(metric("kedge_lora_bytes"), 100);
  EXPECT_EQ(post(kUnload, {{"lora_name", "sql"}}).status, 200);
  EXPECT_EQ(names(), std::vector<std::string>{"fake"});
  EXPECT_EQ(ask("sql").status, 404);
}

TEST_F(LoraTest, faults_are_told_by_name) {
  start(ModelKind::decoder, options());
  EXPECT_EQ(post(kLoad, load_body("a", write("a"))).status, 200);
  const ApiAnswer twice = post(kLoad, load_body("a", write("a")));
  EXPECT_EQ(twice.status, 400);
  EXPECT_THAT(twice.text, HasSubstr("there is an adapter 'a' already"));
  Json in_place = load_body("a", write("a"));
  in_place["load_inplace"] = true;
  EXPECT_EQ(post(kLoad, in_place).status, 200);
  EXPECT_THAT(post(kLoad, load_body("fake", write("b"))).text, HasSubstr("'fake' is a model's name"));
  EXPECT_EQ(post(kLoad, load_body("", write("b"))).status, 400);
  EXPECT_EQ(post(kLoad, {{"lora_name", "b"}}).error_param(), "lora_path");
  EXPECT_EQ(post(kLoad, load_body("none", folder_ / "none")).status, 404);
  const ApiAnswer broken = post(kLoad, load_body("bad", write("bad", "broken")));
  EXPECT_EQ(broken.status, 400);
  EXPECT_THAT(broken.text, HasSubstr("adapter 'bad' is refused: it is broken"));
  const ApiAnswer asked = ask("bad");
  EXPECT_EQ(asked.status, 404);
  EXPECT_THAT(asked.text, HasSubstr("the adapter 'bad' could not be loaded: it is broken"));
  EXPECT_EQ(post(kUnload, {{"lora_name", "bad"}}).status, 404);
  EXPECT_EQ(ask("a").status, 200);
  EXPECT_THAT(ask("other").text, HasSubstr("this server has 'fake', 'a'"));
}

TEST_F(LoraTest, clients_may_not_load_unless_they_may) {
  ServerOptions made = options(false);
  made.adapters = {{"first", write("first")}, {"bad", write("bad", "broken")}};
  start(ModelKind::decoder, std::move(made));
  EXPECT_EQ(post(kLoad, load_body("a", write("a"))).status, 403);
  EXPECT_EQ(post(kUnload, {{"lora_name", "first"}}).status, 403);
  EXPECT_EQ(names(), (std::vector<std::string>{"fake", "first"}));
  EXPECT_THAT(told(), Contains("adapter 'bad' is refused: it is broken"));
}

TEST_F(LoraTest, no_more_than_are_allowed) {
  ServerOptions made = options();
  made.adapters_max = 1;
  start(ModelKind::decoder, std::move(made));
  EXPECT_EQ(post(kLoad, load_body("a", write("a"))).status, 200);
  EXPECT_THAT(post(kLoad, load_body("b", write("b"))).text, HasSubstr("as many as --max-cpu-loras allows"));
}

TEST_F(LoraTest, a_folder_is_watched) {
  write("one");
  write("bad", "broken");
  fs::create_directories(folder_ / "half");
  std::ofstream(folder_ / "half" / "adapter_config.json") << "{}";
  ServerOptions made = options(false);
  made.adapter_source = folder_;
  start(ModelKind::decoder, std::move(made));
  EXPECT_EQ(names(), (std::vector<std::string>{"fake", "one"}));
  EXPECT_EQ(told().size(), 2U) << "half is on its way";
  write("two");
  write("bad", "mended now");
  fs::remove_all(folder_ / "one");
  server_->refresh_adapters();
  EXPECT_EQ(names(), (std::vector<std::string>{"fake", "bad", "two"}));
  EXPECT_THAT(told(), IsSupersetOf({"adapter 'one' is gone", "adapter 'bad' is served", "adapter 'two' is served"}));
  // A newer version that is broken leaves the older one in its place, and is told of once.
  write("two", "broken again");
  server_->refresh_adapters();
  const size_t messages = told().size();
  server_->refresh_adapters();
  EXPECT_EQ(told().size(), messages);
  EXPECT_THAT(told().back(), HasSubstr("adapter 'two' is refused, and stays as it was: it is broken"));
  EXPECT_EQ(ask("two").status, 200);
  fs::rename(folder_, folder_.string() + "-away");
  server_->refresh_adapters();
  EXPECT_THAT(told().back(), HasSubstr("cannot be read"));
  EXPECT_EQ(ask("two").status, 200);
  fs::rename(folder_.string() + "-away", folder_);
}

TEST_F(LoraTest, the_folder_is_looked_at_by_itself) {
  ServerOptions made = options(false);
  made.adapter_source = folder_;
  made.adapter_refresh = std::chrono::milliseconds(5);
  start(ModelKind::decoder, std::move(made));
  write("late");
  while (ask("late").status != 200) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST_F(LoraTest, running_requests_keep_theirs_and_are_counted) {
  start(ModelKind::decoder, options());
  ASSERT_EQ(post(kLoad, load_body("a", write("a"))).status, 200);
  engine().allow(2);
  Json body = hello();
  body["model"] = "a";
  body["stream"] = true;
  net::TestClient client(server_->port());
  client.send(post_text(kChat, to_text(body)));
  ASSERT_TRUE(engine().wait_for_pending(1));
  while (get("/metrics").text.find("running_lora_adapters=\"a\"") == std::string::npos) std::this_thread::yield();
  EXPECT_EQ(post(kUnload, {{"lora_name", "a"}}).status, 200);
  EXPECT_EQ(ask("a").status, 404);
  engine().allow(SIZE_MAX);
  EXPECT_THAT(client.read_answer().body, HasSubstr("[DONE]"));
  EXPECT_THAT(get("/metrics").text, HasSubstr("running_lora_adapters=\"\",waiting_lora_adapters=\"\""));
}

TEST_F(LoraTest, encoders_take_none) {
  start(ModelKind::embedder, options());
  EXPECT_THAT(post(kLoad, load_body("a", write("a"))).text, HasSubstr("no model here generates text"));
}

}  // namespace
}  // namespace kedge::serve
