#pragma once
// Feeding tokens to the decoder: chunks, KV pages, and LongRoPE's change of factors.

#include <atomic>
#include <functional>
#include <memory>
#include <span>

#include "core/thread_pool.h"
#include "engine/kv_cache.h"
#include "engine/slot_table.h"
#include "models/decoder.h"

namespace kedge::engine {

/// What one forward pass needs. Owned by the engine; used on its thread.
struct Runtime {
  models::Decoder* decoder = nullptr;
  KvPool* kv_pool = nullptr;
  WorkerPool* workers = nullptr;
  PrefixStore* prefix_store = nullptr;  // null: pages that are given up are gone
  SlotTable* slots = nullptr;           // null: nothing is remembered
  int64_t batch_tokens_max = 512;
  int64_t outputs_max = 64;

  /// The rope regime of a sequence of `length` tokens (RopeSpec::regime), of all ropes together.
  [[nodiscard]] int regime(int64_t length) const;
  /// Equal for lengths whose positions are rotated alike (dynamic NTK scaling: each past the original context is a case
  /// of its own).
  [[nodiscard]] int64_t rope_key(int64_t length) const;
};

/// Which positions of a feed have their logits computed.
enum class Outputs : uint8_t { none, last, all };

/// Logits of one chunk: rows for tokens [first, first + rows) of the feed.
using OnLogits = std::function<void(int64_t first, std::span<const float> logits)>;

struct Feed {
  std::span<const int32_t> tokens;
  int64_t length = 0;        // tokens that the sequence will have (RopeSpec)
  int64_t chunk_tokens = 0;  // 0: as many as fit a batch
  Outputs outputs = Outputs::last;
  int64_t outputs_from = 0;  // with Outputs::all: the first token whose logits are wanted
  const models::Adapter* adapter = nullptr;
  models::HiddenSink sink = nullptr;
  void* sink_context = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
  std::function<bool()> make_room;  // frees pages when they ran out; false when it cannot; may be empty
};

/// Where a chunk begins in the feed, and how long it may be.
struct FeedStep {
  int64_t first = 0, tokens_max = 0;
  std::function<void(int64_t count)> on_chunk;  // before its pass; may be empty
};

/// Feeds one chunk and returns how many it fed. Fails
/// with unavailable when pages run out, cancelled on request.
Result<int64_t> feed_chunk(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const FeedStep& step,
                           const OnLogits& on_logits);

/// Appends all of the feed's tokens to `kv`, which is empty or holds what comes before them. Fails as feed_chunk does.
Status feed(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const OnLogits& on_logits);

}  // namespace kedge::engine
