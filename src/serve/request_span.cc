#include "serve/request_span.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "serve/version.h"

namespace kedge::serve {

namespace {

constexpr size_t kTraceIdDigits = 32, kSpanIdDigits = 16;
constexpr size_t kTraceParentBytes = 55;  // 2-32-16-2
constexpr size_t kTraceStateBytesMax = 512;
constexpr int kKindInternal = 1, kKindServer = 2, kStatusError = 2;  // trace.proto

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) {
  return is_hex(text) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

/// Never all zeros.
std::string random_hex(size_t digits) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string text;
  while (text.size() < digits) text += fmt::format("{:016x}", random() | 1);
  return text.substr(0, digits);
}

Json attribute(std::string_view key, std::string_view text) {
  return {{"key", key}, {"value", {{"stringValue", text}}}};
}

/// 64-bit integers are strings in protobuf's JSON.
Json attribute(std::string_view key, uint64_t number) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(number)}}}};
}

Json attribute(std::string_view key, bool on) {
  return {{"key", key}, {"value", {{"boolValue", on}}}};
}

std::string nanoseconds(SpanClock::time_point time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

/// HTTP's and GenAI's semantic conventions.
Json attributes_of(const RequestSpan& span) {
  Json list = Json::array();
  list.push_back(attribute("http.request.method", span.method));
  if (!span.route.empty()) list.push_back(attribute("http.route", span.route));
  list.push_back(attribute("url.path", span.path));
  list.push_back(attribute("http.response.status_code", static_cast<uint64_t>(span.status)));
  list.push_back(attribute("kedge.request.id", span.request_id));
  if (span.status >= 400) list.push_back(attribute("error.type", std::to_string(span.status)));
  if (span.operation.empty()) return list;
  list.push_back(attribute("gen_ai.operation.name", span.operation));
  list.push_back(attribute("gen_ai.provider.name", std::string_view("kedge")));
  if (!span.model.empty()) {
    list.push_back(attribute("gen_ai.request.model", span.model));
    list.push_back(attribute("gen_ai.response.model", span.model));
  }
  list.push_back(attribute("gen_ai.request.stream", span.streams));
  if (!span.timings) return list;
  list.push_back(attribute("gen_ai.usage.input_tokens", span.timings->prompt_tokens));
  list.push_back(attribute("gen_ai.usage.output_tokens", span.timings->new_tokens));
  list.push_back(attribute("gen_ai.usage.cache_read.input_tokens", span.timings->cached_tokens));
  return list;
}

Json span_json(const RequestSpan& span) {
  const std::string name = span.operation.empty() ? fmt::format("{} {}", span.method, span.route)
                           : span.model.empty()   ? span.operation
                                                  : fmt::format("{} {}", span.operation, span.model);
  Json json = {{"traceId", span.trace_id},
               {"spanId", span.span_id},
               {"name", name},
               {"kind", kKindServer},
               {"startTimeUnixNano", nanoseconds(span.begin)},
               {"endTimeUnixNano", nanoseconds(span.end)},
               {"attributes", attributes_of(span)},
               {"flags", 1},
               {"status", Json::object()}};
  if (!span.parent_span_id.empty()) json["parentSpanId"] = span.parent_span_id;
  if (!span.trace_state.empty()) json["traceState"] = span.trace_state;
  // A server's span is an error when it is the server's fault.
  if (span.status >= 500) json["status"] = {{"code", kStatusError}, {"message", fmt::format("HTTP {}", span.status)}};
  return json;
}

/// What the engine did, back from its end. Several prompts of one request overlap: their sums would tell nothing.
void add_phases(const RequestSpan& span, Json& list) {
  if (!span.timings || !span.computed) return;
  const RequestTimings& timings = *span.timings;
  const auto duration = [](double ms) {
    return std::chrono::duration_cast<SpanClock::duration>(std::chrono::duration<double, std::milli>(ms));
  };
  const std::pair<const char*, double> phases[] = {
      {"queue", timings.queue_ms}, {"prefill", timings.prefill_ms}, {"decode", timings.decode_ms}};
  SpanClock::time_point begin =
      *span.computed - duration(timings.queue_ms) - duration(timings.prefill_ms) - duration(timings.decode_ms);
  if (begin < span.begin) return;
  for (const auto& [name, ms] : phases) {
    const SpanClock::time_point end = begin + duration(ms);
    list.push_back({{"traceId", span.trace_id},
                    {"spanId", random_hex(kSpanIdDigits)},
                    {"parentSpanId", span.span_id},
                    {"name", name},
                    {"kind", kKindInternal},
                    {"startTimeUnixNano", nanoseconds(begin)},
                    {"endTimeUnixNano", nanoseconds(end)},
                    {"attributes", Json::array()},
                    {"flags", 1},
                    {"status", Json::object()}});
    begin = end;
  }
}

}  // namespace

std::optional<TraceParent> read_traceparent(std::string_view header) {
  if (header.size() < kTraceParentBytes) return std::nullopt;
  const std::string_view version = header.substr(0, 2), trace = header.substr(3, kTraceIdDigits);
  const std::string_view parent = header.substr(36, kSpanIdDigits), flags = header.substr(53, 2);
  const bool is_cut = header[2] == '-' && header[35] == '-' && header[52] == '-';
  // A later version may say more behind another dash.
  const bool ends = header.size() == kTraceParentBytes || (version != "00" && header[kTraceParentBytes] == '-');
  if (!is_cut || !ends || !is_hex(version) || version == "ff" || !is_hex(flags)) return std::nullopt;
  if (!is_id(trace) || !is_id(parent)) return std::nullopt;
  const char last = flags[1];
  const int digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return TraceParent{std::string(trace), std::string(parent), (digit & 1) != 0};
}

void begin_span(const net::ServerHeaders& request, RequestSpan& span) {
  span.begin = SpanClock::now();
  span.span_id = random_hex(kSpanIdDigits);
  const std::string* const header = net::find_header(request, "traceparent");
  const std::optional<TraceParent> parent = header != nullptr ? read_traceparent(*header) : std::nullopt;
  if (!parent) {
    span.trace_id = random_hex(kTraceIdDigits);
    return;
  }
  span.trace_id = parent->trace_id;
  span.parent_span_id = parent->span_id;
  span.sampled = parent->sampled;
  const std::string* const state = net::find_header(request, "tracestate");
  if (state != nullptr && state->size() <= kTraceStateBytesMax) span.trace_state = *state;
}

Json spans_json(const std::vector<RequestSpan>& spans, std::string_view service) {
  Json list = Json::array();
  for (const RequestSpan& span : spans) {
    list.push_back(span_json(span));
    add_phases(span, list);
  }
  const Json resource = {{"attributes", Json::array({attribute("service.name", service),
                                                     attribute("service.version", std::string_view(kVersion)),
                                                     attribute("telemetry.sdk.name", std::string_view("kedge")),
                                                     attribute("telemetry.sdk.language", std::string_view("cpp"))})}};
  const Json scope = {{"scope", {{"name", "kedge.serve"}, {"version", kVersion}}}, {"spans", std::move(list)}};
  return {{"resourceSpans", Json::array({{{"resource", resource}, {"scopeSpans", Json::array({scope})}}})}};
}

}  // namespace kedge::serve
