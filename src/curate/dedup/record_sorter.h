#pragma once
// Records grouped by key, more of them than memory holds: spilled by ranges of keys, each range sorted alone.

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

struct KeyRecord {
  uint64_t high = 0, low = 0;  // the key
  uint64_t value = 0;
  auto operator<=>(const KeyRecord&) const = default;
};

/// One thread at a time. Memory: `memory_bytes` while records come; then a 256th of all records, or what the records of
/// one range take where keys are uneven. Spill files are removed with this object.
class RecordSorter {
 public:
  /// Keys' `high` lies below 2^key_bits. REQUIRES: 8 <= key_bits <= 64.
  RecordSorter(std::filesystem::path folder, uint64_t memory_bytes, unsigned key_bits = 64);
  RecordSorter(const RecordSorter&) = delete;
  RecordSorter& operator=(const RecordSorter&) = delete;
  ~RecordSorter();

  /// Fails with unavailable (disk full).
  Status add(const KeyRecord& record);

  using TakeRun = std::function<Status(std::span<const KeyRecord>)>;
  /// Each run of records of one key, by key; values ascend. Once, after the last add. Fails with corrupt_data (a spill
  /// file that is not what was written), unavailable, or what `take` returns.
  Status runs(const TakeRun& take);

  [[nodiscard]] uint64_t records() const { return records_; }

 private:
  static constexpr size_t kPartitions = 256;
  Status spill();
  Result<std::vector<KeyRecord>> read(size_t partition) const;
  [[nodiscard]] std::filesystem::path path_of(size_t partition) const;
  [[nodiscard]] size_t partition_of(const KeyRecord& record) const { return record.high >> (key_bits_ - 8); }

  std::filesystem::path folder_;
  size_t room_;  // records in memory
  unsigned key_bits_;
  std::vector<KeyRecord> held_;
  uint64_t records_ = 0;
  uint64_t number_;                // tells the files of this object from those of others
  std::vector<uint64_t> spilled_;  // records, by partition; empty: nothing was spilled
};

}  // namespace kedge::curate
