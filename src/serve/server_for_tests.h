#pragma once
// A server over fake engines, and the requests that tests send to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "net/http_server_for_tests.h"
#include "serve/fake_engine_for_tests.h"
#include "serve/server.h"

namespace kedge::serve {

struct ApiAnswer {
  int status = 0;
  std::string head;
  std::string text;
  Json json;  // null when the body is none

  [[nodiscard]] std::string error_param() const {
    if (!json.contains("error") || !json["error"]["param"].is_string()) return "";
    return json["error"]["param"].get<std::string>();
  }
};

class ServerTest : public testing::Test {
 protected:
  /// One model of this kind, named "fake".
  void start(ModelKind kind = ModelKind::decoder, ServerOptions options = {}) {
    start(std::vector<std::pair<std::string, ModelKind>>{{"fake", kind}}, std::move(options));
  }

  void start(const std::vector<std::pair<std::string, ModelKind>>& models, ServerOptions options = {}) {
    std::vector<ServedEngine> engines;
    for (const auto& [name, kind] : models) {
      auto engine = std::make_unique<FakeEngine>(kind);
      engines_[name] = engine.get();
      engines.push_back({name, std::move(engine)});
    }
    options.http.port = 0;
    auto server = Server::start(std::move(engines), std::move(options));
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
    const Status ready = server_->wait_until_ready();
    ASSERT_TRUE(ready.ok());
  }

  FakeEngine& engine(const std::string& name = "fake") { return *engines_.at(name); }

  static std::string post_text(const std::string& path, const std::string& body, const std::string& headers = "") {
    return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  ApiAnswer ask_raw(const std::string& request) {
    net::TestClient client(server_->port());
    const net::TestAnswer answer = client.ask(request);
    ApiAnswer out{answer.status, answer.head, answer.body, nullptr};
    if (Result<Json> json = parse_json(answer.body, "answer"); json.ok()) out.json = std::move(json).value();
    return out;
  }

  ApiAnswer post(const std::string& path, const Json& body) { return ask_raw(post_text(path, to_text(body))); }
  ApiAnswer get(const std::string& path) { return ask_raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"); }

  /// The data of the events of a stream, "[DONE]" included.
  std::vector<std::string> stream(const std::string& path, Json body) {
    body["stream"] = true;
    net::TestClient client(server_->port());
    const net::TestAnswer answer = client.ask(post_text(path, to_text(body)));
    EXPECT_THAT(answer.head, testing::HasSubstr("Content-Type: text/event-stream"));
    std::vector<std::string> events;
    for (size_t start = 0; start < answer.body.size();) {
      const size_t end = answer.body.find("\n\n", start);
      const std::string event = answer.body.substr(start, end - start);
      EXPECT_TRUE(event.starts_with("data: ")) << event;
      events.push_back(event.substr(6));
      start = end + 2;
    }
    return events;
  }

  /// The events of a stream; each says its name twice.
  std::vector<Json> named_events(const std::string& path, Json body) {
    body["stream"] = true;
    net::TestClient client(server_->port());
    const net::TestAnswer answer = client.ask(post_text(path, to_text(body)));
    EXPECT_THAT(answer.head, testing::HasSubstr("Content-Type: text/event-stream"));
    std::vector<Json> out;
    for (size_t start = 0; start < answer.body.size();) {
      const size_t end = answer.body.find("\n\n", start);
      const std::string text = answer.body.substr(start, end - start);
      const size_t line = text.find('\n');
      EXPECT_NE(line, std::string::npos) << text;
      out.push_back(parse_json(text.substr(line + 7), "event").value());
      EXPECT_EQ(text.substr(0, line), "event: " + out.back()["type"].get<std::string>());
      start = end + 2;
    }
    return out;
  }

  double metric(const std::string& line_start) {
    const std::string text = get("/metrics").text;
    const size_t found = text.find("\n" + line_start + " ");
    return found == std::string::npos ? -1 : std::strtod(text.c_str() + found + line_start.size() + 2, nullptr);
  }

  static Json hello() { return {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}}; }

  std::map<std::string, FakeEngine*> engines_;  // owned by the server
  std::unique_ptr<Server> server_;
};

inline constexpr const char* kChat = "/v1/chat/completions";
inline constexpr const char* kCompletions = "/v1/completions";

}  // namespace kedge::serve
