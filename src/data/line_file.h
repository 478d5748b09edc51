#pragma once
// A file of lines that appears whole or not at all, compressed as its name says.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"
#include "kedge/result.h"

namespace kedge::data {

/// What becomes of bytes on their way into a file. One thread at a time.
class Compressor {
 public:
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  virtual ~Compressor() = default;
  /// Appends what `text` becomes to `out`; with `last`, the end of the stream too.
  virtual void add(std::string_view text, bool last, std::string& out) = 0;
};

/// The same bytes for the same lines, which are gathered: one write a megabyte. One thread at a time.
class LineFile {
 public:
  /// `.gz`: gzip, `.zst`: zstd, anything else as it is.
  static Result<LineFile> create(const std::filesystem::path& path);

  LineFile(LineFile&&) noexcept;
  LineFile& operator=(LineFile&&) = delete;
  ~LineFile();

  Status write(std::string_view text);
  /// Hands on what is gathered.
  Status flush();
  Status commit();

  /// Of the file's bytes that were handed on; whole after commit. XXH3 (64 bits).
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t checksum() const;

 private:
  struct Hash;
  LineFile(AtomicFile file, std::unique_ptr<Compressor> compressor);
  Status put(std::string_view bytes);

  AtomicFile file_;
  std::string pending_;
  std::unique_ptr<Compressor> compressor_;  // null: none
  std::unique_ptr<Hash> hash_;
  uint64_t bytes_ = 0;
};

/// The checksum that LineFile gives, of a file as it lies on disk. Fails with not_found or unavailable.
Result<uint64_t> file_checksum(const std::filesystem::path& path);

}  // namespace kedge::data
