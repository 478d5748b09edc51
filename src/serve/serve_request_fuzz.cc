// Any bytes as the body of a request: every parser takes it or refuses it with 4xx and a message, and what it took
// keeps the promises that the engine relies on.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "serve/anthropic_request.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/response_request.h"

namespace {

using namespace kedge::serve;

template <typename T>
bool check(const ApiResult<T>& result) {
  if (result.ok()) return true;
  KEDGE_CHECK(result.error().status >= 400 && result.error().status < 500);
  KEDGE_CHECK(!result.error().message.empty());
  KEDGE_CHECK(!error_response(result.error()).body.empty());
  return false;
}

void check_request(const kedge::Request& request) {
  KEDGE_CHECK(request.sequence_count >= 1 && request.sequence_count <= static_cast<uint32_t>(kSequencesMax));
  KEDGE_CHECK(request.sampling.temperature >= 0 && request.sampling.temperature <= 2);
  KEDGE_CHECK(request.sampling.top_p > 0 && request.sampling.top_p <= 1);
  KEDGE_CHECK(request.sampling.min_p >= 0 && request.sampling.min_p < 1);
  KEDGE_CHECK(request.sampling.typical_p > 0 && request.sampling.typical_p <= 1);
  KEDGE_CHECK(request.sampling.repetition_penalty > 0);
  KEDGE_CHECK(request.sampling.top_k >= 0);
  for (const std::string& stop : request.stop_strings) KEDGE_CHECK(!stop.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kedge::net::ServerRequest http;
  http.headers = {{"Content-Type", "application/json"}};
  http.body.assign(reinterpret_cast<const char*>(data), size);
  const ApiResult<kedge::Json> body = read_json_body(http);
  if (!check(body)) return 0;
  if (const ApiResult<ChatRequest> chat = read_chat_request(body.value()); check(chat)) {
    check_request(chat.value().options.request);
    for (const kedge::Json& message : chat.value().messages) {
      KEDGE_CHECK(message["role"].is_string() && message["content"].is_string());
    }
    static_cast<void>(template_variables(chat.value(), {}));
  }
  if (const ApiResult<CompletionRequest> completion = read_completion_request(body.value()); check(completion)) {
    check_request(completion.value().options.request);
    KEDGE_CHECK(!completion.value().prompts.empty());
  }
  if (const ApiResult<ResponseRequest> response = read_response_request(body.value(), false); check(response)) {
    check_request(response.value().chat.options.request);
    kedge::Json messages = kedge::Json::array();
    KEDGE_CHECK(add_item_messages(response.value().input, "input", messages).ok());
    for (const kedge::Json& entry : messages) KEDGE_CHECK(entry["role"].is_string() && entry["content"].is_string());
  }
  for (const bool counts_only : {false, true}) {
    const ApiResult<ChatRequest> message = read_anthropic_request(body.value(), counts_only);
    if (!check(message)) continue;
    check_request(message.value().options.request);
    for (const kedge::Json& entry : message.value().messages) {
      KEDGE_CHECK(entry["role"].is_string() && entry["content"].is_string());
    }
    static_cast<void>(template_variables(message.value(), {}));
  }
  return 0;
}
