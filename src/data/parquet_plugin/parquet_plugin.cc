// Parquet files, through Apache Arrow.
#include "data/parquet_plugin/parquet_plugin.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include <exception>
#include <memory>
#include <string_view>

#include "data/parquet_plugin/columns_plugin.h"

namespace kedge::data {
namespace {

constexpr int64_t kRowsMax = 1024;  // of one batch, so that wide rows do not fill the memory

/// The bytes in a row of a column of text; false: it holds none.
bool text_at(const arrow::Array& column, int64_t row, std::string& text) {
  if (column.IsNull(row)) return false;
  switch (column.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      text = static_cast<const arrow::BinaryArray&>(column).GetView(row);
      return true;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      text = static_cast<const arrow::LargeBinaryArray&>(column).GetView(row);
      return true;
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      text = static_cast<const arrow::BinaryViewArray&>(column).GetView(row);
      return true;
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(column);
      return text_at(*dictionary.dictionary(), dictionary.GetValueIndex(row), text);
    }
    default:
      return false;
  }
}

class ArrowFile final : public ParquetFile {
 public:
  explicit ArrowFile(const ParquetQuery& query)
      : id_(query.id), text_(query.text), url_(query.url), lines_(query.lines) {}

  arrow::Status open(const char* path) {
    ARROW_ASSIGN_OR_RAISE(file_, arrow::io::ReadableFile::Open(path));
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file_));
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kRowsMax);
    builder.properties(properties);
    ARROW_RETURN_NOT_OK(builder.Build(&reader_));
    const auto metadata = reader_->parquet_reader()->metadata();
    row_count_ = metadata->num_rows();
    std::vector<int> columns;
    bool has_text = false;
    for (int leaf = 0; leaf < metadata->schema()->num_columns(); ++leaf) {
      const std::string name = metadata->schema()->Column(leaf)->path()->ToDotString();
      if (lines_ || name == id_ || name == text_ || name == url_) columns.push_back(leaf);
      has_text = has_text || name == text_;
    }
    if (!has_text) return arrow::Status::Invalid("has no column '", text_, "'");
    std::vector<int> groups;
    for (int group = 0; group < reader_->num_row_groups(); ++group) groups.push_back(group);
    return reader_->GetRecordBatchReader(groups, columns).Value(&batches_);
  }

  bool read(std::vector<ParquetRow>& rows, std::string& error) override {
    rows.clear();
    try {
      std::shared_ptr<arrow::RecordBatch> batch;
      if (const auto status = batches_->ReadNext(&batch); !status.ok()) {
        error = status.ToString();
        return false;
      }
      for (int64_t row = 0; batch != nullptr && row < batch->num_rows(); ++row) rows.push_back(row_at(*batch, row));
      return true;
    } catch (const std::exception& thrown) {  // Arrow's decoders throw on some broken pages
      error = thrown.what();
      return false;
    }
  }

  [[nodiscard]] int64_t row_count() const override { return row_count_; }

 private:
  [[nodiscard]] ParquetRow row_at(const arrow::RecordBatch& batch, int64_t row) const {
    ParquetRow out;
    const auto id = batch.GetColumnByName(id_), text = batch.GetColumnByName(text_), url = batch.GetColumnByName(url_);
    if (id != nullptr && !id->IsNull(row) && arrow::is_integer(id->type_id())) {
      const auto scalar = id->GetScalar(row);
      out.id_is_number = scalar.ok();
      if (scalar.ok()) out.id = (*scalar)->ToString();
    }
    if (!out.id_is_number && (id == nullptr || !text_at(*id, row, out.id))) out.problem = "no '" + id_ + "'";
    if (text == nullptr || !text_at(*text, row, out.text)) out.problem = "no text in '" + text_ + "'";
    if (url != nullptr) text_at(*url, row, out.url);
    if (lines_ && out.problem.empty()) append_row(out.line, batch, row);
    return out;
  }

  std::string id_, text_, url_;
  bool lines_;
  std::shared_ptr<arrow::io::ReadableFile> file_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int64_t row_count_ = 0;
};

}  // namespace
}  // namespace kedge::data

extern "C" __attribute__((visibility("default"))) kedge::data::ParquetFile* kedge_open_parquet(
    const char* path, const kedge::data::ParquetQuery* query, std::string* error) {
  auto file = std::make_unique<kedge::data::ArrowFile>(*query);
  try {
    const arrow::Status status = file->open(path);
    if (status.ok()) return file.release();
    *error = status.ToString();
  } catch (const std::exception& thrown) {
    *error = thrown.what();
  }
  return nullptr;
}
