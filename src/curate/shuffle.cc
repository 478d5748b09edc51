// A shuffle out of core: documents are spread over files by the first bits of their hashes, which gives parts of the
// final order; a part that does not fit is spread by the next bits.
#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <utility>

#include "core/file.h"
#include "curate/document_line.h"
#include "curate/mix.h"
#include "curate/mix_file.h"
#include "data/byte_stream.h"
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

using TakeLine = std::function<Status(std::string_view line)>;

/// A file of documents whose hashes begin alike.
struct SpreadFile {
  std::string name;
  uint64_t documents = 0, bytes = 0, checksum = 0;
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

  [[nodiscard]] bool is_spread() const { return files_[0].has_value(); }

  /// All that memory holds, in order. REQUIRES: !is_spread().
  Status write_held(const TakeLine& take) {
    std::sort(entries_.begin(), entries_.end());
    for (const Entry& entry : entries_) KEDGE_TRY(take(entry.line));
    return Done{};
  }

  /// Its files, in order, whole. Once. REQUIRES: is_spread().
  Result<std::vector<SpreadFile>> finish_spread() {
    KEDGE_TRY(spread());
    std::vector<SpreadFile> all;
    for (size_t i = 0; i < kParts; ++i) {
      KEDGE_TRY(files_[i]->commit());
      all.push_back({name_of(i), documents_[i], files_[i]->bytes(), files_[i]->checksum()});
      files_[i].reset();
    }
    return all;
  }

 private:
  [[nodiscard]] std::string name_of(size_t part) const { return fmt::format("{}-{}.zst", level_, part); }

  Status spread() {
    for (size_t i = 0; i < kParts && !files_[kParts - 1]; ++i) {
      KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(folder_ / name_of(i)));
      files_[i].emplace(std::move(file));
    }
    for (const Entry& entry : entries_) {
      const size_t part = (entry.hash >> (64 - kBits * (level_ + 1))) % kParts;
      ++documents_[part];
      KEDGE_TRY(files_[part]->write(fmt::format("{:016x}{:016x}", entry.hash, entry.number) + entry.line));
    }
    entries_.clear();
    bytes_ = 0;
    return Done{};
  }

  fs::path folder_;
  unsigned level_;
  uint64_t memory_bytes_, bytes_ = 0;
  std::vector<Entry> entries_;
  std::array<uint64_t, kParts> documents_{};
  std::array<std::optional<data::LineFile>, kParts> files_;
};

/// Documents out of files and into the output, in order.
class Writing {
 public:
  Writing(fs::path folder, uint64_t memory_bytes, const TakeLine& take, const std::stop_token& stop)
      : folder_(std::move(folder)), memory_bytes_(memory_bytes), take_(take), stop_(stop) {}

  /// One file; those that it is spread over are removed again.
  Status write(const SpreadFile& file, unsigned level) const {
    if (stop_.stop_requested()) return stopped();
    Part inner(folder_, level, memory_bytes_);
    KEDGE_TRY(read(folder_ / file.name, inner));
    if (!inner.is_spread()) return inner.write_held(take_);
    KEDGE_ASSIGN(const auto files, inner.finish_spread());
    for (const SpreadFile& part : files) {
      KEDGE_TRY(write(part, level + 1));
      std::error_code code;
      fs::remove(folder_ / part.name, code);
    }
    return Done{};
  }

 private:
  static Status read(const fs::path& path, Part& part) {
    KEDGE_ASSIGN(auto stream, data::ByteStream::open(path));
    const auto source = data::open_jsonl(std::move(stream), {});
    data::Batch batch;
    for (bool more = true; more;) {
      batch.clear();
      KEDGE_ASSIGN(more, source->read(batch, kBatchBytes));
      for (const data::Record& record : batch.records) {
        std::optional<Entry> entry = read_entry(record.bytes);
        if (!entry) return Error{ErrorKind::corrupt_data, path.string() + ": was changed by someone else"};
        KEDGE_TRY(part.add(*std::move(entry)));
      }
    }
    return Done{};
  }

  fs::path folder_;
  uint64_t memory_bytes_;
  const TakeLine& take_;
  const std::stop_token& stop_;
};

/// What is known when all documents are spread: a run that was killed goes on from here.
struct Spread {
  Counts counts;
  std::vector<SpreadFile> files;
};

Json to_json(const Spread& spread) {
  Json files = Json::array();
  for (const SpreadFile& file : spread.files) {
    files.push_back({{"name", file.name},
                     {"documents", file.documents},
                     {"bytes", file.bytes},
                     {"checksum", fmt::format("{:016x}", file.checksum)}});
  }
  return {{"in", spread.counts.in}, {"out", spread.counts.out}, {"rejected", spread.counts.rejected}, {"files", files}};
}

/// Nothing where it is not whole: of the files those are needed that are not all in the output yet.
std::optional<Spread> read_spread(const fs::path& folder, uint64_t done) {
  const auto found = read_json_file(folder / "spread.json");
  if (!found.ok() || !found.value().is_object()) return std::nullopt;
  const Json& json = found.value();
  for (const char* name : {"in", "out", "rejected"}) {
    if (!json.value(name, Json()).is_number_unsigned()) return std::nullopt;
  }
  Spread spread{{json["in"].get<uint64_t>(), json["out"].get<uint64_t>(), json["rejected"].get<uint64_t>()}, {}};
  uint64_t end = 0;
  for (const Json& file : json.value("files", Json::array())) {
    const bool whole = file.is_object() && file.value("name", Json()).is_string() &&
                       file.value("documents", Json()).is_number_unsigned() && file.contains("checksum");
    if (!whole) return std::nullopt;
    spread.files.push_back({file["name"].get<std::string>(), file["documents"].get<uint64_t>()});
    end += spread.files.back().documents;
    if (end <= done) continue;
    const auto checksum = data::file_checksum(folder / spread.files.back().name);
    if (!checksum.ok() || file["checksum"] != fmt::format("{:016x}", checksum.value())) return std::nullopt;
  }
  if (spread.files.size() != kParts || end != spread.counts.out) return std::nullopt;
  return spread;
}

class Shuffle {
 public:
  Shuffle(MixFile& file, const ShuffleOptions& options, const std::stop_token& stop)
      : file_(file), options_(options), stop_(stop) {}

  Result<Counts> run(const Job& job, WorkerPool& pool, const Events& events) {
    std::optional<Spread> spread = read_spread(file_.folder(), file_.done());
    if (!spread) {
      Part all(file_.folder(), 0, options_.memory_bytes);
      spread.emplace();
      KEDGE_ASSIGN(spread->counts, read(job, all, pool, events));
      if (!all.is_spread()) {
        KEDGE_TRY(all.write_held([this](std::string_view line) { return take(line); }));
        return spread->counts;
      }
      KEDGE_ASSIGN(spread->files, all.finish_spread());
      KEDGE_ASSIGN(AtomicFile marker, AtomicFile::create(file_.folder() / "spread.json"));
      KEDGE_TRY(marker.write(to_text(to_json(*spread))));
      KEDGE_TRY(marker.commit());
    }
    KEDGE_TRY(write(spread->files));
    return spread->counts;
  }

 private:
  Result<Counts> read(const Job& job, Part& all, WorkerPool& pool, const Events& events) const {
    uint64_t number = 0;
    Visitor<std::string> visitor;
    visitor.takes_text = false;
    visitor.work = [](const data::Document& document, std::string& line) { line = document_line(document); };
    visitor.take = [&](std::string& line, data::Document&) {
      const uint64_t hash = XXH3_64bits_withSeed(&number, sizeof number, options_.seed);
      return all.add({hash, number++, std::move(line)});
    };
    return visit(job, visitor, pool, events, stop_);
  }

  Status take(std::string_view line) {
    return file_.write(line, [] { return Json::object(); });
  }

  /// A spread file goes when all its documents are in files of the output that are done.
  Status write(const std::vector<SpreadFile>& files) {
    const TakeLine take_line = [this](std::string_view line) { return take(line); };
    const Writing writing(file_.folder(), options_.memory_bytes, take_line, stop_);
    std::vector<std::pair<uint64_t, std::string>> written;  // where they end
    for (const SpreadFile& file : files) {
      if (file_.position() + file.documents <= file_.done()) {
        file_.leave_out(file.documents);
      } else {
        KEDGE_TRY(writing.write(file, 1));
      }
      written.emplace_back(file_.position(), file.name);
      std::error_code code;
      for (const auto& [end, name] : written) {
        if (end <= file_.in_whole_files()) fs::remove(file_.folder() / name, code);
      }
    }
    return Done{};
  }

  MixFile& file_;
  const ShuffleOptions& options_;
  const std::stop_token& stop_;
};

}  // namespace

Result<Counts> shuffle(const Job& job, const ShuffleOptions& options, const MixOutput& output, WorkerPool& pool,
                       const Events& events, const std::stop_token& stop) {
  const Json identity = {{"mix", "shuffle"},
                         {"seed", options.seed},
                         {"memory", options.memory_bytes},
                         {"shard_bytes", output.shard_bytes},
                         {"fields", fields_json(job.fields)},
                         {"inputs", inputs_json(job.inputs)}};
  KEDGE_ASSIGN(const auto file, MixFile::open(output, identity));
  const Result<Counts> counts = Shuffle(*file, options, stop).run(job, pool, events);
  if (!counts.ok() && !may_go_on(counts.error())) file->abandon();
  if (!counts.ok()) return counts.error();
  KEDGE_TRY(file->commit());
  return counts.value();
}

}  // namespace kedge::curate
