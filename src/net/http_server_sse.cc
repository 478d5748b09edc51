#include "net/http_server_sse.h"

namespace kedge::net {

StreamHead sse_stream_head() {
  StreamHead head;
  head.headers = {{"Content-Type", "text/event-stream; charset=utf-8"},
                  {"Cache-Control", "no-cache"},
                  {"X-Accel-Buffering", "no"}};  // nginx would collect events into its buffers
  head.heartbeat_text = ": ping\n\n";
  head.heartbeat = kSseHeartbeat;
  return head;
}

std::string sse_event(std::string_view data) {
  std::string event;
  event.reserve(data.size() + 16);
  while (true) {
    const size_t end = data.find_first_of("\r\n");
    event += "data: ";
    event += data.substr(0, end);
    event += '\n';
    if (end == std::string_view::npos) break;
    const bool pair = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (pair ? 2 : 1));
  }
  event += '\n';
  return event;
}

}  // namespace kedge::net
