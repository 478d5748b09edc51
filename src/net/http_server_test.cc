// Goal: the server speaks HTTP/1.1 as clients expect, keeps its limits, notices clients that leave, and stops cleanly.
// Method: real sockets on 127.0.0.1 and exact bytes; timeouts are shortened, and only their order is asserted.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "net/http_server_for_tests.h"
#include "net/http_server_sse.h"

namespace kedge::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

// A server with handlers for everything that the tests need; what a handler learns is kept here.
class HttpServerTest : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    options.port = 0;
    Router router;
    router.add("GET", "/hello", [](const ServerRequest&, const std::shared_ptr<Responder>& responder) {
      responder->send({200, {{"Content-Type", "text/plain"}}, "hello"});
    });
    router.add("POST", "/echo", [](const ServerRequest& request, const std::shared_ptr<Responder>& responder) {
      responder->send({200, {}, request.body});
    });
    router.add("GET", "/drop", [](const ServerRequest&, const std::shared_ptr<Responder>&) {});
    router.add("GET", "/throw",
               [](const ServerRequest&, const std::shared_ptr<Responder>&) { throw std::bad_alloc(); });
    router.add("GET", "/inject", [](const ServerRequest&, const std::shared_ptr<Responder>& responder) {
      responder->send({200, {{"X-Value", "a\r\nSet-Cookie: b"}}, ""});
    });
    router.add("GET", "/stream", [this](const ServerRequest& request, const std::shared_ptr<Responder>& responder) {
      StreamHead head = sse_stream_head();
      if (find_value(request.query, "fast_heartbeat") != nullptr) head.heartbeat = milliseconds(20);
      responder->start_stream(std::move(head));
      if (find_value(request.query, "drop") != nullptr) {
        responder->write("half");
        return;
      }
      hold(responder);
    });
    router.add("GET", "/hold",
               [this](const ServerRequest&, const std::shared_ptr<Responder>& responder) { hold(responder); });
    HttpServerHooks hooks;
    hooks.on_exchange = [this](const ExchangeRecord& record) {
      const std::scoped_lock lock(mutex_);
      records_.push_back(record);
      changed_.notify_all();
    };
    auto server = HttpServer::start(std::move(options), std::move(router), std::move(hooks));
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
  }

  // Keeps a responder for the test to answer with.
  void hold(const std::shared_ptr<Responder>& responder) {
    responder->on_gone([this] {
      const std::scoped_lock lock(mutex_);
      ++gone_;
      changed_.notify_all();
    });
    const std::scoped_lock lock(mutex_);
    held_.push_back(responder);
    changed_.notify_all();
  }

  std::shared_ptr<Responder> take_held() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !held_.empty(); }));
    if (held_.empty()) return nullptr;
    auto responder = held_.back();
    held_.pop_back();
    return responder;
  }

  bool wait_for_gone(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return gone_ >= count; });
  }

  std::vector<ExchangeRecord> wait_for_records(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return records_.size() >= count; });
    return records_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Responder>> held_;
  std::vector<ExchangeRecord> records_;
  std::atomic<int> gone_{0};
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpServerTest, answers_and_keeps_the_connection) {
  start();
  TestClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    const TestAnswer answer = client.ask(kHello);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_THAT(answer.head, HasSubstr("Date: "));
    EXPECT_THAT(answer.head, Not(HasSubstr("Connection: ")));
  }
  EXPECT_EQ(wait_for_records(3).front().route, "/hello");
}

TEST_F(HttpServerTest, pipelined_requests_are_answered_in_order) {
  start();
  TestClient client(server_->port());
  std::string burst;
  for (int i = 0; i < 50; ++i) {
    burst += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  }
  client.send(burst);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read_answer().body, std::to_string(10 + i));
}

TEST_F(HttpServerTest, request_may_arrive_byte_by_byte) {
  start();
  TestClient client(server_->port());
  const std::string request =
      "\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char c : request) client.send(std::string_view(&c, 1));
  EXPECT_EQ(client.read_answer().body, "abcde");
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(HttpServerTest, head_has_no_body_but_its_length) {
  start();
  TestClient client(server_->port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_answer(true).head, HasSubstr("Content-Length: 5"));
  EXPECT_EQ(client.ask(kHello).body, "hello");
}

TEST_F(HttpServerTest, unknown_paths_and_methods) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(client.ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
  const TestAnswer wrong_method = client.ask("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_THAT(wrong_method.head, HasSubstr("Allow: GET, HEAD, OPTIONS"));
  const TestAnswer options = client.ask("OPTIONS /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_THAT(options.head, HasSubstr("Allow: GET, HEAD, OPTIONS"));
  EXPECT_THAT(options.head, Not(HasSubstr("Access-Control")));
  EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status, 204);
}

TEST_F(HttpServerTest, cors_is_an_option) {
  HttpServerOptions options;
  options.cross_origin.origins = {"*"};
  start(options);
  TestClient client(server_->port());
  const TestAnswer preflight = client.ask(
      "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization,content-type\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_THAT(preflight.head, HasSubstr("Access-Control-Allow-Origin: *\r\n"));
  EXPECT_THAT(preflight.head, HasSubstr("Access-Control-Allow-Methods: POST, OPTIONS\r\n"));
  EXPECT_THAT(preflight.head, HasSubstr("Access-Control-Allow-Headers: authorization,content-type\r\n"));
  EXPECT_THAT(client.ask(kHello).head, HasSubstr("Access-Control-Allow-Origin: *\r\n"));
}

TEST_F(HttpServerTest, cors_names_one_of_several_origins) {
  HttpServerOptions options;
  options.cross_origin = {{"http://a", "http://b"}, "GET", "authorization", "X-Request-Id", 60};
  start(options);
  TestClient client(server_->port());
  const auto asked_by = [&](const std::string& origin) {
    return client.ask("OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: " + origin +
                      "\r\nAccess-Control-Request-Headers: cookie\r\n\r\n");
  };
  const TestAnswer second = asked_by("http://b");
  for (const char* line : {"Access-Control-Allow-Origin: http://b\r\n", "Vary: Origin\r\n",
                           "Access-Control-Allow-Methods: GET\r\n", "Access-Control-Allow-Headers: authorization\r\n",
                           "Access-Control-Expose-Headers: X-Request-Id\r\n", "Access-Control-Max-Age: 60\r\n"}) {
    EXPECT_THAT(second.head, HasSubstr(line));
  }
  EXPECT_THAT(asked_by("http://evil").head, Not(HasSubstr("evil")));
}

TEST_F(HttpServerTest, http_1_0_and_connection_close) {
  start();
  TestClient old(server_->port());
  const TestAnswer answer = old.ask("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(old.wait_for_close());
  TestClient kept(server_->port());
  EXPECT_THAT(kept.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head,
              HasSubstr("Connection: keep-alive"));
  TestClient closing(server_->port());
  EXPECT_EQ(closing.ask("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").body, "hello");
  EXPECT_TRUE(closing.wait_for_close());
}

TEST_F(HttpServerTest, streams_to_http_1_0_end_with_the_connection) {
  start();
  TestClient client(server_->port());
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const auto responder = take_held();
  responder->write("plain");
  responder->finish();
  EXPECT_EQ(client.read_answer().body, "plain");
}

TEST_F(HttpServerTest, broken_requests_are_refused) {
  start();
  const std::pair<const char*, int> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},                        // no Host
      {"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},  // two
      {"GET /hello%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},          // broken escape
      {"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", 400},              // not a path
      {"GET /hello HTTP/3.0\r\nHost: x\r\n\r\n", 505},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      // Two lengths: where one server sees one request, another sees two.
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 3\r\n\r\n", 417},
  };
  for (const auto& [request, status] : cases) {
    TestClient client(server_->port());
    EXPECT_EQ(client.ask(request).status, status) << request;
  }
  TestClient client(server_->port());
  EXPECT_EQ(client.ask(kHello).status, 200);
}

TEST_F(HttpServerTest, sizes_are_limited) {
  HttpServerOptions options;
  options.header_bytes_max = 1024;
  options.body_bytes_max = 1000;
  start(options);
  const std::string long_header = "GET /hello HTTP/1.1\r\nHost: x\r\nX: " + std::string(2000, 'a') + "\r\n\r\n";
  EXPECT_EQ(TestClient(server_->port()).ask(long_header).status, 431);
  const std::string body(1001, 'b');
  EXPECT_EQ(
      TestClient(server_->port()).ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + body).status,
      413);
  EXPECT_EQ(
      TestClient(server_->port())
          .ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + body + "\r\n0\r\n\r\n")
          .status,
      413);
  EXPECT_EQ(TestClient(server_->port())
                .ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + body.substr(1))
                .status,
            200);
}

TEST_F(HttpServerTest, refusal_of_a_large_body_reaches_a_client_that_still_sends) {
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  start(options);
  TestClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n");
  client.send(std::string(5'000'000, 'x'));
  EXPECT_EQ(client.read_answer().status, 413);
}

TEST_F(HttpServerTest, expectation_is_answered_before_the_body) {
  start();
  TestClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("abc").body, "abc");
}

TEST_F(HttpServerTest, slow_senders_are_told_and_idle_ones_closed) {
  HttpServerOptions options;
  options.header_timeout = milliseconds(50);
  options.body_idle_timeout = milliseconds(50);
  options.idle_timeout = milliseconds(50);
  start(options);
  TestClient header(server_->port());
  EXPECT_EQ(header.ask("GET /hello HT").status, 408);
  TestClient body(server_->port());
  EXPECT_EQ(body.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na").status, 408);
  TestClient idle(server_->port());
  EXPECT_TRUE(idle.wait_for_close());
}

TEST_F(HttpServerTest, a_header_that_trickles_in_is_cut_off_all_the_same) {
  HttpServerOptions options;
  options.header_timeout = milliseconds(100);
  start(options);
  TestClient client(server_->port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
  while (client.send("X: y\r\n")) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_TRUE(client.wait_for_close());
}

TEST_F(HttpServerTest, waiting_handlers_block_nobody) {
  HttpServerOptions options;
  options.worker_threads = 1;
  options.io_threads = 1;
  start(options);
  TestClient waiting(server_->port());
  waiting.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  TestClient client(server_->port());
  EXPECT_EQ(client.ask(kHello).body, "hello");
  responder->send({201, {}, "late"});
  EXPECT_EQ(waiting.read_answer().status, 201);
}

TEST_F(HttpServerTest, dropped_and_thrown_requests_answer_500) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(client.ask("GET /drop HTTP/1.1\r\nHost: x\r\n\r\n").status, 500);
  EXPECT_EQ(client.ask("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n").status, 500);
  EXPECT_EQ(client.ask(kHello).status, 200);
}

TEST_F(HttpServerTest, header_values_can_not_start_a_header) {
  start();
  TestClient client(server_->port());
  EXPECT_THAT(client.ask("GET /inject HTTP/1.1\r\nHost: x\r\n\r\n").head, HasSubstr("X-Value: a  Set-Cookie: b\r\n"));
}

TEST_F(HttpServerTest, streams_chunks_in_order) {
  start();
  TestClient client(server_->port());
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  const TestAnswer head = client.read_head();
  EXPECT_EQ(head.status, 200);
  EXPECT_THAT(head.head, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(head.head, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_TRUE(responder->write("one"));
  EXPECT_EQ(client.read_chunk(), "one");
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(responder->write(std::to_string(i) + ","));
    expected += std::to_string(i) + ",";
  }
  responder->finish();
  EXPECT_FALSE(responder->write("after the end"));
  std::string body;
  for (std::string chunk = client.read_chunk(); !chunk.empty(); chunk = client.read_chunk()) body += chunk;
  EXPECT_EQ(body, expected);
  EXPECT_EQ(client.ask(kHello).body, "hello");
  EXPECT_EQ(gone_, 0);
}

TEST_F(HttpServerTest, silence_in_a_stream_is_filled) {
  start();
  TestClient client(server_->port());
  client.send("GET /stream?fast_heartbeat HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  client.read_head();
  EXPECT_EQ(client.read_chunk(), ": ping\n\n");
  EXPECT_EQ(client.read_chunk(), ": ping\n\n");
  responder->finish();
}

TEST_F(HttpServerTest, a_stream_that_is_dropped_is_cut) {
  start();
  TestClient client(server_->port());
  client.send("GET /stream?drop HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_head();
  EXPECT_TRUE(client.wait_for_close());
  EXPECT_THAT(client.read_until("never"), Not(HasSubstr("0\r\n\r\n")));
}

TEST_F(HttpServerTest, clients_that_leave_are_noticed) {
  start();
  for (const char* path : {"/hold", "/stream"}) {
    auto client = std::make_unique<TestClient>(server_->port());
    client->send("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto responder = take_held();
    EXPECT_FALSE(responder->gone());
    const int before = gone_;
    client.reset();
    EXPECT_TRUE(wait_for_gone(before + 1)) << path;
    EXPECT_TRUE(responder->gone());
    EXPECT_FALSE(responder->write("x"));
    bool called = false;
    responder->on_gone([&called] { called = true; });
    EXPECT_TRUE(called) << "registered too late, so called at once";
    responder->send({200, {}, "to nobody"});
  }
  EXPECT_EQ(wait_for_records(2).back().status, 499);
}

TEST_F(HttpServerTest, a_client_that_sends_ahead_and_leaves_is_noticed) {
  start();
  auto client = std::make_unique<TestClient>(server_->port());
  client->send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  client.reset();
  EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(HttpServerTest, slow_readers_are_cut_off) {
  HttpServerOptions options;
  options.stream_bytes_max = 100'000;
  start(options);
  TestClient client(server_->port(), 4096);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  const std::string piece(10'000, 'x');
  while (responder->write(piece)) std::this_thread::yield();
  EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(HttpServerTest, readers_that_stop_are_cut_off) {
  HttpServerOptions options;
  options.write_timeout = milliseconds(50);
  options.stream_bytes_max = size_t{64} << 20;
  start(options);
  TestClient client(server_->port(), 4096);
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  responder->write(std::string(size_t{32} << 20, 'x'));  // more than the kernel's buffers take
  EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(HttpServerTest, connections_are_limited) {
  HttpServerOptions options;
  options.connections_max = 2;
  start(options);
  TestClient first(server_->port());
  TestClient second(server_->port());
  EXPECT_EQ(first.ask(kHello).status, 200);
  EXPECT_EQ(second.ask(kHello).status, 200);
  EXPECT_EQ(TestClient(server_->port()).ask(kHello).status, 503);
  second.close();
  int status = 503;
  while (status == 503) status = TestClient(server_->port()).ask(kHello).status;
  EXPECT_EQ(status, 200);
}

TEST_F(HttpServerTest, stop_lets_running_answers_finish) {
  start();
  TestClient idle(server_->port());
  EXPECT_EQ(idle.ask(kHello).status, 200);
  TestClient client(server_->port());
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  client.read_head();
  auto stopped = std::async(std::launch::async, [this] { server_->stop(std::chrono::seconds(60)); });
  EXPECT_TRUE(idle.wait_for_close());
  responder->write("still here");
  responder->finish();
  EXPECT_EQ(client.read_chunk(), "still here");
  EXPECT_EQ(client.read_chunk(), "");
  client.close();
  stopped.get();
  EXPECT_EQ(gone_, 0);
  EXPECT_FALSE(TestClient(server_->port()).connected());
}

TEST_F(HttpServerTest, stop_cuts_what_outlives_the_grace) {
  start();
  TestClient client(server_->port());
  client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto responder = take_held();
  server_->stop(milliseconds(1));
  EXPECT_EQ(gone_, 1);
  EXPECT_TRUE(client.wait_for_close());
  responder->send({200, {}, "too late"});
  server_.reset();  // the responder outlives the server
}

TEST_F(HttpServerTest, a_taken_port_is_named) {
  start();
  HttpServerOptions options;
  options.port = server_->port();
  const auto second = HttpServer::start(options, Router(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("port " + std::to_string(options.port)));
  options.host = "no.such.host.invalid";
  EXPECT_FALSE(HttpServer::start(options, Router(), {}).ok());
}

TEST_F(HttpServerTest, many_clients_at_once) {
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      TestClient client(server_->port());
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(t * 1000 + i);
        const std::string size = std::to_string(body.size());
        if (client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + size + "\r\n\r\n" + body).body == body)
          ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

}  // namespace
}  // namespace kedge::net
