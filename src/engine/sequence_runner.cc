#include "engine/sequence_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kedge::engine {

int Runtime::regime(int64_t length) const {
  int all = 0;
  for (const models::RopeSpec& rope : decoder->spec().ropes) all = 2 * all + rope.regime(length);
  return all;
}

int64_t Runtime::rope_key(int64_t length) const {
  for (const models::RopeSpec& rope : decoder->spec().ropes) {
    if (rope.scaling == models::RopeScaling::dynamic && length > rope.original_context) return length;
  }
  return -1 - regime(length);
}

Result<int64_t> feed_chunk(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const FeedStep& step,
                           const OnLogits& on_logits) {
  if (feed.cancelled != nullptr && *feed.cancelled) return Error{ErrorKind::cancelled, "the request was cancelled"};
  const auto total = static_cast<int64_t>(feed.tokens.size());
  const int64_t first = step.first;
  int64_t count = std::min({step.tokens_max, runtime.batch_tokens_max, total - first});
  if (feed.chunk_tokens > 0) count = std::min(count, feed.chunk_tokens);
  if (feed.outputs == Outputs::all) count = std::min(count, runtime.outputs_max);
  while (!kv.reserve(count)) {
    if (feed.make_room && feed.make_room()) continue;
    return Error{ErrorKind::unavailable, fmt::format("the KV cache is full at {} tokens", kv.length())};
  }
  int64_t output_from = count;
  if (feed.outputs == Outputs::last && first + count == total) output_from = count - 1;
  if (feed.outputs == Outputs::all) output_from = std::clamp<int64_t>(feed.outputs_from - first, 0, count);
  const models::TokenRun run{.tokens = feed.tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                             .first = kv.length(),
                             .length = feed.length,
                             .cache = &kv,
                             .output_from = output_from,
                             .adapter = feed.adapter};
  if (step.on_chunk) step.on_chunk(count);
  const std::span<const float> logits =
      runtime.decoder->forward(*runtime.workers, models::Phase::prefill, {&run, 1}, feed.sink, feed.sink_context);
  kv.advance(count);
  if (!logits.empty() && on_logits) on_logits(first + output_from, logits);
  return count;
}

Status feed(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const OnLogits& on_logits) {
  for (int64_t first = 0; std::cmp_less(first, feed.tokens.size());) {
    KEDGE_ASSIGN(const int64_t count, feed_chunk(runtime, kv, feed, {first, runtime.batch_tokens_max, {}}, on_logits));
    first += count;
  }
  return Done{};
}

}  // namespace kedge::engine
