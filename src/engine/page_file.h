#pragma once
// A file for pages that outlives nothing: it has no name, and is gone with the process.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "kedge/result.h"

namespace kedge::engine {

/// Bytes at offsets. One thread at a time.
class PageFile {
 public:
  virtual ~PageFile() = default;
  /// Fails with unavailable: the disk is full, or broken.
  virtual Status write(uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Fails with unavailable; with corrupt_data when the file ends before.
  virtual Status read(uint64_t offset, std::span<std::byte> bytes) = 0;
};

/// A nameless file in `folder`, readable by this process alone. Fails with not_found: no such folder, or it may not be
/// written to.
Result<std::unique_ptr<PageFile>> open_page_file(const std::filesystem::path& folder);

}  // namespace kedge::engine
