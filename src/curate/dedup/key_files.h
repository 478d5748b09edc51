#pragma once
// What documents are compared by, in files: written shard by shard, read where they lie.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "curate/dedup/clusters.h"
#include "curate/dedup/links.h"
#include "data/document_file.h"
#include "data/line_file.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Files beside a shard's output: keys (64-bit numbers, as many for each document), the set of shingles of each with
/// where it ends, and ids, one a line.
struct KeyFiles {
  std::filesystem::path keys, offsets, shingles, ids;
};
KeyFiles key_files_of(const std::filesystem::path& output);

/// One thread at a time; the files appear whole or not at all.
class KeyWriter {
 public:
  static Result<KeyWriter> create(const std::filesystem::path& output);
  Status add(const DocumentKeys& keys, std::string_view id_json);
  /// The files, by their names.
  Result<std::vector<data::WrittenFile>> commit();

 private:
  KeyWriter(KeyFiles files, data::LineFile keys, data::LineFile offsets, data::LineFile shingles, data::LineFile ids)
      : files_(std::move(files)),
        keys_(std::move(keys)),
        offsets_(std::move(offsets)),
        shingles_(std::move(shingles)),
        ids_(std::move(ids)) {}

  KeyFiles files_;
  data::LineFile keys_, offsets_, shingles_, ids_;
  uint64_t shingle_count_ = 0;
};

/// One shard's keys, as they lie in their files.
struct ShardKeys {
  std::shared_ptr<const MappedFile> keys, offsets, shingles, ids;
  uint32_t first = 0, count = 0;  // documents
};

class MappedKeys final : public KeyStore {
 public:
  /// words: 64-bit numbers of a document's keys. Fails with not_found, corrupt_data or unsupported (4 billion).
  static Result<std::unique_ptr<MappedKeys>> open(const std::vector<std::filesystem::path>& outputs, size_t words);

  [[nodiscard]] uint32_t documents() const override { return count_; }
  [[nodiscard]] TextHash hash(uint32_t document) const override;
  [[nodiscard]] uint64_t key(uint32_t document, size_t band) const override { return keys_of(document)[band]; }
  [[nodiscard]] std::span<const uint64_t> shingles(uint32_t document) const override;
  void let_go() const override;
  [[nodiscard]] const std::vector<ShardKeys>& shards() const { return shards_; }

  /// Of documents in clusters; read once from front to back.
  [[nodiscard]] Result<Ids> ids_of(const Clusters& clusters) const;

 private:
  explicit MappedKeys(size_t words) : words_(words) {}
  [[nodiscard]] const ShardKeys& shard_of(uint32_t document) const;
  [[nodiscard]] std::span<const uint64_t> keys_of(uint32_t document) const;

  size_t words_;
  std::vector<ShardKeys> shards_;
  uint32_t count_ = 0;
};

}  // namespace kedge::curate
