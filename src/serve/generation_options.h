#pragma once
// The request fields that chat and plain completions share.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "kedge/engine.h"
#include "serve/fields.h"

namespace kedge::serve {

inline constexpr int64_t kSequencesMax = 128;      // OpenAI's limit for n
inline constexpr int64_t kNewTokensMax = 1 << 24;  // more than any context; the context itself ends an answer sooner
inline constexpr int64_t kTokenIdMax = std::numeric_limits<TokenId>::max();
inline constexpr size_t kStopStringsMax = 16;
inline constexpr size_t kStopTokensMax = 64;
inline constexpr size_t kLogitBiasMax = 1024;
inline constexpr int64_t kTopLogprobsMax = 20;
inline constexpr int64_t kPriorityMax = 1000;

/// What a request asks of the engine, before its prompt is known.
struct GenerationOptions {
  std::string model;  // empty: the only one
  bool stream = false;
  bool include_usage = false;  // streaming: a last chunk with the token counts
  std::optional<uint32_t> new_tokens_max;
  std::optional<uint32_t> completion_tokens_max;  // OpenAI's newer name for the same; it wins
  std::optional<int64_t> reasoning_tokens_max;    // before the answer; below 0: any number
  Request request;                                // without prompt_tokens and new_tokens_max
  std::string constraint_field;                   // that request.constraint came from
  bool beam_search = false;
  std::optional<uint32_t> best_of;  // beams; absent: as many as answers
  BeamOptions beams;                // but for their number
};

const Fields<GenerationOptions>& generation_fields();

/// One field that bounds the tokens of reasoning, for the forms that have a name of their own for it.
ApiStatus read_reasoning_tokens(const Json& value, const std::string& path, GenerationOptions& options);

/// Checks what depends on the model: token ids must be in its vocabulary.
ApiStatus check_token_ids(const Request& request, int64_t vocabulary_size);

/// Ids of an array; each from 0 to below 2^31.
ApiResult<std::vector<TokenId>> read_token_ids(const Json& value, std::string_view path, size_t count_max);
Json token_ids_schema(size_t count_min, size_t count_max, std::string_view description);

}  // namespace kedge::serve
