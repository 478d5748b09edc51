#pragma once
// The body of POST /v1/responses and /v1/responses/input_tokens: OpenAI's Responses API, as a chat request.

#include <optional>
#include <string>

#include "serve/chat_request.h"

namespace kedge::serve {

inline constexpr size_t kResponseItemsMax = kMessagesMax;
inline constexpr size_t kMetadataMax = 16;  // OpenAI's limits
inline constexpr size_t kMetadataKeyMax = 64;
inline constexpr size_t kMetadataValueMax = 512;

struct ResponseRequest {
  ChatRequest chat;            // without messages
  Json input = Json::array();  // items, each with its type; a text is one message
  std::string instructions;
  std::string previous_id;     // the response whose conversation goes on
  bool store = true;           // may be asked for again, and gone on from
  bool background = false;     // answers at once; the response is asked for later
  bool drops_oldest = false;   // truncation: auto
  Json echo = Json::object();  // fields that a response repeats as they came
};

/// `counts_only`: nothing is answered, only counted.
ApiResult<ResponseRequest> read_response_request(const Json& body, bool counts_only);

/// Adds the items' messages to `messages`. `path` names the array in errors. Fails with 400.
ApiStatus add_item_messages(const Json& items, const std::string& path, Json& messages);

/// The request's JSON Schema.
Json response_request_schema(bool counts_only);

}  // namespace kedge::serve
