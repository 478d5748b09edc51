#pragma once
// A model to a GGUF file of one block type.

#include <stop_token>

#include "core/json.h"
#include "kedge/result.h"
#include "quantize/options.h"

namespace kedge::quantize {

/// As quantize(), for targets that are GGUF files: every matrix, as llama.cpp's `quantize --pure` has it. Where rows
/// are no whole number of blocks: Q8_0 instead of Q6_K, Q5_0 instead of Q4_K, then F16.
Result<Json> quantize_gguf(const Options& options, const Target& target, const Events& events,
                           const std::stop_token& stop);

}  // namespace kedge::quantize
