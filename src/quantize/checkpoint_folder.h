#pragma once
// The folder that a quantization writes: a shard a layer, so that what is done stays done. A state file says what for;
// it goes when the checkpoint is complete.

#include <filesystem>
#include <span>
#include <string>

#include "core/json.h"
#include "core/tensor.h"
#include "kedge/result.h"

namespace kedge::quantize {

class CheckpointFolder {
 public:
  /// Makes the folder, or goes on where an earlier run with the same `identity` stopped. Fails with invalid_input where
  /// the folder holds something else, or was begun with another identity (naming the first difference).
  static Result<CheckpointFolder> open(const std::filesystem::path& path, const Json& identity, int64_t shard_count);

  /// What earlier runs noted; an object.
  [[nodiscard]] Json& notes() { return state_["notes"]; }
  [[nodiscard]] bool resumed() const { return resumed_; }
  /// Writes the notes.
  Status keep_notes() const;

  [[nodiscard]] std::filesystem::path shard_path(int64_t shard) const;
  Status write_shard(int64_t shard, std::span<const TensorView> tensors) const;

  /// Index, config.json and the source's other files (tokenizer, templates, generation settings): the folder is a model
  /// from here on. REQUIRES: every shard is written.
  Status complete(const std::filesystem::path& source, const Json& config) const;
  /// Writes the report; the state goes.
  Status close(const Json& report) const;

 private:
  CheckpointFolder(std::filesystem::path path, int64_t shard_count) : path_(std::move(path)), shards_(shard_count) {}

  Status write_index() const;
  Status copy_files(const std::filesystem::path& source) const;

  std::filesystem::path path_;
  int64_t shards_;
  bool resumed_ = false;
  Json state_;
};

/// A text file, whole or not at all.
Status write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace kedge::quantize
