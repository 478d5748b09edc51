#pragma once
// What a pipeline file says.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/record.h"
#include "kedge/result.h"

namespace kedge::curate {

inline constexpr size_t kPipelineBytesMax = size_t{1} << 20;
inline constexpr size_t kStepsMax = 64;

struct StepConfig {
  std::string op;     // one of operators()
  Json options;       // an object
  std::string where;  // "steps[2].filter", for messages
};

struct Pipeline {
  std::vector<std::string> inputs;  // files, folders, patterns; relative to `folder`
  bool include_text = false;        // of folders documents beside files of records too
  std::string output;               // folder; may be empty
  std::string format = "jsonl.zst";
  data::Fields fields;
  std::string html_field = "html";  // what extract reads
  uint64_t shard_bytes = 0;         // of uncompressed lines of JSON; larger inputs are several shards; 0: never
  uint64_t output_shard_bytes = 0;  // of lines; a shard's output is several files of about that; 0: never
  std::vector<StepConfig> steps;
  std::filesystem::path folder;  // of the file: where its paths begin

  /// All that the output depends on but the inputs: equal pipelines have equal texts.
  [[nodiscard]] std::string fingerprint() const;
};

/// kedge's own form (docs/guide/curate.md), NeMo Curator's filter configuration (`input_field`, `filters`) or a recipe
/// of data-juicer's (`process`) whose operators have a counterpart here. Fails with corrupt_data, invalid_input or
/// unsupported, naming what is wrong.
Result<Pipeline> parse_pipeline(std::string_view text, std::string_view name);

/// The same of a file. Fails with not_found too.
Result<Pipeline> read_pipeline(const std::filesystem::path& path);

}  // namespace kedge::curate
