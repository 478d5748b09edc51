#include "curate/dedup/record_sorter.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>

#include "core/check.h"
#include "core/checksum.h"

namespace kedge::curate {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

using BlockHead = std::array<uint64_t, 2>;  // records, checksum

Error disk_error(const std::filesystem::path& path) {
  return {ErrorKind::unavailable, path.string() + ": cannot be written; is the disk full?"};
}

Status take_runs(std::span<const KeyRecord> sorted, const RecordSorter::TakeRun& take) {
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin + 1;
    while (end < sorted.size() && sorted[end].high == sorted[begin].high && sorted[end].low == sorted[begin].low) ++end;
    KEDGE_TRY(take(sorted.subspan(begin, end - begin)));
    begin = end;
  }
  return Done{};
}

}  // namespace

RecordSorter::RecordSorter(std::filesystem::path folder, uint64_t memory_bytes, unsigned key_bits)
    : folder_(std::move(folder)), room_(std::max<uint64_t>(memory_bytes / sizeof(KeyRecord), 1)), key_bits_(key_bits) {
  KEDGE_CHECK(key_bits >= 8 && key_bits <= 64);
  static std::atomic<uint64_t> next{0};
  number_ = next++;
}

RecordSorter::~RecordSorter() {
  std::error_code code;
  for (size_t i = 0; i < spilled_.size(); ++i) std::filesystem::remove(path_of(i), code);
}

std::filesystem::path RecordSorter::path_of(size_t partition) const {
  return folder_ / fmt::format("records-{}-{}-{:03}.tmp-spill", ::getpid(), number_, partition);
}

Status RecordSorter::add(const KeyRecord& record) {
  if (held_.size() >= room_) KEDGE_TRY(spill());
  held_.push_back(record);
  ++records_;
  return Done{};
}

Status RecordSorter::spill() {
  std::ranges::sort(held_);
  spilled_.resize(kPartitions);
  for (size_t begin = 0; begin < held_.size();) {
    const size_t partition = partition_of(held_[begin]);
    size_t end = begin;
    while (end < held_.size() && partition_of(held_[end]) == partition) ++end;
    const auto part = std::span(held_).subspan(begin, end - begin);
    const BlockHead head = {part.size(), checksum(std::as_bytes(part))};
    const std::filesystem::path path = path_of(partition);
    const File file(std::fopen(path.c_str(), spilled_[partition] == 0 ? "wb" : "ab"));
    if (file == nullptr || std::fwrite(head.data(), sizeof head, 1, file.get()) != 1 ||
        std::fwrite(part.data(), sizeof(KeyRecord), part.size(), file.get()) != part.size() ||
        std::fflush(file.get()) != 0) {
      return disk_error(path);
    }
    spilled_[partition] += part.size();
    begin = end;
  }
  held_.clear();
  return Done{};
}

Result<std::vector<KeyRecord>> RecordSorter::read(size_t partition) const {
  std::vector<KeyRecord> records;
  if (spilled_[partition] == 0) return records;
  const std::filesystem::path path = path_of(partition);
  const Error damaged{ErrorKind::corrupt_data, path.string() + ": is not what was written there; run again"};
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return damaged;
  records.resize(spilled_[partition]);
  for (size_t done = 0; done < records.size();) {
    BlockHead head{};
    if (std::fread(head.data(), sizeof head, 1, file.get()) != 1 || head[0] > records.size() - done) return damaged;
    const auto part = std::span(records).subspan(done, head[0]);
    if (std::fread(part.data(), sizeof(KeyRecord), part.size(), file.get()) != part.size()) return damaged;
    if (checksum(std::as_bytes(part)) != head[1]) return damaged;
    done += part.size();
  }
  return records;
}

Status RecordSorter::runs(const TakeRun& take) {
  if (spilled_.empty()) {
    std::ranges::sort(held_);
    KEDGE_TRY(take_runs(held_, take));
    held_ = {};
    return Done{};
  }
  KEDGE_TRY(spill());
  held_ = {};
  for (size_t partition = 0; partition < kPartitions; ++partition) {
    KEDGE_ASSIGN(std::vector<KeyRecord> records, read(partition));
    std::ranges::sort(records);
    KEDGE_TRY(take_runs(records, take));
  }
  return Done{};
}

}  // namespace kedge::curate
