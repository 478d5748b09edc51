#include "python/module/table_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/json_text.h"
#include "python/module/number_lists.h"
#include "text/unicode/utf8.h"

namespace kedge::python {
namespace {

Error no_document(std::string reason) {
  return Error{ErrorKind::invalid_input, std::move(reason)};
}

std::string column_names(const ArrowSchema& schema) {
  std::string names;
  for (int64_t i = 0; i < schema.n_children; ++i) {
    names += (i > 0 ? ", " : "") + std::string(schema.children[i]->name != nullptr ? schema.children[i]->name : "");
  }
  return names;
}

std::optional<int64_t> index_of(const ArrowSchema& schema, const std::string& name) {
  for (int64_t i = 0; i < schema.n_children; ++i) {
    if (schema.children[i]->name != nullptr && name == schema.children[i]->name) return i;
  }
  return std::nullopt;
}

Error stream_error(ArrowArrayStream& stream) {
  const char* const why = stream.get_last_error(&stream);
  return Error{ErrorKind::invalid_input, fmt::format("the table's stream failed: {}", why != nullptr ? why : "")};
}

}  // namespace

Result<std::unique_ptr<TableInput>> TableInput::read(ArrowArrayStream& stream, const data::Fields& fields) {
  std::unique_ptr<TableInput> table(new TableInput(fields));
  ArrowSchema schema{};
  if (stream.get_schema(&stream, &schema) != 0) return stream_error(stream);
  table->schema_ = Owned<ArrowSchema>(schema);
  if (std::string_view(table->schema_->format) != "+s") {
    return Error{ErrorKind::invalid_input,
                 fmt::format("found an Arrow stream of type '{}', expected a table: a stream of record batches",
                             table->schema_->format)};
  }
  if (!index_of(*table->schema_, fields.text)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the table has no column '{}'; it has {}", fields.text, column_names(*table->schema_))};
  }
  for (;;) {
    ArrowArray array{};
    if (stream.get_next(&stream, &array) != 0) return stream_error(stream);
    if (array.release == nullptr) return table;
    KEDGE_TRY(table->add(array));
  }
}

Status TableInput::add(ArrowArray& array) {
  Batch batch;
  batch.array = Owned<ArrowArray>(array);
  if (batch.array->length == 0) return Done{};
  KEDGE_ASSIGN(std::optional<Column> text, column(fields_.text, *batch.array));
  if (!text->is_text()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("column '{}': found whole numbers, expected texts", fields_.text)};
  }
  batch.text = *std::move(text);
  large_ = large_ || batch.text.is_large();
  KEDGE_ASSIGN(batch.id, column(fields_.id, *batch.array));
  const Result<std::optional<Column>> url = column(fields_.url, *batch.array);
  if (url.ok() && url.value() && url.value()->is_text()) batch.url = url.value();
  batch.first = count_;
  count_ += static_cast<size_t>(batch.array->length);
  batches_.push_back(std::move(batch));
  return Done{};
}

Result<std::optional<Column>> TableInput::column(const std::string& name, const ArrowArray& batch) const {
  const std::optional<int64_t> index = index_of(*schema_, name);
  if (!index || *index >= batch.n_children) return std::optional<Column>();
  KEDGE_ASSIGN(Column found, Column::open(*schema_->children[*index], *batch.children[*index], name));
  return std::optional<Column>(std::move(found));
}

const TableInput::Batch& TableInput::batch_of(size_t row) const {
  const auto after = std::upper_bound(batches_.begin(), batches_.end(), row,
                                      [](size_t at, const Batch& batch) { return at < batch.first; });
  return *std::prev(after);
}

Result<std::vector<float>> TableInput::vector(size_t row, const std::string& column) const {
  const Batch& batch = batch_of(row);
  const std::optional<int64_t> index = index_of(*schema_, column);
  if (!index || *index >= batch.array->n_children) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the table has no column '{}' of embeddings; it has {}", column, column_names(*schema_))};
  }
  const int64_t at = static_cast<int64_t>(row - batch.first) + batch.array->offset;
  return numbers_at(*schema_->children[*index], *batch.array->children[*index], at, column);
}

Result<data::Document> TableInput::read(size_t row) const {
  const Batch& batch = batch_of(row);
  const int64_t at = static_cast<int64_t>(row - batch.first) + batch.array->offset;
  data::Document document;
  if (!batch.id) {
    document.id_json = std::to_string(row);
  } else if (batch.id->is_text()) {
    const auto id = batch.id->text(at);
    if (!id) return no_document(fmt::format("no '{}'", fields_.id));
    if (!text::is_valid_utf8(*id)) return no_document("not UTF-8");
    data::append_json_string(document.id_json, *id);
  } else {
    auto id = batch.id->digits(at);
    if (!id) return no_document(fmt::format("no '{}'", fields_.id));
    document.id_json = *std::move(id);
  }
  const auto text = batch.text.text(at);
  if (!text) return no_document(fmt::format("no text in '{}'", fields_.text));
  if (!text::is_valid_utf8(*text)) return no_document("not UTF-8");
  document.text.assign(*text);
  const auto url = batch.url ? batch.url->text(at) : std::nullopt;
  if (url && text::is_valid_utf8(*url)) document.url.assign(*url);
  return document;
}

}  // namespace kedge::python
