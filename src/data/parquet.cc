// Parquet files, by way of the library that knows Apache Arrow.
#include <fmt/format.h>

#include "data/json_text.h"
#include "data/parquet_library.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

class ParquetSource final : public Source {
 public:
  ParquetSource(std::filesystem::path path, Fields fields, std::unique_ptr<ParquetFile> file)
      : path_(std::move(path)), fields_(std::move(fields)), file_(std::move(file)) {
    std::error_code code;
    const auto size = std::filesystem::file_size(path_, code);
    if (!code) size_ = size;
  }

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      std::string error;
      if (!file_->read(rows_, error)) {
        return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", path_.string(), error)};
      }
      if (rows_.empty()) return taken > 0;
      for (ParquetRow& row : rows_) {
        taken += row.text.size() + row.line.size() + 64;
        auto line = std::make_unique<std::string>(std::move(row.line));
        batch.records.push_back(record_of(std::move(row)));
        batch.records.back().bytes = *line;
        batch.storage.push_back(std::move(line));
      }
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "row"; }
  [[nodiscard]] size_t consumed() const override {
    const auto rows = static_cast<double>(std::max<int64_t>(file_->row_count(), 1));
    return static_cast<size_t>(static_cast<double>(size_) * static_cast<double>(number_) / rows);
  }

 private:
  Record record_of(ParquetRow row) {
    Record record;
    record.number = ++number_;
    record.kind = row.problem.empty() ? RecordKind::document : RecordKind::broken;
    record.reason = std::move(row.problem);
    record.readable = true;
    if (record.kind == RecordKind::document && !(text::is_valid_utf8(row.text) && text::is_valid_utf8(row.id))) {
      record.kind = RecordKind::broken;
      record.reason = "not UTF-8";
    }
    if (row.id_is_number) {
      record.document.id_json = std::move(row.id);
    } else {
      append_json_string(record.document.id_json, row.id);
    }
    record.document.text = std::move(row.text);
    if (text::is_valid_utf8(row.url)) record.document.url = std::move(row.url);
    return record;
  }

  std::filesystem::path path_;
  Fields fields_;
  std::unique_ptr<ParquetFile> file_;
  std::vector<ParquetRow> rows_;
  uint64_t number_ = 0;
  uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> open_parquet(const std::filesystem::path& path, const Fields& fields) {
  KEDGE_ASSIGN(const ParquetLibrary library, load_parquet());
  const ParquetQuery query{fields.id.c_str(), fields.text.c_str(), fields.url.c_str(), fields.others};
  std::string error;
  std::unique_ptr<ParquetFile> file(library.open(path.c_str(), &query, &error));
  if (file == nullptr) return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", path.string(), error)};
  return std::unique_ptr<Source>(std::make_unique<ParquetSource>(path, fields, std::move(file)));
}

}  // namespace kedge::data
