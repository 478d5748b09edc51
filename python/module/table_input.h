#pragma once
// The documents of an Arrow table, read where they lie.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "curate/pipeline/rows.h"
#include "python/module/arrow_abi.h"
#include "python/module/text_column.h"

namespace kedge::python {

/// Batch after batch of a stream. The buffers stay the producer's: nothing is copied before a worker takes a row.
class TableInput final : public curate::Rows {
 public:
  /// Without a column of ids rows are numbered from 0. Fails with invalid_input: no column of texts, columns of other
  /// types, or a stream that fails.
  static Result<std::unique_ptr<TableInput>> read(ArrowArrayStream& stream, const data::Fields& fields);

  [[nodiscard]] size_t count() const override { return count_; }
  [[nodiscard]] Result<data::Document> read(size_t row) const override;
  [[nodiscard]] Result<std::vector<float>> vector(size_t row, const std::string& column) const override;
  /// Whether any batch has its texts as large_string has them.
  [[nodiscard]] bool is_large() const { return large_; }

 private:
  struct Batch {
    Owned<ArrowArray> array;
    size_t first = 0;  // row
    std::optional<Column> id, url;
    Column text;
  };

  explicit TableInput(data::Fields fields) : fields_(std::move(fields)) {}
  Status add(ArrowArray& array);
  [[nodiscard]] const Batch& batch_of(size_t row) const;
  Result<std::optional<Column>> column(const std::string& name, const ArrowArray& batch) const;

  data::Fields fields_;
  Owned<ArrowSchema> schema_;
  std::vector<Batch> batches_;
  size_t count_ = 0;
  bool large_ = false;
};

}  // namespace kedge::python
