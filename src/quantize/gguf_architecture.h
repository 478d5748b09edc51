#pragma once
// Which of GGUF's architectures a model is, told by its spec.

#include <cstdint>
#include <string_view>

#include "kedge/result.h"
#include "models/spec.h"

namespace kedge::quantize {

/// What one of GGUF's architectures has. Every other feature is the same in all of them, or a key of the file.
struct GgufArchitecture {
  std::string_view name;
  bool rope_pairs = false;      // rotates neighbouring elements: rows of q and k are in another order
  bool fused = false;           // one matrix for q, k and v, one for gate and up
  bool input_bias = false;      // of q, k and v
  bool head_norms = false;      // of each head's q and k
  bool sandwich_norms = false;  // after attention and MLP too
  bool gemma = false;           // GELU, scaled embeddings, norms stored as 1 + w
  bool tied = false;            // no output matrix of its own
  bool softcaps = false;        // of scores and logits, both
  bool mixture = false;         // may have experts
  bool longrope = false;        // may have two sets of frequency factors
  int64_t window_period = 0;    // 0: no windows; 1: the same in every layer; n: in all but every n-th layer
};

/// Fails with unsupported, saying what the model has that the nearest architecture has not.
Result<GgufArchitecture> gguf_architecture_of(const models::DecoderSpec& spec);

}  // namespace kedge::quantize
