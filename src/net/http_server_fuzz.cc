// Any bytes as a request target and as the data of an event: parsed parts keep their promises, and an event read back
// by the rules of server-sent events gives the data again.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "net/http_server_message.h"
#include "net/http_server_sse.h"

namespace {

void check_target(std::string_view text) {
  const auto target = kedge::net::parse_request_target(text);
  if (!target.ok()) return;
  KEDGE_CHECK(target.value().path.size() <= kedge::net::kPathSegmentsMax);
  KEDGE_CHECK(target.value().query.size() <= kedge::net::kQueryValuesMax);
  for (const std::string& segment : target.value().path) {
    for (const char c : segment) KEDGE_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
}

void check_event(std::string_view data) {
  std::string expected;  // with every line end as \n
  for (size_t i = 0; i < data.size(); ++i) {
    if (data[i] != '\r') {
      expected += data[i];
    } else if (i + 1 == data.size() || data[i + 1] != '\n') {
      expected += '\n';
    }
  }
  std::string event = kedge::net::sse_event(data);
  KEDGE_CHECK(event.ends_with("\n\n"));
  std::string read;
  event.pop_back();
  for (size_t start = 0; start < event.size();) {
    const size_t end = event.find('\n', start);
    KEDGE_CHECK(event.compare(start, 6, "data: ") == 0);
    if (start > 0) read += '\n';
    read += event.substr(start + 6, end - start - 6);
    start = end + 1;
  }
  KEDGE_CHECK(read == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_event(text);
  return 0;
}
