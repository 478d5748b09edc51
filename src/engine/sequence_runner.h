#pragma once
// Feeding tokens to the decoder: chunks, KV pages, and LongRoPE's change of factors.

#include <atomic>
#include <functional>
#include <memory>
#include <span>

#include "core/thread_pool.h"
#include "engine/kv_cache.h"
#include "models/decoder.h"

namespace kedge::engine {

/// What one forward pass needs. Owned by the engine; used on its thread.
struct Runtime {
  models::Decoder* decoder = nullptr;
  KvPool* kv_pool = nullptr;
  WorkerPool* workers = nullptr;
  int64_t batch_tokens_max = 512;
  int64_t outputs_max = 64;

  /// The rope regime of a sequence of `length` tokens (RopeSpec::regime), of all ropes together.
  [[nodiscard]] int regime(int64_t length) const;
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
  models::HiddenSink sink = nullptr;
  void* sink_context = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
};

/// Appends the feed's tokens to `kv`, chunk by chunk. Fails with unavailable when pages run out, cancelled on request.
Status feed(const Runtime& runtime, SequenceKv& kv, const Feed& feed, const OnLogits& on_logits);

}  // namespace kedge::engine
