#pragma once
// Embeddings of documents, in memory or in files: written shard by shard, read where they lie.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "curate/dedup/key_files.h"
#include "curate/text_model.h"
#include "data/line_file.h"
#include "kedge/result.h"

namespace kedge::curate {

inline constexpr size_t kDimensionsMax = 1 << 16;

/// Rows of floats of unit length; rows of zeros are of documents without an embedding.
class VectorStore {
 public:
  VectorStore() = default;
  VectorStore(const VectorStore&) = delete;
  VectorStore& operator=(const VectorStore&) = delete;
  virtual ~VectorStore() = default;

  [[nodiscard]] virtual uint32_t count() const = 0;
  [[nodiscard]] virtual size_t dimensions() const = 0;  // 0: no document has an embedding
  [[nodiscard]] virtual const float* row(uint32_t document) const = 0;
  /// One row, for those that lie far from each other: nothing around it comes to memory.
  virtual void copy(uint32_t document, float* to) const { std::copy_n(row(document), dimensions(), to); }
  /// Called now and then: memory that only mirrors files may go.
  virtual void let_go() const {}
};

class MemoryVectors final : public VectorStore {
 public:
  /// REQUIRES: `vectors` outlives this; dimensions > 0.
  MemoryVectors(std::span<const float> vectors, size_t dimensions) : vectors_(vectors), dimensions_(dimensions) {}
  [[nodiscard]] uint32_t count() const override { return static_cast<uint32_t>(vectors_.size() / dimensions_); }
  [[nodiscard]] size_t dimensions() const override { return dimensions_; }
  [[nodiscard]] const float* row(uint32_t document) const override { return vectors_.data() + document * dimensions_; }

 private:
  std::span<const float> vectors_;
  size_t dimensions_;
};

/// Where embeddings come from: a member of each line of JSON (numbers), or, where it is not null, a model.
struct VectorSource {
  std::string field = "embedding";
  std::shared_ptr<const TextModel> model;
  /// Empty: there is none. Fails with what the model returns.
  [[nodiscard]] Result<std::vector<float>> vector_of(std::string_view text, std::string_view line) const;
};

/// Makes it unit length; false where its length is 0 or not finite.
bool normalize(std::span<float> vector);

/// Files beside a shard's output: embeddings, and ids, one a line.
struct VectorFiles {
  std::filesystem::path vectors, ids;
};
VectorFiles vector_files_of(const std::filesystem::path& output);

/// One thread at a time; the files appear whole or not at all. The embeddings' ends with their dimensions, their number
/// and their checksum.
class VectorWriter {
 public:
  static Result<VectorWriter> create(const std::filesystem::path& output);
  /// `vector`: of unit length, or empty. Fails with invalid_input (of another length than those before).
  Status add(std::span<const float> vector, const std::string& id_json);
  Status commit();

 private:
  VectorWriter(data::LineFile vectors, data::LineFile ids) : vectors_(std::move(vectors)), ids_(std::move(ids)) {}

  data::LineFile vectors_, ids_;
  size_t dimensions_ = 0;
  uint64_t count_ = 0;
};

class MappedVectors final : public VectorStore {
 public:
  /// Reads all of them once. Fails with not_found, corrupt_data (not what was written), invalid_input (dimensions
  /// differ) or unsupported (4 billion).
  static Result<std::unique_ptr<MappedVectors>> open(const std::vector<std::filesystem::path>& outputs);

  [[nodiscard]] uint32_t count() const override { return count_; }
  [[nodiscard]] size_t dimensions() const override { return dimensions_; }
  [[nodiscard]] const float* row(uint32_t document) const override;
  void copy(uint32_t document, float* to) const override;
  void let_go() const override;

  struct Shard {
    std::shared_ptr<const MappedFile> vectors, ids;
    std::shared_ptr<std::FILE> stream;  // of the vectors
    size_t dimensions = 0;
    uint32_t first = 0, count = 0;
  };
  [[nodiscard]] const std::vector<Shard>& shards() const { return shards_; }
  using TakeId = std::function<Status(uint32_t document, std::string_view id_json)>;
  /// From front to back. Fails with corrupt_data, or as `take` does.
  Status each_id(const TakeId& take) const;
  /// Of the documents that are wanted. Fails with corrupt_data.
  [[nodiscard]] Result<Ids> ids_of(const std::vector<bool>& wanted) const;

 private:
  [[nodiscard]] const Shard& shard_of(uint32_t document) const;

  std::vector<Shard> shards_;
  std::vector<float> zeros_;
  size_t dimensions_ = 0;
  uint32_t count_ = 0;
};

/// One file of embeddings, checked. Fails as MappedVectors::open does.
Result<MappedVectors::Shard> open_vectors(const std::filesystem::path& path);

}  // namespace kedge::curate
