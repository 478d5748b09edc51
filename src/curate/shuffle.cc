// A shuffle out of core: documents are spread over files by the first bits of their hashes, which gives parts of the
// final order; a part that does not fit is spread by the next bits.
#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "curate/document_line.h"
#include "curate/mix.h"
#include "data/byte_stream.h"
#include "data/document_file.h"
#include "data/line_file.h"
#include "data/source.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kBits = 4;  // of the hash, a level
constexpr size_t kParts = size_t{1} << kBits;
constexpr unsigned kLevels = 64 / kBits;
constexpr size_t kEntryBytes = 64;   // beside its line
constexpr size_t kPrefixBytes = 32;  // of a line in a part: hash and number, 16 hexadecimal digits each
constexpr size_t kBatchBytes = size_t{8} << 20;

struct Entry {
  uint64_t hash, number;
  std::string line;  // with its newline
  bool operator<(const Entry& other) const { return hash != other.hash ? hash < other.hash : number < other.number; }
};

class WorkFolder {
 public:
  explicit WorkFolder(fs::path path) : path_(std::move(path)) {
    std::error_code code;
    fs::remove_all(path_, code);
    fs::create_directories(path_, code);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code code;
    fs::remove_all(path_, code);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::optional<Entry> read_entry(std::string_view line) {
  if (line.size() < kPrefixBytes) return std::nullopt;
  Entry entry{0, 0, std::string(line.substr(kPrefixBytes)) + "\n"};
  const char* const begin = line.data();
  const auto hash = std::from_chars(begin, begin + 16, entry.hash, 16);
  const auto number = std::from_chars(begin + 16, begin + kPrefixBytes, entry.number, 16);
  if (hash.ptr != begin + 16 || number.ptr != begin + kPrefixBytes) return std::nullopt;
  return entry;
}

/// One part of the order: held in memory, or spread over files when it does not fit.
class Part {
 public:
  Part(fs::path folder, unsigned level, uint64_t memory_bytes)
      : folder_(std::move(folder)), level_(level), memory_bytes_(memory_bytes) {}

  Status add(Entry entry) {
    bytes_ += entry.line.size() + kEntryBytes;
    entries_.push_back(std::move(entry));
    return bytes_ <= memory_bytes_ || level_ == kLevels ? Status(Done{}) : spread();
  }

  /// All of it, in order. Once.
  Status write_to(data::DocumentFile& output, const std::stop_token& stop) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
    if (!files_[0]) {
      std::sort(entries_.begin(), entries_.end());
      for (const Entry& entry : entries_) KEDGE_TRY(output.write(entry.line));
      return Done{};
    }
    KEDGE_TRY(spread());
    for (std::optional<data::LineFile>& file : files_) KEDGE_TRY(file->commit());
    for (size_t i = 0; i < kParts; ++i) {
      files_[i].reset();
      KEDGE_TRY(write_part(path_of(i), output, stop));
    }
    return Done{};
  }

 private:
  [[nodiscard]] fs::path path_of(size_t part) const { return folder_ / fmt::format("{}-{}.zst", level_, part); }

  Status spread() {
    for (size_t i = 0; i < kParts && !files_[kParts - 1]; ++i) {
      KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path_of(i)));
      files_[i].emplace(std::move(file));
    }
    for (const Entry& entry : entries_) {
      const size_t part = (entry.hash >> (64 - kBits * (level_ + 1))) % kParts;
      KEDGE_TRY(files_[part]->write(fmt::format("{:016x}{:016x}", entry.hash, entry.number) + entry.line));
    }
    entries_.clear();
    bytes_ = 0;
    return Done{};
  }

  Status write_part(const fs::path& path, data::DocumentFile& output, const std::stop_token& stop) const {
    Part inner(folder_, level_ + 1, memory_bytes_);
    {
      KEDGE_ASSIGN(auto stream, data::ByteStream::open(path));
      const auto source = data::open_jsonl(std::move(stream), {});
      data::Batch batch;
      for (bool more = true; more;) {
        batch.clear();
        KEDGE_ASSIGN(more, source->read(batch, kBatchBytes));
        for (const data::Record& record : batch.records) {
          std::optional<Entry> entry = read_entry(record.bytes);
          if (!entry) return Error{ErrorKind::corrupt_data, path.string() + ": was changed by someone else"};
          KEDGE_TRY(inner.add(*std::move(entry)));
        }
      }
    }
    std::error_code code;
    fs::remove(path, code);
    return inner.write_to(output, stop);
  }

  fs::path folder_;
  unsigned level_;
  uint64_t memory_bytes_, bytes_ = 0;
  std::vector<Entry> entries_;
  std::array<std::optional<data::LineFile>, kParts> files_;
};

}  // namespace

Result<Counts> shuffle(const Job& job, const ShuffleOptions& options, const MixOutput& output, WorkerPool& pool,
                       const Events& events, const std::stop_token& stop) {
  const WorkFolder folder(output.path.string() + ".tmp-shuffle");
  KEDGE_ASSIGN(const auto file, data::DocumentFile::create(output.path, {}, output.shard_bytes));
  Part all(folder.path(), 0, options.memory_bytes);
  std::vector<std::string> lines;
  uint64_t number = 0;
  Visitor visitor;
  visitor.takes_text = false;
  visitor.begin_batch = [&](size_t count) { lines.assign(count, {}); };
  visitor.work = [&](const data::Document& document, size_t slot) { lines[slot] = document_line(document); };
  visitor.take = [&](size_t slot, data::Document&) {
    const uint64_t hash = XXH3_64bits_withSeed(&number, sizeof number, options.seed);
    return all.add({hash, number++, std::move(lines[slot])});
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_TRY(all.write_to(*file, stop));
  KEDGE_TRY(file->commit());
  return counts;
}

}  // namespace kedge::curate
