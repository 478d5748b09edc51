#include "data/document_file.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "data/byte_stream.h"
#include "data/column_types.h"
#include "data/json_text.h"
#include "data/line_file.h"
#include "data/parquet_library.h"
#include "data/source.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace kedge::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunkBytes = size_t{4} << 20;

class Lines final : public DocumentFile {
 public:
  Lines(fs::path path, LineFile file) : path_(std::move(path)), file_(std::move(file)) {}
  Status write(std::string_view line) override { return file_.write(line); }
  Status commit() override { return file_.commit(); }
  [[nodiscard]] std::vector<WrittenFile> written() const override {
    return {{path_.filename().string(), file_.bytes(), file_.checksum()}};
  }

 private:
  fs::path path_;
  LineFile file_;
};

/// The library's bytes on their way into a file.
class Sink final : public ParquetSink {
 public:
  explicit Sink(AtomicFile file) : file_(std::move(file)) { XXH3_64bits_reset(&hash_); }
  bool put(const char* bytes, size_t count) override {
    XXH3_64bits_update(&hash_, bytes, count);
    if (status_.ok()) status_ = file_.write(std::string_view(bytes, count));
    return status_.ok();
  }
  Status commit() {
    KEDGE_TRY(std::move(status_));
    return file_.commit();
  }
  [[nodiscard]] uint64_t bytes() const { return file_.size(); }
  [[nodiscard]] uint64_t checksum() const { return XXH3_64bits_digest(&hash_); }

 private:
  AtomicFile file_;
  Status status_ = Done{};
  XXH3_state_t hash_;
};

/// Lines wait in a file until the types of their members are known.
class ParquetLines final : public DocumentFile {
 public:
  ParquetLines(fs::path path, ParquetOutput output, LineFile lines)
      : path_(std::move(path)), output_(std::move(output)), lines_(std::move(lines)) {}
  ~ParquetLines() override {
    std::error_code code;
    fs::remove(waiting(path_), code);
  }
  static fs::path waiting(const fs::path& path) { return path.string() + ".tmp-lines.zst"; }

  Status write(std::string_view line) override {
    buffer_.assign(line);
    buffer_.resize(line.size() + kReadAheadBytes);
    KEDGE_ASSIGN(const simdjson::dom::object object, parse(std::string_view(buffer_).substr(0, line.size())));
    for (const auto& [key, value] : object) {
      if (!is_column(key)) continue;
      const auto found = static_cast<size_t>(std::ranges::find(plan_.names, key) - plan_.names.begin());
      if (found == plan_.names.size()) {
        plan_.names.emplace_back(key);
        plan_.types.emplace_back();
      }
      widen(plan_.types[found], value);
    }
    return lines_.write(line);
  }

  Status commit() override {
    KEDGE_TRY(lines_.commit());
    for (ColumnType& type : plan_.types) settle(type);
    plan_.source = output_.source.string();
    plan_.row_member = kRowMember;
    plan_.left_out = output_.left_out;
    KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path_));
    Sink sink(std::move(file));
    KEDGE_ASSIGN(const ParquetLibrary library, load_parquet());
    std::string error;
    const std::unique_ptr<ParquetWriter> writer(library.create(&plan_, &sink, &error));
    if (writer == nullptr) return failed(error);
    KEDGE_TRY(copy(*writer));
    if (!writer->close(error)) return failed(error);
    KEDGE_TRY(sink.commit());
    written_ = {path_.filename().string(), sink.bytes(), sink.checksum()};
    return Done{};
  }

  [[nodiscard]] std::vector<WrittenFile> written() const override { return {written_}; }

 private:
  [[nodiscard]] Error failed(std::string_view error) const {
    return {ErrorKind::unavailable, fmt::format("{}: cannot be written: {}", path_.string(), error)};
  }

  Result<simdjson::dom::object> parse(std::string_view line) {
    simdjson::dom::object object;
    if (parser_.parse(line.data(), line.size(), false).get(object) == simdjson::SUCCESS) return object;
    return Error{ErrorKind::internal, path_.string() + ": a line that is no object"};
  }

  /// Whether a member of the lines is a column: of another Parquet file id and URL are its own.
  [[nodiscard]] bool is_column(std::string_view key) const {
    if (output_.source.empty()) return true;
    if (key == output_.fields.id) return output_.ids_change;
    return key != kRowMember && key != output_.fields.url;
  }

  Status copy(ParquetWriter& writer) {
    KEDGE_ASSIGN(const auto stream, open_jsonl(waiting(path_)));
    Batch batch;
    for (std::string chunk;;) {
      batch.clear();
      KEDGE_ASSIGN(const bool more, stream->read(batch, kChunkBytes));
      chunk.clear();
      for (const Record& record : batch.records) KEDGE_TRY(append_line(chunk, record.bytes));
      std::string error;
      if (!chunk.empty() && !writer.add(chunk, error)) return failed(error);
      if (!more) return Done{};
    }
  }

  static Result<std::unique_ptr<Source>> open_jsonl(const fs::path& path) {
    KEDGE_ASSIGN(auto stream, ByteStream::open(path));
    return data::open_jsonl(std::move(stream), {});
  }

  Status append_line(std::string& out, std::string_view line) {
    KEDGE_ASSIGN(const simdjson::dom::object object, parse(line));
    out += '{';
    std::vector<bool> seen(plan_.names.size());
    for (const auto& [key, value] : object) {
      const auto found = static_cast<size_t>(std::ranges::find(plan_.names, key) - plan_.names.begin());
      const bool row = key == kRowMember && !output_.source.empty();
      if (!row && (found == plan_.names.size() || seen[found])) continue;
      if (!row) seen[found] = true;
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      append_as(out, row ? ColumnType{ColumnKind::whole, {}, {}} : plan_.types[found], value);
    }
    out += "}\n";
    return Done{};
  }

  fs::path path_;
  ParquetOutput output_;
  LineFile lines_;
  ParquetPlan plan_;
  simdjson::dom::parser parser_{kRecordBytesMax * 2};
  std::string buffer_;
  WrittenFile written_;
};

Result<std::unique_ptr<DocumentFile>> create_one(const fs::path& path, const ParquetOutput& parquet) {
  if (path.extension() != ".parquet") {
    KEDGE_ASSIGN(LineFile file, LineFile::create(path));
    return std::unique_ptr<DocumentFile>(std::make_unique<Lines>(path, std::move(file)));
  }
  KEDGE_TRY(load_parquet());  // said before the work, not after it
  KEDGE_ASSIGN(LineFile lines, LineFile::create(ParquetLines::waiting(path)));
  return std::unique_ptr<DocumentFile>(std::make_unique<ParquetLines>(path, parquet, std::move(lines)));
}

/// One file after the other.
class Parts final : public DocumentFile {
 public:
  Parts(fs::path path, ParquetOutput parquet, uint64_t bytes, size_t first)
      : path_(std::move(path)), parquet_(std::move(parquet)), bytes_max_(bytes), first_(first) {}

  Status write(std::string_view line) override {
    if (file_ == nullptr) KEDGE_TRY(begin());
    KEDGE_TRY(file_->write(line));
    bytes_ += line.size();
    return bytes_ < bytes_max_ ? Status(Done{}) : end();
  }
  Status commit() override {
    if (first_ + written_.size() == 0 && file_ == nullptr) KEDGE_TRY(begin());  // at least one, as without parts
    KEDGE_TRY(end());
    std::error_code code;  // an earlier run may have left more of them
    for (size_t i = first_ + written_.size(); fs::remove(part(i), code); ++i) continue;
    return Done{};
  }
  [[nodiscard]] std::vector<WrittenFile> written() const override { return written_; }

 private:
  Status begin() {
    KEDGE_ASSIGN(file_, create_one(part(first_ + written_.size()), parquet_));
    bytes_ = 0;
    return Done{};
  }
  [[nodiscard]] fs::path part(size_t index) const {
    const std::string name = path_.filename().string();
    const size_t dot = std::min(name.find('.'), name.size());
    return path_.parent_path() / fmt::format("{}-{:05}{}", name.substr(0, dot), index, name.substr(dot));
  }
  Status end() {
    if (file_ == nullptr) return Done{};
    KEDGE_TRY(file_->commit());
    written_.push_back(file_->written().front());
    file_.reset();
    return Done{};
  }

  fs::path path_;
  ParquetOutput parquet_;
  uint64_t bytes_max_, bytes_ = 0;
  size_t first_;
  std::unique_ptr<DocumentFile> file_;
  std::vector<WrittenFile> written_;
};

}  // namespace

Result<std::unique_ptr<DocumentFile>> DocumentFile::create(const fs::path& path, const ParquetOutput& parquet,
                                                           uint64_t bytes, size_t first) {
  if (bytes == 0) return create_one(path, parquet);
  return std::unique_ptr<DocumentFile>(std::make_unique<Parts>(path, parquet, bytes, first));
}

bool is_parquet(const fs::path& path) {
  std::array<char, 4> head{};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  return std::string_view(head.data(), head.size()) == "PAR1";
}

}  // namespace kedge::data
