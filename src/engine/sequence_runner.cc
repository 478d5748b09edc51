#include "engine/sequence_runner.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::engine {

int Runtime::regime(int64_t length) const {
  int all = 0;
  for (const models::RopeSpec& rope : decoder->spec().ropes) all = 2 * all + rope.regime(length);
  return all;
}

Status feed(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const OnLogits& on_logits) {
  const auto total = static_cast<int64_t>(feed.tokens.size());
  int64_t chunk_max = runtime.batch_tokens_max;
  if (feed.chunk_tokens > 0) chunk_max = std::min(chunk_max, feed.chunk_tokens);
  if (feed.outputs == Outputs::all) chunk_max = std::min(chunk_max, runtime.outputs_max);
  for (int64_t first = 0; first < total; first += chunk_max) {
    if (feed.cancelled != nullptr && *feed.cancelled) return Error{ErrorKind::cancelled, "the request was cancelled"};
    const int64_t count = std::min(chunk_max, total - first);
    if (!kv.reserve(count)) {
      return Error{ErrorKind::unavailable, fmt::format("the KV cache is full at {} tokens", kv.length())};
    }
    int64_t output_from = count;
    if (feed.outputs == Outputs::last && first + count == total) output_from = count - 1;
    if (feed.outputs == Outputs::all) output_from = std::clamp<int64_t>(feed.outputs_from - first, 0, count);
    const models::TokenRun run{.tokens = feed.tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                               .first = kv.length(),
                               .length = feed.length,
                               .cache = &kv,
                               .output_from = output_from};
    const std::span<const float> logits =
        runtime.decoder->forward(*runtime.workers, models::Phase::prefill, {&run, 1}, feed.sink, feed.sink_context);
    kv.advance(count);
    if (!logits.empty() && on_logits) on_logits(first + output_from, logits);
  }
  return Done{};
}

}  // namespace kedge::engine
