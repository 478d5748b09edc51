#pragma once
// A file's bytes from front to back, decompressed by what they begin with.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "data/input.h"
#include "kedge/result.h"

namespace kedge::data {

/// Reads gzip, zstd and bzip2 (also several streams, one after the other) and everything else as it is.
/// One thread at a time. Memory does not grow with the file.
class ByteStream {
 public:
  /// Fails with not_found.
  static Result<std::unique_ptr<ByteStream>> open(const std::filesystem::path& path);

  /// The lines of a part of a file that is not compressed. Fails with not_found.
  static Result<std::unique_ptr<ByteStream>> open_lines(const Input& input);

  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  /// Fills the front of `buffer` and says how many bytes; 0 only at the end. Fails with corrupt_data (a compressed
  /// stream that breaks off or has a wrong checksum) or unavailable (the file cannot be read).
  virtual Result<size_t> read(std::span<char> buffer) = 0;

  /// Compressed bytes taken so far, for progress.
  [[nodiscard]] virtual size_t consumed() const = 0;
};

}  // namespace kedge::data
