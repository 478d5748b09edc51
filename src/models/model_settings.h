#pragma once
// What a checkpoint says beside its network: where answers end, how it likes to be sampled, how embeddings are pooled.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "kedge/result.h"
#include "models/weight_source.h"

namespace kedge::models {

struct ModelSettings {
  std::vector<int32_t> end_tokens;          // eos_token_id of generation_config.json and config.json together
  std::optional<float> temperature, top_p;  // generation_config.json's suggestions
  std::optional<int32_t> top_k;

  // Sentence encoders (1_Pooling/config.json, modules.json, sentence_bert_config.json).
  bool pooling_cls = false;
  bool pooling_last = false;
  bool normalize = true;
  int64_t sequence_tokens_max = 0;  // 0: the model's context
};

/// `path` is the checkpoint folder or file that `source` was opened from. Files that are absent leave the defaults;
/// fails with corrupt_data when one is broken.
Result<ModelSettings> read_model_settings(const std::filesystem::path& path, const WeightSource& source);

}  // namespace kedge::models
