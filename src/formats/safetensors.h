#pragma once
// safetensors (https://github.com/huggingface/safetensors): reads one file or an index of shards, mapped, never
// copied; writes one file atomically.

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/tensor.h"
#include "kedge/result.h"

namespace kedge::formats {

inline constexpr size_t kSafetensorsHeaderBytesMax = size_t{100} << 20;  // the reference implementation's limit
inline constexpr size_t kTensorCountMax = 1 << 20;
inline constexpr size_t kTensorRankMax = 8;

/// One checked .safetensors file. Immutable; its views live as long as it does.
class SafetensorsFile {
 public:
  /// Fails with not_found, or corrupt_data naming the tensor: header past the end, not JSON, duplicate names,
  /// unknown dtype, shape and byte count that disagree, ranges out of bounds, overlapping or with holes.
  static Result<std::shared_ptr<const SafetensorsFile>> open(const std::filesystem::path& path);

  /// The same over bytes that the caller keeps alive (tests, fuzzers, embedded models).
  static Result<std::shared_ptr<const SafetensorsFile>> parse(std::span<const std::byte> bytes, std::string_view name);

  [[nodiscard]] const std::vector<TensorView>& tensors() const { return tensors_; }
  [[nodiscard]] const TensorView* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// See MappedFile::forget.
  void forget(std::span<const std::byte> bytes) const {
    if (file_ != nullptr) file_->forget(bytes);
  }

 private:
  SafetensorsFile() = default;
  friend class SafetensorsParser;

  std::string name_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorView> tensors_;  // in file order
  std::map<std::string, size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

/// All tensors of a checkpoint folder: model.safetensors, or the shards of model.safetensors.index.json.
class SafetensorsFolder {
 public:
  /// Fails as SafetensorsFile does; also when the index names a missing shard or a tensor its shard lacks, or when two
  /// shards hold the same name.
  static Result<std::shared_ptr<const SafetensorsFolder>> open(const std::filesystem::path& folder);

  [[nodiscard]] const TensorView* find(std::string_view name) const;
  [[nodiscard]] std::vector<const TensorView*> tensors() const;
  /// The file that holds `name`, for messages.
  [[nodiscard]] std::string file_of(std::string_view name) const;
  /// See MappedFile::forget.
  void forget(std::span<const std::byte> bytes) const {
    for (const auto& file : files_) file->forget(bytes);
  }

 private:
  SafetensorsFolder() = default;
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::map<std::string, std::pair<size_t, const TensorView*>, std::less<>> index_;
};

/// Writes tensors (and metadata) as one .safetensors file: whole or not at all. Tensors are laid out in the given
/// order, 8-byte aligned header. Fails with invalid_input (duplicate name, wrong byte count, a block dtype) or
/// unavailable.
Status write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace kedge::formats
