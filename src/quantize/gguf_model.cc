#include "quantize/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::quantize {

using formats::GgufValue;

cpu::WeightView gguf_rows(const TensorView& tensor) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
  const int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
  const auto stride = static_cast<size_t>(row_bytes(tensor.dtype, static_cast<uint64_t>(columns)).value());
  return {.dtype = tensor.dtype, .data = tensor.data.data(), .rows = rows, .columns = columns, .row_stride = stride};
}

namespace {

/// Rows of each head from halves to neighbouring pairs.
Matrix paired(const Matrix& matrix, int64_t heads) {
  const int64_t head = matrix.rows / heads;
  Matrix result(matrix.rows, matrix.columns);
  for (int64_t i = 0; i < matrix.rows; ++i) {
    const int64_t within = i % head;
    const int64_t from = i - within + within % 2 * (head / 2) + within / 2;
    std::copy_n(matrix.row(from), matrix.columns, result.row(i));
  }
  return result;
}

}  // namespace

GgufValue gguf_integer(int64_t value) {
  return {.type = GgufValue::Type::u32, .value = static_cast<uint64_t>(value)};
}

GgufValue gguf_text(std::string value) {
  return {.type = GgufValue::Type::string, .value = std::move(value)};
}

GgufValue gguf_number(double value) {
  return {.type = GgufValue::Type::f32, .value = value};
}

Matrix GgufTensor::widened_rows(WorkerPool& pool) const {
  Matrix all;
  all.columns = shape.back();
  all.values = values;
  for (const cpu::WeightView& part : stored) {
    Matrix matrix = widened(pool, part);
    if (rotated_heads > 0) matrix = paired(matrix, rotated_heads);
    all.values.insert(all.values.end(), matrix.values.begin(), matrix.values.end());
  }
  for (float& value : all.values) value += added;
  all.rows = static_cast<int64_t>(all.values.size()) / all.columns;
  return all;
}

Result<GgufModel> gguf_model_of(std::shared_ptr<const formats::GgufFile> file) {
  GgufModel model;
  for (const auto& [key, value] : file->metadata()) {
    if (key != "general.alignment") model.metadata.emplace_back(key, value);
  }
  for (const TensorView& tensor : file->tensors()) {
    if (info_of(tensor.dtype).block_elements != 1) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: tensor '{}' is of type {} already, expected F32, F16 or BF16", file->name(),
                               tensor.name, name_of(tensor.dtype))};
    }
    model.tensors.push_back({.name = tensor.name,
                             .shape = tensor.shape,
                             .stored = {gguf_rows(tensor)},
                             .values = {},
                             .kept_as = tensor.dtype});
  }
  model.file = std::move(file);
  return model;
}

}  // namespace kedge::quantize
