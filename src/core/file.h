#pragma once
// Files: read whole, mapped, or written so that they appear whole or not at all.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge {

/// Reads a whole file. Fails with not_found, or corrupt_data when it is larger than `bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, size_t bytes_max);

/// A file mapped read-only. Immutable and safe to read from any thread; unmapped with the last owner.
class MappedFile {
 public:
  /// Fails with not_found (no such file, a folder, no permission). An empty file maps to no bytes.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);

  /// The same, and remove_unused_file leaves the file alone while the mapping lives, in whichever process.
  static Result<std::shared_ptr<const MappedFile>> open_in_use(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Gives the pages that lie wholly within `part` back to the system; they come again when they are read. Bytes of
  /// other owners are left alone.
  void forget(std::span<const std::byte> part) const;

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path, bool in_use);

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  int lock_ = -1;  // a descriptor with a shared lock
};

/// Removes a file that nobody has open in use; whether it did.
bool remove_unused_file(const std::filesystem::path& path);

/// Writes a file that appears under its name only when `commit` succeeds (temporary file beside it,
/// fsync, rename). Destroyed without commit: nothing is left behind. One thread at a time.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  /// Appends bytes. Fails with unavailable (disk full, I/O error).
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  [[nodiscard]] size_t size() const { return size_; }

  /// Makes the file visible under its final name. REQUIRES: called at most once.
  Status commit();

 private:
  AtomicFile(std::filesystem::path path, std::filesystem::path temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  size_t size_ = 0;
  size_t handed_over_ = 0;  // bytes that the system has been told to write
};

}  // namespace kedge
