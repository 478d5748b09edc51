// Goal: answers arrive whole or as an error that says what happened; credentials go nowhere else.
// Method: a server that sends exact bytes.

#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "net/http_client_for_tests.h"

namespace kedge::net {
namespace {

using testing::HasSubstr;
using testing::Not;

ClientRequest get(const std::string& url) {
  return {.url = parse_url(url).value()};
}

Result<ClientText> fetch(const ClientRequest& request, HttpClientOptions options = {}, size_t bytes_max = 1 << 20) {
  HttpClient client(std::move(options));
  return client.fetch(request, bytes_max, {});
}

TEST(HttpClient, reads_a_body_of_known_length) {
  const ScriptedServer server(
      [](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "X-A: b\r\n", "body")}; });
  const auto text = fetch(get(server.address() + "/path?query"));
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text.value().response.status, 200);
  EXPECT_EQ(text.value().body, "body");
  EXPECT_EQ(text.value().response.content_length, 4U);
  ASSERT_NE(text.value().response.header("x-a"), nullptr);
  EXPECT_EQ(*text.value().response.header("x-a"), "b");
  EXPECT_EQ(text.value().response.header("x-b"), nullptr);
  const std::string head = server.heads().at(0);
  EXPECT_TRUE(head.starts_with("GET /path?query HTTP/1.1\r\n")) << head;
  EXPECT_EQ(header_of(head, "Host"), "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(header_of(head, "User-Agent"), "kedge");
}

TEST(HttpClient, reads_chunks_and_bodies_that_end_with_the_connection) {
  const ScriptedServer server([](const std::string& head) {
    if (head.starts_with("GET /chunks ")) {
      return ScriptedAnswer{
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n"};
    }
    return ScriptedAnswer{"HTTP/1.1 200 OK\r\n\r\nto the end", true};
  });
  EXPECT_EQ(fetch(get(server.address() + "/chunks")).value().body, "abcde");
  EXPECT_EQ(fetch(get(server.address() + "/end")).value().body, "to the end");
}

TEST(HttpClient, hands_large_bodies_over_in_pieces) {
  const std::string body(3'000'000, 'x');
  const ScriptedServer server([&](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "", body)}; });
  HttpClient client({});
  size_t size = 0;
  size_t pieces = 0;
  const ClientSink sink{.on_body = [&](std::string_view piece) -> Status {
    size += piece.size();
    ++pieces;
    return Done{};
  }};
  ASSERT_TRUE(client.send(get(server.address()), sink, {}).ok());
  EXPECT_EQ(size, body.size());
  EXPECT_GT(pieces, 10U);
}

TEST(HttpClient, keeps_a_connection_and_replaces_one_that_was_closed) {
  int answered = 0;
  const ScriptedServer server([&](const std::string&) {
    // The second answer looks kept alive, but the server closes it before the third request.
    return ScriptedAnswer{answer_of("200 OK", "", std::to_string(++answered)), answered == 2};
  });
  HttpClient client({});
  for (int i = 1; i <= 3; ++i) {
    const auto text = client.fetch(get(server.address()), 100, {});
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_EQ(text.value().body, std::to_string(i));
  }
  EXPECT_EQ(server.connection_count(), 2);
}

TEST(HttpClient, head_has_no_body) {
  const ScriptedServer server([](const std::string&) {
    return ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"abc\"\r\n\r\n"};
  });
  ClientRequest request = get(server.address());
  request.method = "HEAD";
  const auto text = fetch(request);
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text.value().body, "");
  EXPECT_EQ(text.value().response.content_length, 1000U);
}

TEST(HttpClient, cut_answers_are_errors) {
  const std::string answers[] = {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"};
  for (const std::string& answer : answers) {
    const ScriptedServer server([&](const std::string&) { return ScriptedAnswer{answer, true}; });
    const auto text = fetch(get(server.address()));
    ASSERT_FALSE(text.ok()) << answer;
    EXPECT_EQ(text.error().kind, ErrorKind::unavailable) << text.error().message;
    EXPECT_THAT(text.error().message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  }
}

TEST(HttpClient, answers_that_are_not_http_are_errors) {
  const std::string answers[] = {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"};
  for (const std::string& answer : answers) {
    const ScriptedServer server([&](const std::string&) { return ScriptedAnswer{answer, true}; });
    const auto text = fetch(get(server.address()));
    ASSERT_FALSE(text.ok()) << answer.substr(0, 80);
    EXPECT_EQ(text.error().kind, ErrorKind::corrupt_data) << text.error().message;
  }
}

TEST(HttpClient, a_body_over_the_limit_is_refused) {
  const ScriptedServer server([](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "", "12345")}; });
  EXPECT_TRUE(fetch(get(server.address()), {}, 5).ok());
  EXPECT_EQ(fetch(get(server.address()), {}, 4).error().kind, ErrorKind::corrupt_data);
}

TEST(HttpClient, interim_answers_are_skipped) {
  const ScriptedServer server([](const std::string&) {
    return ScriptedAnswer{"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + answer_of("200 OK", "", "body")};
  });
  EXPECT_EQ(fetch(get(server.address())).value().body, "body");
  const ScriptedServer endless([](const std::string&) {
    std::string hints;
    for (int i = 0; i < 20; ++i) hints += "HTTP/1.1 103 Early Hints\r\n\r\n";
    return ScriptedAnswer{hints};
  });
  EXPECT_THAT(fetch(get(endless.address())).error().message, HasSubstr("too many interim answers"));
}

TEST(HttpClient, redirects_are_followed_and_keep_credentials_at_home) {
  const ScriptedServer elsewhere(
      [](const std::string&) { return ScriptedAnswer{answer_of("206 Partial", "", "there")}; });
  const ScriptedServer home([&](const std::string& head) {
    if (head.starts_with("GET /a ")) return ScriptedAnswer{answer_of("307 Moved", "Location: b\r\n", "moved")};
    return ScriptedAnswer{answer_of("302 Found", "Location: " + elsewhere.address() + "/c?d\r\n", "found")};
  });
  ClientRequest request = get(home.address() + "/a");
  request.headers = {{"Authorization", "Bearer secret"}, {"Range", "bytes=0-3"}};
  const auto text = fetch(request);
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(text.value().body, "there");
  EXPECT_EQ(url_text(text.value().response.url), elsewhere.address() + "/c?d");
  ASSERT_EQ(home.heads().size(), 2U);
  EXPECT_EQ(header_of(home.heads()[1], "Authorization"), "Bearer secret");
  EXPECT_EQ(header_of(elsewhere.heads().at(0), "Authorization"), "");
  EXPECT_EQ(header_of(elsewhere.heads().at(0), "Range"), "bytes=0-3");

  request.redirects = Redirects::same_origin;
  const auto kept = fetch(request);
  ASSERT_TRUE(kept.ok()) << kept.error().message;
  EXPECT_EQ(kept.value().response.status, 302);
  EXPECT_EQ(elsewhere.heads().size(), 1U);
}

TEST(HttpClient, redirects_without_end_or_aim_are_errors) {
  const ScriptedServer loop(
      [](const std::string&) { return ScriptedAnswer{answer_of("302 F", "Location: /x\r\n", "")}; });
  EXPECT_THAT(fetch(get(loop.address())).error().message, HasSubstr("more than 10 redirects"));
  const ScriptedServer aimless(
      [](const std::string&) { return ScriptedAnswer{answer_of("302 F", "Location: ftp://x\r\n", "")}; });
  EXPECT_THAT(fetch(get(aimless.address())).error().message, HasSubstr("redirects to nowhere"));
  const ScriptedServer without(
      [](const std::string&) { return ScriptedAnswer{answer_of("304 Not Modified", "", "")}; });
  EXPECT_EQ(fetch(get(without.address())).value().response.status, 304);
}

TEST(HttpClient, silence_ends_in_an_error) {
  const ScriptedServer silent([](const std::string&) { return ScriptedAnswer{.hang = true}; });
  const auto text = fetch(get(silent.address()), {.idle_timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(text.error().message, HasSubstr("no answer in time while waiting for the answer"));
  const ScriptedServer stuck([](const std::string&) {
    return ScriptedAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", false, true};
  });
  EXPECT_THAT(fetch(get(stuck.address()), {.idle_timeout = std::chrono::milliseconds(50)}).error().message,
              HasSubstr("no answer in time while receiving the body"));
}

TEST(HttpClient, a_stop_ends_a_wait) {
  const ScriptedServer silent([](const std::string&) { return ScriptedAnswer{.hang = true}; });
  std::stop_source stop;
  std::thread stopper([&] {
    while (silent.heads().empty()) std::this_thread::yield();
    stop.request_stop();
  });
  HttpClient client({});
  const auto text = client.fetch(get(silent.address()), 100, stop.get_token());
  stopper.join();
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(client.fetch(get(silent.address()), 100, stop.get_token()).error().kind, ErrorKind::cancelled);
}

TEST(HttpClient, a_sink_can_refuse) {
  const ScriptedServer server([](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "", "body")}; });
  HttpClient client({});
  const Error refusal{ErrorKind::unsupported, "not this one"};
  const auto at_head =
      client.send(get(server.address()), {.on_head = [&](const auto&) -> Status { return refusal; }}, {});
  EXPECT_EQ(at_head.error().message, "not this one");
  const auto at_body = client.send(get(server.address()), {.on_body = [&](auto) -> Status { return refusal; }}, {});
  EXPECT_EQ(at_body.error().message, "not this one");
  EXPECT_EQ(client.fetch(get(server.address()), 100, {}).value().body, "body");
}

TEST(HttpClient, nobody_there_is_an_error) {
  uint16_t port = 0;
  {
    const ScriptedServer gone([](const std::string&) { return ScriptedAnswer{}; });
    port = gone.port();
  }
  const auto text = fetch(get("http://127.0.0.1:" + std::to_string(port)));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(text.error().message, HasSubstr("connecting failed"));
  EXPECT_THAT(fetch(get("http://nowhere.invalid")).error().message,
              HasSubstr("nowhere.invalid: looking up the host failed"));
}

TEST(HttpClient, header_values_cannot_begin_another_header) {
  const ScriptedServer server([](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "", "")}; });
  ClientRequest request = get(server.address());
  request.headers = {{"Authorization", "Bearer a\r\nX-Evil: b"}};
  const auto text = fetch(request);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::invalid_input);
  EXPECT_THAT(text.error().message, Not(HasSubstr("Bearer")));
  EXPECT_TRUE(server.heads().empty());
}

TEST(HttpClient, https_to_a_server_without_tls_is_an_error) {
  const ScriptedServer plain([](const std::string&) { return ScriptedAnswer{answer_of("200 OK", "", "")}; });
  const auto text = fetch(get("https://127.0.0.1:" + std::to_string(plain.port())),
                          {.connect_timeout = std::chrono::milliseconds(500)});
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::unavailable) << text.error().message;
}

}  // namespace
}  // namespace kedge::net
