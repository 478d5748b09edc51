#pragma once
// Sends traces to a collector: OTLP over HTTP, in JSON.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"
#include "net/http_client.h"
#include "serve/request_span.h"

namespace kedge::serve {

struct OtlpOptions {
  std::string endpoint;                    // "http://collector:4318"; /v1/traces is added to it. Empty: nothing is sent
  std::string service = "kedge";           // the resource's service.name
  std::vector<net::ClientHeader> headers;  // of every request: a collector's key
  std::chrono::milliseconds period{1000};  // how long a span waits for others
  std::chrono::milliseconds timeout{10'000};
  size_t queue_max = 2048;  // spans that wait; further ones are dropped, and counted
  size_t batch_max = 256;
};

/// Requests only queue; a thread of its own sends. Thread-safe. The destructor sends what is left, once.
class OtlpExporter {
 public:
  /// Fails with invalid_input: the endpoint is no http or https address.
  static Result<std::shared_ptr<OtlpExporter>> start(OtlpOptions options, LogSink log, MetricsRegistry& metrics);
  ~OtlpExporter();
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  void add(RequestSpan span);

 private:
  OtlpExporter(OtlpOptions options, net::Url url, LogSink log, MetricsRegistry& metrics);

  void run();
  void send(const std::vector<RequestSpan>& spans);
  Status post(const std::string& body);

  const OtlpOptions options_;
  const net::Url url_;
  const LogSink log_;
  Counter& exported_;
  Counter& dropped_;
  Counter& failed_;
  std::optional<net::HttpClient> client_;
  std::stop_source cancel_;
  bool told_ = false;  // that the collector does not answer

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RequestSpan> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::serve
