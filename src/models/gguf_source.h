#pragma once
// GGUF files under Hugging Face names: metadata as config.json keys, tensors by checkpoint name.

#include <memory>

#include "formats/gguf.h"
#include "kedge/result.h"
#include "models/weight_source.h"

namespace kedge::models {

/// Fails with unsupported for an architecture without a family, corrupt_data for missing metadata.
Result<std::shared_ptr<const WeightSource>> open_gguf_source(std::shared_ptr<const formats::GgufFile> file);

/// The checkpoint name of a GGUF tensor ("blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"), or "" for
/// tensors that have none. `architecture` is general.architecture.
std::string checkpoint_name(std::string_view gguf_name, std::string_view architecture);

}  // namespace kedge::models
