#pragma once
// Server-sent events on a streamed response.

#include <chrono>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace kedge::net {

inline constexpr std::chrono::milliseconds kSseHeartbeat{15'000};

/// The head of an event stream: nothing caches or buffers it, and a comment is sent after kSseHeartbeat of silence.
StreamHead sse_stream_head();

/// One event that carries `data`. Every line of it (ended by CR, LF or CRLF) gets its own "data:" field.
std::string sse_event(std::string_view data);

}  // namespace kedge::net
