#pragma once
// Weights of a decoder laid out for products with activations of 8 bits.

#include <cstdint>

#include "core/aligned.h"
#include "core/thread_pool.h"
#include "kedge/result.h"
#include "models/decoder_weights.h"

namespace kedge::models {

struct PackingPlan {
  uint64_t packed_bytes = 0;    // that pack_weights will take
  uint64_t replaced_bytes = 0;  // stored bytes that nothing reads any more once they are packed
};
PackingPlan plan_packing(const DecoderWeights& weights);

/// Packs every matrix of a type that has a packed form and points its Linear at it; the others stay as they are stored.
/// The buffer owns the packed bytes. Fails with out_of_memory.
Result<PageBuffer> pack_weights(WorkerPool& pool, DecoderWeights& weights);

}  // namespace kedge::models
