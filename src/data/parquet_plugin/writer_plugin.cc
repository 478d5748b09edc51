// Parquet files out of lines of JSON and of the rows of another file.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/json/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "data/parquet_plugin/parquet_plugin.h"

namespace kedge::data {
namespace {

constexpr int64_t kRowsMax = 1024;                   // of the source at once
constexpr size_t kRowGroupBytes = size_t{64} << 20;  // of lines
constexpr int64_t kRowGroupRowsMax = int64_t{1} << 20;

std::shared_ptr<arrow::DataType> type_of(const ColumnType& type) {
  switch (type.kind) {
    case ColumnKind::null:
      return arrow::null();
    case ColumnKind::boolean:
      return arrow::boolean();
    case ColumnKind::whole:
      return arrow::int64();
    case ColumnKind::number:
      return arrow::float64();
    case ColumnKind::text:
    case ColumnKind::json:
      return arrow::utf8();
    case ColumnKind::list:
      return arrow::list(type_of(type.children.front()));
    case ColumnKind::object:
      break;
  }
  arrow::FieldVector fields;
  for (size_t i = 0; i < type.names.size(); ++i)
    fields.push_back(arrow::field(type.names[i], type_of(type.children[i])));
  return arrow::struct_(fields);
}

/// The source's type of text where lines can give it, else that of the plan.
std::shared_ptr<arrow::DataType> replaced_type(const arrow::DataType& source, const ColumnType& planned) {
  const auto plain = type_of(planned);
  if (plain->id() != arrow::Type::STRING) return plain;
  switch (source.id()) {
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::large_utf8();
    case arrow::Type::BINARY:
      return arrow::binary();
    case arrow::Type::LARGE_BINARY:
      return arrow::large_binary();
    default:
      return plain;
  }
}

class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ParquetSink& sink) : sink_(sink) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Write(const void* data, int64_t count) override {
    position_ += count;
    return sink_.put(static_cast<const char*>(data), static_cast<size_t>(count))
               ? arrow::Status::OK()
               : arrow::Status::IOError("not written");
  }
  using OutputStream::Write;

 private:
  ParquetSink& sink_;
  int64_t position_ = 0;
  bool closed_ = false;
};

/// Chosen rows of a file, in its order.
class SourceRows {
 public:
  arrow::Status open(const std::string& path) {
    ARROW_ASSIGN_OR_RAISE(file_, arrow::io::ReadableFile::Open(path));
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file_));
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kRowsMax);
    builder.properties(properties);
    ARROW_RETURN_NOT_OK(builder.Build(&reader_));
    return reader_->GetSchema(&schema_);
  }
  [[nodiscard]] const arrow::Schema& schema() const { return *schema_; }

  /// Only these (fields of the schema) are read.
  void choose(const std::vector<int>& fields) {
    const auto& manifest = reader_->manifest();
    for (const int field : fields) add_leaves(manifest.schema_fields[static_cast<size_t>(field)], leaves_);
    columns_ = fields.size();
  }

  /// One array a chosen field. `rows` count from 1 and rise, over all calls.
  arrow::Result<arrow::ArrayVector> take(const arrow::Int64Array& rows) {
    std::vector<arrow::ArrayVector> pieces(columns_);
    for (int64_t i = 0; i < rows.length();) {
      ARROW_RETURN_NOT_OK(advance(rows.Value(i) - 1));
      const int64_t begin = rows.Value(i) - 1 - first_;
      int64_t count = 1;
      while (i + count < rows.length() && rows.Value(i + count) == rows.Value(i) + count &&
             begin + count < batch_->num_rows()) {
        ++count;
      }
      for (size_t column = 0; column < columns_; ++column) {
        pieces[column].push_back(batch_->column(static_cast<int>(column))->Slice(begin, count));
      }
      i += count;
    }
    arrow::ArrayVector out;
    for (const arrow::ArrayVector& piece : pieces) {
      ARROW_ASSIGN_OR_RAISE(auto whole, arrow::Concatenate(piece));
      out.push_back(std::move(whole));
    }
    return out;
  }

 private:
  static void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
    if (field.is_leaf()) leaves.push_back(field.column_index);
    for (const auto& child : field.children) add_leaves(child, leaves);
  }

  /// From the row group that holds the row on.
  arrow::Status begin_at(int64_t row) {
    const auto metadata = reader_->parquet_reader()->metadata();
    std::vector<int> groups;
    for (int group = 0; group < reader_->num_row_groups(); ++group) {
      const int64_t rows = metadata->RowGroup(group)->num_rows();
      if (groups.empty() && row >= first_ + rows) {
        first_ += rows;
      } else {
        groups.push_back(group);
      }
    }
    return reader_->GetRecordBatchReader(groups, leaves_).Value(&batches_);
  }

  arrow::Status advance(int64_t row) {
    if (batches_ == nullptr) ARROW_RETURN_NOT_OK(begin_at(row));
    if (row < first_) return arrow::Status::Invalid("the rows do not rise");
    while (batch_ == nullptr || row >= first_ + batch_->num_rows()) {
      if (batch_ != nullptr) first_ += batch_->num_rows();
      ARROW_RETURN_NOT_OK(batches_->ReadNext(&batch_));
      if (batch_ == nullptr) return arrow::Status::Invalid("the input has fewer rows than when it was read first");
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::io::ReadableFile> file_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<int> leaves_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t first_ = 0;  // row of the batch
  size_t columns_ = 0;
};

class ArrowWriter final : public ParquetWriter {
 public:
  ArrowWriter(ParquetPlan plan, ParquetSink& sink)
      : plan_(std::move(plan)), stream_(std::make_shared<SinkStream>(sink)) {}

  arrow::Status open() {
    std::shared_ptr<const arrow::KeyValueMetadata> metadata;
    std::vector<bool> placed(plan_.names.size());
    if (!plan_.source.empty()) {
      ARROW_RETURN_NOT_OK(source_.open(plan_.source));
      metadata = source_.schema().metadata();
      place_source(placed);
    }
    for (size_t i = 0; i < plan_.names.size(); ++i) {
      if (!placed[i]) columns_.push_back({arrow::field(plan_.names[i], type_of(plan_.types[i])), true});
    }
    arrow::FieldVector read;
    for (const Column& column : columns_) {
      if (column.of_lines) read.push_back(column.field);
    }
    if (!plan_.source.empty()) read.push_back(arrow::field(plan_.row_member, arrow::int64()));
    parse_.explicit_schema = arrow::schema(read);
    parse_.unexpected_field_behavior = arrow::json::UnexpectedFieldBehavior::Ignore;
    arrow::FieldVector fields;
    for (const Column& column : columns_) fields.push_back(column.field);
    schema_ = arrow::schema(fields, metadata);
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::ZSTD)->max_row_group_length(kRowGroupRowsMax);
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.store_schema();
    return parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), stream_, properties.build(),
                                            arrow_properties.build())
        .Value(&writer_);
  }

  bool add(std::string_view lines, std::string& error) override {
    return guarded([&] { return add(lines); }, error);
  }
  bool close(std::string& error) override {
    return guarded([&] { return writer_->Close(); }, error);
  }

 private:
  struct Column {
    std::shared_ptr<arrow::Field> field;
    bool of_lines = false;
  };

  template <typename Work>
  static bool guarded(const Work& work, std::string& error) {
    try {
      const arrow::Status status = work();
      if (!status.ok()) error = status.ToString();
      return status.ok();
    } catch (const std::exception& thrown) {
      error = thrown.what();
      return false;
    }
  }

  void place_source(std::vector<bool>& placed) {
    std::vector<int> chosen;
    for (int i = 0; i < source_.schema().num_fields(); ++i) {
      const auto& field = source_.schema().field(i);
      const auto found = std::ranges::find(plan_.names, field->name());
      if (found != plan_.names.end()) {
        const auto index = static_cast<size_t>(found - plan_.names.begin());
        if (placed[index]) continue;
        placed[index] = true;
        columns_.push_back({arrow::field(field->name(), replaced_type(*field->type(), plan_.types[index])), true});
      } else if (field->name() != plan_.left_out) {
        chosen.push_back(i);
        columns_.push_back({field, false});
      }
    }
    source_.choose(chosen);
  }

  arrow::Status add(std::string_view lines) {
    const auto bytes = std::make_shared<arrow::Buffer>(lines);
    ARROW_ASSIGN_OR_RAISE(const auto read, arrow::json::ParseOne(parse_, bytes));
    arrow::ArrayVector taken;
    if (!plan_.source.empty()) {
      const auto rows = read->GetColumnByName(plan_.row_member);
      ARROW_ASSIGN_OR_RAISE(taken, source_.take(static_cast<const arrow::Int64Array&>(*rows)));
    }
    arrow::ArrayVector arrays;
    size_t next = 0;
    for (const Column& column : columns_) {
      arrays.push_back(column.of_lines ? read->GetColumnByName(column.field->name()) : taken[next++]);
    }
    if (bytes_ == 0 || bytes_ > kRowGroupBytes) {
      ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());
      bytes_ = 0;
    }
    bytes_ += lines.size();
    return writer_->WriteRecordBatch(*arrow::RecordBatch::Make(schema_, read->num_rows(), arrays));
  }

  ParquetPlan plan_;
  std::shared_ptr<SinkStream> stream_;
  SourceRows source_;
  std::vector<Column> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  arrow::json::ParseOptions parse_ = arrow::json::ParseOptions::Defaults();
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  size_t bytes_ = 0;
};

}  // namespace
}  // namespace kedge::data

extern "C" __attribute__((visibility("default"))) kedge::data::ParquetWriter* kedge_create_parquet(
    const kedge::data::ParquetPlan* plan, kedge::data::ParquetSink* sink, std::string* error) {
  auto writer = std::make_unique<kedge::data::ArrowWriter>(*plan, *sink);
  try {
    const arrow::Status status = writer->open();
    if (status.ok()) return writer.release();
    *error = status.ToString();
  } catch (const std::exception& thrown) {
    *error = thrown.what();
  }
  return nullptr;
}
