#pragma once
// A request as a trace tells it, in OpenTelemetry's terms.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/engine.h"
#include "net/http_server_message.h"

namespace kedge::serve {

using SpanClock = std::chrono::system_clock;

/// W3C's Trace Context, level 1: whose part a request is.
struct TraceParent {
  std::string trace_id;  // 32 hexadecimal digits in lower case, not all 0
  std::string span_id;   // 16 of them
  bool sampled = false;
};
/// Of a header `traceparent`; nothing: it is none, and a new trace begins.
std::optional<TraceParent> read_traceparent(std::string_view header);

struct RequestSpan {
  std::string trace_id, span_id, parent_span_id;  // no parent: empty
  std::string trace_state;                        // as it came
  bool sampled = true;
  SpanClock::time_point begin, end;
  std::optional<SpanClock::time_point> computed;  // the engine was done
  std::optional<RequestTimings> timings;          // of what it computed
  std::string request_id, method, route, path;
  std::string operation;  // "chat"; empty: no model answered
  std::string model;      // as the request named it
  bool streams = false;
  int status = 0;
};

/// Takes finished requests from any thread. Must not block.
using SpanSink = std::function<void(RequestSpan)>;

/// Ids and times of a request whose headers have come.
void begin_span(const net::ServerHeaders& request, RequestSpan& span);

/// ExportTraceServiceRequest in protobuf's JSON: each request's span with what came within it: queue, prefill, decode.
Json spans_json(const std::vector<RequestSpan>& spans, std::string_view service);

}  // namespace kedge::serve
