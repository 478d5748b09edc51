// Any bytes as a header `traceparent`: ids as W3C spells them, or nothing.
#include <cstdint>

#include "core/check.h"
#include "serve/request_span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parent = serve::read_traceparent(text);
  if (!parent) return 0;
  KEDGE_CHECK(parent->trace_id.size() == 32 && parent->span_id.size() == 16);
  KEDGE_CHECK(text.substr(3, 32) == parent->trace_id && text.substr(36, 16) == parent->span_id);
  KEDGE_CHECK(parent->trace_id.find_first_not_of("0123456789abcdef") == std::string::npos);
  KEDGE_CHECK(parent->trace_id.find_first_not_of('0') != std::string::npos);
  KEDGE_CHECK(parent->span_id.find_first_not_of('0') != std::string::npos);
  return 0;
}
