// Goal: traces say what happened in OpenTelemetry's terms, go where they should, and never hold up a request.
// Method: spans of made-up times as JSON; a server with fake engines and a collector in this process, one that refuses,
// and one that is not there.
#include "serve/request_span.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "serve/otlp_exporter.h"
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kParent = "00f067aa0ba902b7";

std::string header_of(const std::string& version, const std::string& rest = "-01") {
  return version + "-" + kTrace + "-" + kParent + rest;
}

TEST(TraceParent, is_read_as_w3c_says) {
  const auto parent = read_traceparent(header_of("00"));
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->trace_id, kTrace);
  EXPECT_EQ(parent->span_id, kParent);
  EXPECT_TRUE(parent->sampled);
  EXPECT_FALSE(read_traceparent(header_of("00", "-00"))->sampled);
  EXPECT_FALSE(read_traceparent(header_of("00", "-fe"))->sampled);
  EXPECT_TRUE(read_traceparent(header_of("cc", "-01-what-will-be"))) << "a later version";
  for (const std::string& wrong :
       {std::string(), header_of("ff"), header_of("00", "-01-more"), header_of("00", "-0"), header_of("cc", "-01x"),
        header_of("0G"), std::string("00-") + std::string(32, '0') + "-" + kParent + "-01",
        std::string("00-") + kTrace + "-" + std::string(16, '0') + "-01",
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-") + kParent + "-01", std::string(55, '-')}) {
    EXPECT_FALSE(read_traceparent(wrong)) << wrong;
  }
}

Json attributes_of(const Json& span) {
  Json map = Json::object();
  for (const Json& attribute : span["attributes"])
    map[attribute["key"].get<std::string>()] = *attribute["value"].begin();
  return map;
}

TEST(RequestSpan, is_json_as_protobuf_maps_it) {
  RequestSpan span;
  span.trace_id = kTrace;
  span.span_id = "b7ad6b7169203331";
  span.parent_span_id = kParent;
  span.begin = SpanClock::time_point(std::chrono::seconds(1'700'000'000));
  span.end = span.begin + std::chrono::milliseconds(70);
  span.computed = span.begin + std::chrono::milliseconds(60);
  span.timings = RequestTimings{.queue_ms = 5, .prefill_ms = 20, .decode_ms = 30, .prompt_tokens = 11, .new_tokens = 7};
  span.method = "POST";
  span.route = kChat;
  span.path = kChat;
  span.operation = "chat";
  span.model = "demo";
  span.status = 200;
  const Json whole = spans_json({span}, "my service");
  const Json resource = attributes_of(whole["resourceSpans"][0]["resource"]);
  EXPECT_EQ(resource["service.name"], "my service");
  const Json& spans = whole["resourceSpans"][0]["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(spans[0]["name"], "chat demo");
  EXPECT_EQ(spans[0]["kind"], 2);
  EXPECT_EQ(spans[0]["traceId"], kTrace);
  EXPECT_EQ(spans[0]["parentSpanId"], kParent);
  EXPECT_EQ(spans[0]["startTimeUnixNano"], "1700000000000000000") << "64 bits are a string";
  EXPECT_EQ(spans[0]["endTimeUnixNano"], "1700000000070000000");
  const Json attributes = attributes_of(spans[0]);
  EXPECT_EQ(attributes["gen_ai.operation.name"], "chat");
  EXPECT_EQ(attributes["gen_ai.request.model"], "demo");
  EXPECT_EQ(attributes["gen_ai.usage.input_tokens"], "11");
  EXPECT_EQ(attributes["gen_ai.usage.output_tokens"], "7");
  EXPECT_EQ(attributes["http.response.status_code"], "200");
  EXPECT_FALSE(attributes.contains("error.type"));
  const std::pair<const char*, std::pair<int, int>> phases[] = {
      {"queue", {5, 10}}, {"prefill", {10, 30}}, {"decode", {30, 60}}};
  for (size_t i = 0; i < 3; ++i) {
    const Json& phase = spans[i + 1];
    EXPECT_EQ(phase["name"], phases[i].first);
    EXPECT_EQ(phase["parentSpanId"], "b7ad6b7169203331");
    EXPECT_EQ(phase["traceId"], kTrace);
    EXPECT_EQ(phase["startTimeUnixNano"], fmt::format("1700000000{:03}000000", phases[i].second.first));
    EXPECT_EQ(phase["endTimeUnixNano"], fmt::format("1700000000{:03}000000", phases[i].second.second));
  }
  span.status = 503;
  const Json failed = spans_json({span}, "")["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(failed["status"]["code"], 2);
  EXPECT_EQ(attributes_of(failed)["error.type"], "503");
}

/// Takes what is sent, or refuses it.
class Collector {
 public:
  explicit Collector(int status = 200) {
    net::Router router;
    router.add("POST", "/v1/traces", [this, status](net::ServerRequest request, const auto& responder) {
      responder->send({status, {}, "{}"});
      const std::scoped_lock lock(mutex_);
      const std::string* const key = net::find_header(request.headers, "x-key");
      keys_.push_back(key != nullptr ? *key : "");
      const Result<Json> body = parse_json(request.body, "body");
      if (!body.ok()) return;
      // The phases of made-up timings may be longer than the request, and are left out then.
      for (const Json& span : body.value()["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
        if (span["kind"] == 2) spans_.push_back(span);
      }
      changed_.notify_all();
    });
    net::HttpServerOptions options;
    options.port = 0;
    server_ = std::move(net::HttpServer::start(options, std::move(router), {})).value();
  }
  [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/"; }
  std::vector<Json> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return spans_.size() >= count; });
    return spans_;
  }
  std::vector<std::string> keys() {
    const std::scoped_lock lock(mutex_);
    return keys_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Json> spans_;
  std::vector<std::string> keys_;
  std::unique_ptr<net::HttpServer> server_;  // last: its handlers use the others
};

class OtlpTest : public ServerTest {
 protected:
  static ServerOptions options(const std::string& endpoint) {
    ServerOptions made;
    made.otlp.endpoint = endpoint;
    made.otlp.headers = {{"x-key", "secret"}};
    made.otlp.period = std::chrono::milliseconds(5);
    return made;
  }
  bool wait_for_metric(const std::string& line_start, double value) {
    for (int i = 0; i < 2000; ++i) {
      if (metric(line_start) >= value) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

TEST_F(OtlpTest, a_request_goes_on_with_its_clients_trace) {
  Collector collector;
  start(ModelKind::decoder, options(collector.address()));
  const std::string body = to_text(hello());
  EXPECT_EQ(ask_raw(post_text(kChat, body, "traceparent: " + header_of("00") + "\r\ntracestate: a=b\r\n")).status, 200);
  std::vector<Json> spans = collector.wait_for(1);
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0]["traceId"], kTrace);
  EXPECT_EQ(spans[0]["parentSpanId"], kParent);
  EXPECT_EQ(spans[0]["traceState"], "a=b");
  EXPECT_EQ(attributes_of(spans[0])["gen_ai.request.model"], "fake");
  EXPECT_EQ(attributes_of(spans[0])["gen_ai.usage.output_tokens"], "6");
  EXPECT_EQ(collector.keys()[0], "secret");
  // One that nobody wants, and one of its own.
  EXPECT_EQ(ask_raw(post_text(kChat, body, "traceparent: " + header_of("00", "-00") + "\r\n")).status, 200);
  EXPECT_EQ(post(kChat, {{"messages", 1}}).status, 400);
  spans = collector.wait_for(2);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_THAT(spans[1]["traceId"].get<std::string>(), MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(spans[1]["traceId"].get<std::string>().size(), 32U);
  EXPECT_FALSE(spans[1].contains("parentSpanId"));
  EXPECT_EQ(attributes_of(spans[1])["error.type"], "400");
  EXPECT_TRUE(wait_for_metric("kedge_otlp_spans_exported_total", 2));
}

TEST_F(OtlpTest, a_collector_that_refuses_or_is_not_there_harms_nobody) {
  Collector refuses(503);
  for (const std::string& address : {refuses.address(), std::string("http://127.0.0.1:1")}) {
    start(ModelKind::decoder, options(address));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(post(kChat, hello()).status, 200);
    EXPECT_TRUE(wait_for_metric("kedge_otlp_spans_failed_total", 5)) << address;
    EXPECT_EQ(metric("kedge_otlp_spans_exported_total"), 0);
    server_.reset();
  }
}

TEST_F(OtlpTest, what_finds_the_queue_full_is_counted) {
  MetricsRegistry metrics;
  OtlpOptions options;
  options.endpoint = "http://127.0.0.1:1";
  options.period = std::chrono::hours(1);
  options.queue_max = 3;
  options.batch_max = 100;
  const auto exporter = OtlpExporter::start(options, {}, metrics);
  ASSERT_TRUE(exporter.ok());
  for (int i = 0; i < 5; ++i) exporter.value()->add({});
  EXPECT_THAT(metrics.prometheus_text(), HasSubstr("kedge_otlp_spans_dropped_total 2\n"));
}

TEST_F(OtlpTest, what_waits_at_the_end_is_sent) {
  Collector collector;
  ServerOptions made = options(collector.address());
  made.otlp.period = std::chrono::hours(1);
  start(ModelKind::decoder, std::move(made));
  EXPECT_EQ(post(kChat, hello()).status, 200);
  server_.reset();
  EXPECT_EQ(collector.wait_for(1).size(), 1U);
}

TEST_F(OtlpTest, an_endpoint_that_is_none_is_refused) {
  MetricsRegistry metrics;
  OtlpOptions options;
  options.endpoint = "collector:4318";
  const auto exporter = OtlpExporter::start(options, {}, metrics);
  ASSERT_FALSE(exporter.ok());
  EXPECT_THAT(exporter.error().message, HasSubstr("--otlp-endpoint"));
}

}  // namespace
}  // namespace kedge::serve
