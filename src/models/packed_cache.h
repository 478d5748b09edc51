#pragma once
// Laid out weights kept on disk, so that a model is laid out once and mapped at every later start.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"
#include "core/thread_pool.h"
#include "kedge/result.h"

namespace kedge::models {

/// One file of one model. It is believed only when its key and its checksum are right: a stale or torn file counts as
/// none, and is replaced by the next store. One thread at a time.
class PackedCache {
 public:
  /// `key`: everything that the bytes depend on, as text; `name` begins the file's name, for people.
  PackedCache(std::filesystem::path folder, std::string_view name, std::string key);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// The stored bytes, on a page border, in use from now on; empty where there are none of `bytes` bytes that can be
  /// believed.
  struct Stored {
    std::shared_ptr<const MappedFile> file;
    std::span<const std::byte> bytes;
  };
  [[nodiscard]] Stored find(WorkerPool& pool, uint64_t bytes) const;

  /// Fails with unavailable (a folder that cannot be written, a full disk); nothing is left behind then.
  [[nodiscard]] Status store(WorkerPool& pool, std::span<const std::byte> bytes) const;

  /// Removes files of other models, those used longest ago first, until all of the folder take at most `bytes_max`.
  /// Files in use stay, and this one.
  void prune(uint64_t bytes_max) const;

 private:
  std::filesystem::path path_;
  std::string key_;
};

}  // namespace kedge::models
