#pragma once
// A file that arrives in parts, in any order, and survives being interrupted at any instant: beside the data lies a
// record of how far each part has come.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::net {

/// Different threads may write different parts at once.
class PartFile {
 public:
  /// Continues where the record says the file of this size had come, or starts anew with parts of `part_bytes`.
  /// Fails with unavailable (no permission, disk full).
  static Result<std::unique_ptr<PartFile>> open(const std::filesystem::path& data, uint64_t size, uint64_t part_bytes);

  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  [[nodiscard]] size_t part_count() const { return done_.size(); }
  [[nodiscard]] uint64_t begin(size_t part) const { return part * part_bytes_; }
  [[nodiscard]] uint64_t size(size_t part) const;
  [[nodiscard]] uint64_t done(size_t part) const { return done_[part].load(std::memory_order_relaxed); }
  [[nodiscard]] bool complete(size_t part) const { return done(part) == size(part); }
  [[nodiscard]] uint64_t done() const;  // of all parts

  /// Appends to what the part already has. REQUIRES: it fits.
  Status append(size_t part, std::string_view bytes);

  /// Makes the complete file appear at `path` and forgets the record. REQUIRES: every part is complete.
  Status publish(const std::filesystem::path& path);

  /// Forgets data and record. REQUIRES: nobody else uses the object; it is not used afterwards.
  void discard();

 private:
  PartFile(std::filesystem::path data, uint64_t size, uint64_t part_bytes);
  Status prepare();
  bool read_record();
  Status write_record();
  [[nodiscard]] std::filesystem::path record_path() const { return data_.string() + ".parts"; }

  std::filesystem::path data_;
  uint64_t size_ = 0;
  uint64_t part_bytes_ = 0;
  std::vector<std::atomic<uint64_t>> done_;
  int data_fd_ = -1;
  int record_fd_ = -1;
};

}  // namespace kedge::net
