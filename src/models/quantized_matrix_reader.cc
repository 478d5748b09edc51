// Finds the tensors of quantized matrices and checks them: the layouts of GPTQ, AWQ, compressed-tensors and FP8
// checkpoints, as their own tools write them.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "models/config_reader.h"
#include "models/quantized_matrix.h"
#include "models/weight_source.h"

namespace kedge::models {
namespace {

constexpr int64_t kBlockColumns = 32;
constexpr int64_t kWordBits = 32;
constexpr int64_t kWordBytes = 4;

int64_t blocks_of(int64_t size, int64_t block) {
  return (size + block - 1) / block;
}

}  // namespace

/// Fills one matrix; a method for each layout.
class QuantizedMatrixReader {
 public:
  QuantizedMatrixReader(const WeightSource& source, const Quantization& quantization, std::string_view name,
                        int64_t rows, int64_t columns)
      : source_(source), quantization_(quantization), name_(name) {
    matrix_.rows_ = rows;
    matrix_.columns_ = columns;
    matrix_.input_ = quantization.input;
  }

  Result<std::shared_ptr<const QuantizedMatrix>> read() {
    const bool found = find("qweight") != nullptr || find("weight_packed") != nullptr ||
                       find("weight_scale") != nullptr || find("weight_scale_inv") != nullptr;
    if (!found) return std::shared_ptr<const QuantizedMatrix>();
    if (matrix_.columns_ % kBlockColumns != 0) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: '{}' is quantized and has {} columns, expected a multiple of {}",
                               source_.file_of(full("weight")), name_, matrix_.columns_, kBlockColumns)};
    }
    KEDGE_TRY(read_layout());
    const int64_t group = matrix_.column_group_;
    if (group % kBlockColumns != 0 && group != matrix_.columns_) {
      return Error{ErrorKind::unsupported, fmt::format("{}: '{}' has groups of {} columns, expected a multiple of {}",
                                                       file(), name_, group, kBlockColumns)};
    }
    matrix_.row_bytes_ =
        static_cast<size_t>(row_bytes(matrix_.dtype_, static_cast<uint64_t>(matrix_.columns_)).value_or(0));
    return std::shared_ptr<const QuantizedMatrix>(new QuantizedMatrix(std::move(matrix_)));
  }

 private:
  Status read_layout() {
    switch (quantization_.method) {
      case QuantizationMethod::gptq:
        return read_gptq();
      case QuantizationMethod::awq:
        return read_awq();
      case QuantizationMethod::compressed_tensors:
        return find("weight_packed") != nullptr ? read_packed() : read_bytes("weight_scale", "input_scale");
      case QuantizationMethod::fp8:
        return read_bytes("weight_scale_inv", "activation_scale");
    }
    return Done{};
  }

  // Tensors.

  [[nodiscard]] std::string full(std::string_view part) const { return fmt::format("{}.{}", name_, part); }
  [[nodiscard]] const TensorView* find(std::string_view part) const { return source_.find(full(part)); }
  [[nodiscard]] std::string file() const { return source_.file_of(full("qweight")); }

  [[nodiscard]] Error wrong(std::string_view part, std::string_view found, std::string_view expected) const {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' {}, expected {}", source_.file_of(full(part)),
                                                      full(part), found, expected)};
  }

  /// A tensor of one of `dtypes` and of `shape`, where -1 stands for any size.
  Result<const TensorView*> tensor(std::string_view part, std::initializer_list<DType> dtypes,
                                   std::vector<int64_t> shape) {
    const TensorView* const found = find(part);
    if (found == nullptr) {
      return wrong(part, "is missing",
                   fmt::format("shape {} ({} quantization)", shape_text(shape), quantization_.name));
    }
    if (std::ranges::find(dtypes, found->dtype) == dtypes.end()) {
      std::string names;
      for (const DType dtype : dtypes) names += fmt::format("{}{}", names.empty() ? "" : " or ", name_of(dtype));
      return wrong(part, fmt::format("has dtype {}", name_of(found->dtype)), names);
    }
    bool fits = found->shape.size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] == -1 || shape[i] == found->shape[i];
    if (!fits) {
      return wrong(
          part, fmt::format("has shape {}", shape_text(found->shape)),
          fmt::format("{} (-1: any) for a matrix [{}, {}]", shape_text(shape), matrix_.rows_, matrix_.columns_));
    }
    matrix_.stored_bytes_ += found->data.size();
    return found;
  }

  static std::vector<float> widened(const TensorView& tensor) {
    const auto count = static_cast<int64_t>(tensor.data.size() / info_of(tensor.dtype).block_bytes);
    std::vector<float> values(static_cast<size_t>(count));
    cpu::dequantize_row({.dtype = tensor.dtype, .data = tensor.data.data(), .rows = 1, .columns = count}, 0,
                        values.data());
    return values;
  }

  /// Scales of [groups, rows] turned into [rows, groups].
  [[nodiscard]] std::vector<float> by_row(const std::vector<float>& values, int64_t groups) const {
    std::vector<float> out(values.size());
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t n = 0; n < matrix_.rows_; ++n) {
        out[static_cast<size_t>(n * groups + g)] = values[static_cast<size_t>(g * matrix_.rows_ + n)];
      }
    }
    return out;
  }

  /// zeros_[row, group] = the grid's element (row, group) plus `offset`, of `bits` bits.
  void set_zeros(const CodeGrid& grid, int64_t groups, uint32_t offset, int shift) {
    std::vector<uint8_t> row(static_cast<size_t>(groups));
    const uint32_t mask = (1U << grid.bits) - 1;
    matrix_.zeros_.reserve(static_cast<size_t>(matrix_.rows_ * groups));
    for (int64_t n = 0; n < matrix_.rows_; ++n) {
      grid.read_row(n, groups, row.data());
      for (const uint8_t zero : row) {
        matrix_.zeros_.push_back(static_cast<int16_t>(static_cast<int>((zero + offset) & mask) - shift));
      }
    }
  }

  /// Codes of 2 and 4 bits are kept as nibbles; those of 8 become signed.
  Status set_code_bits(std::string_view part, int64_t bits) {
    if (bits != 2 && bits != 4 && bits != 8) {
      return Error{ErrorKind::unsupported, fmt::format("{}: tensor '{}' holds codes of {} bits, expected 2, 4 or 8",
                                                       source_.file_of(full(part)), full(part), bits)};
    }
    matrix_.codes_.bits = static_cast<int>(bits);
    matrix_.dtype_ = bits == 8 ? DType::int8_scaled : DType::int4_scaled;
    matrix_.code_flip_ = bits == 8 ? 0x80 : 0;
    return Done{};
  }

  /// `groups` must share out the columns evenly.
  Status set_groups(std::string_view part, int64_t groups) {
    if (groups < 1 || matrix_.columns_ % groups != 0) {
      return wrong(part, fmt::format("has {} groups", groups),
                   fmt::format("a number that divides {} columns", matrix_.columns_));
    }
    matrix_.column_group_ = matrix_.columns_ / groups;
    return Done{};
  }

  // GPTQ: qweight [columns / p, rows], qzeros [groups, rows / p], scales [groups, rows], g_idx [columns].

  Status read_gptq() {
    const int64_t rows = matrix_.rows_, columns = matrix_.columns_;
    KEDGE_ASSIGN(const TensorView* codes, tensor("qweight", {DType::i32}, {-1, rows}));
    const int64_t words = codes->shape[0];
    if (words < 1 || words * kWordBits % columns != 0) {
      return wrong("qweight", fmt::format("has {} rows of words", words),
                   fmt::format("{} columns of whole codes", columns));
    }
    KEDGE_TRY(set_code_bits("qweight", words * kWordBits / columns));
    const int64_t per_word = kWordBits / matrix_.codes_.bits;
    matrix_.stored_codes_ = codes->data;
    matrix_.codes_ = {.data = codes->data.data(),
                      .bits = matrix_.codes_.bits,
                      .along_k = per_word,
                      .k_stride = static_cast<size_t>(rows * kWordBytes),
                      .n_stride = kWordBytes};
    KEDGE_ASSIGN(const TensorView* scales, tensor("scales", {DType::f16, DType::bf16, DType::f32}, {-1, rows}));
    const int64_t groups = scales->shape[0];
    KEDGE_TRY(set_groups("scales", groups));
    matrix_.scales_ = by_row(widened(*scales), groups);
    KEDGE_ASSIGN(const TensorView* zeros, tensor("qzeros", {DType::i32}, {groups, blocks_of(rows, per_word)}));
    set_zeros({.data = zeros->data.data(),
               .bits = matrix_.codes_.bits,
               .along_n = per_word,
               .k_stride = static_cast<size_t>(zeros->shape[1] * kWordBytes),
               .n_stride = kWordBytes},
              groups, quantization_.zero_offset, matrix_.dtype_ == DType::int8_scaled ? 128 : 0);
    return find("g_idx") != nullptr ? read_order("g_idx", groups) : Status(Done{});
  }

  /// The group of each column, in any order: columns of one group are laid side by side.
  Status read_order(std::string_view part, int64_t groups) {
    const int64_t columns = matrix_.columns_;
    KEDGE_ASSIGN(const TensorView* indices, tensor(part, {DType::i32}, {columns}));
    std::vector<int32_t> group_of(static_cast<size_t>(columns));
    std::memcpy(group_of.data(), indices->data.data(), indices->data.size());
    std::vector<int64_t> counts(static_cast<size_t>(groups), 0);
    bool in_order = true;
    for (int64_t k = 0; k < columns; ++k) {
      const int32_t group = group_of[static_cast<size_t>(k)];
      if (group < 0 || group >= groups) {
        return wrong(part, fmt::format("puts column {} into group {}", k, group), fmt::format("0 to {}", groups - 1));
      }
      ++counts[static_cast<size_t>(group)];
      in_order = in_order && group == k / matrix_.column_group_;
    }
    for (int64_t group = 0; group < groups; ++group) {
      if (counts[static_cast<size_t>(group)] != matrix_.column_group_) {
        return wrong(part, fmt::format("puts {} columns into group {}", counts[static_cast<size_t>(group)], group),
                     fmt::format("{}", matrix_.column_group_));
      }
    }
    if (in_order) return Done{};
    matrix_.column_order_.resize(static_cast<size_t>(columns));
    std::iota(matrix_.column_order_.begin(), matrix_.column_order_.end(), 0);
    std::ranges::stable_sort(matrix_.column_order_, {}, [&](int32_t k) { return group_of[static_cast<size_t>(k)]; });
    return Done{};
  }

  // AWQ (GEMM): qweight [columns, rows / 8], qzeros [groups, rows / 8], scales [groups, rows].

  Status read_awq() {
    const int64_t rows = matrix_.rows_, columns = matrix_.columns_;
    constexpr int64_t kPerWord = 8;
    if (rows % kPerWord != 0) {
      return wrong("qweight", fmt::format("belongs to {} outputs", rows), "a multiple of 8 (AWQ)");
    }
    KEDGE_ASSIGN(const TensorView* codes, tensor("qweight", {DType::i32}, {columns, rows / kPerWord}));
    KEDGE_TRY(set_code_bits("qweight", 4));
    const auto row_of_words = static_cast<size_t>(rows / kPerWord * kWordBytes);
    matrix_.stored_codes_ = codes->data;
    matrix_.codes_ = {.data = codes->data.data(),
                      .bits = 4,
                      .along_n = kPerWord,
                      .k_stride = row_of_words,
                      .n_stride = kWordBytes,
                      .interleaved = true};
    KEDGE_ASSIGN(const TensorView* scales, tensor("scales", {DType::f16, DType::bf16, DType::f32}, {-1, rows}));
    const int64_t groups = scales->shape[0];
    KEDGE_TRY(set_groups("scales", groups));
    matrix_.scales_ = by_row(widened(*scales), groups);
    KEDGE_ASSIGN(const TensorView* zeros, tensor("qzeros", {DType::i32}, {groups, rows / kPerWord}));
    CodeGrid grid = matrix_.codes_;
    grid.data = zeros->data.data();
    set_zeros(grid, groups, 0, 0);
    return Done{};
  }

  // compressed-tensors: weight_packed [rows, columns / p], weight_scale [rows, groups], weight_zero_point
  // [rows / p, groups], weight_g_idx [columns].

  Status read_packed() {
    const int64_t rows = matrix_.rows_, columns = matrix_.columns_;
    KEDGE_TRY(check_shape_tensor());
    KEDGE_ASSIGN(const TensorView* codes, tensor("weight_packed", {DType::i32}, {rows, -1}));
    const int64_t words = codes->shape[1];
    const int64_t bits = words == blocks_of(columns, 8) ? 4 : words == blocks_of(columns, 4) ? 8 : 0;
    KEDGE_TRY(set_code_bits("weight_packed", bits));
    const int64_t per_word = kWordBits / bits;
    matrix_.stored_codes_ = codes->data;
    matrix_.codes_ = {.data = codes->data.data(),
                      .bits = static_cast<int>(bits),
                      .along_k = per_word,
                      .k_stride = kWordBytes,
                      .n_stride = static_cast<size_t>(words * kWordBytes)};
    KEDGE_ASSIGN(const TensorView* scales, tensor("weight_scale", {DType::f16, DType::bf16, DType::f32}, {rows, -1}));
    const int64_t groups = scales->shape[1];
    KEDGE_TRY(set_groups("weight_scale", groups));
    matrix_.scales_ = widened(*scales);
    matrix_.zero_ = bits == 4 ? 8 : 0;
    if (find("weight_zero_point") != nullptr) {
      KEDGE_ASSIGN(const TensorView* zeros,
                   tensor("weight_zero_point", {DType::i32}, {blocks_of(rows, per_word), groups}));
      set_zeros({.data = zeros->data.data(),
                 .bits = static_cast<int>(bits),
                 .along_n = per_word,
                 .k_stride = kWordBytes,
                 .n_stride = static_cast<size_t>(groups * kWordBytes)},
                groups, 0, bits == 8 ? 128 : 0);
    }
    return find("weight_g_idx") != nullptr ? read_order("weight_g_idx", groups) : Status(Done{});
  }

  Status check_shape_tensor() {
    if (find("weight_shape") == nullptr) return Done{};
    KEDGE_ASSIGN(const TensorView* shape, tensor("weight_shape", {DType::i64, DType::i32}, {2}));
    const std::vector<float> sizes = widened_integers(*shape);
    if (sizes[0] != static_cast<float>(matrix_.rows_) || sizes[1] != static_cast<float>(matrix_.columns_)) {
      return wrong("weight_shape", fmt::format("says [{}, {}]", sizes[0], sizes[1]),
                   fmt::format("[{}, {}]", matrix_.rows_, matrix_.columns_));
    }
    return Done{};
  }

  static std::vector<float> widened_integers(const TensorView& tensor) {
    const size_t bytes = info_of(tensor.dtype).block_bytes;
    std::vector<float> values;
    for (size_t i = 0; i < tensor.data.size() / bytes; ++i) {
      int64_t wide = 0;
      int32_t narrow = 0;
      std::memcpy(bytes == 8 ? static_cast<void*>(&wide) : &narrow, tensor.data.data() + i * bytes, bytes);
      values.push_back(static_cast<float>(bytes == 8 ? wide : narrow));
    }
    return values;
  }

  // One byte a weight: weight I8 or F8_E4M3 [rows, columns], one scale in all, one a row, one a group of columns, or
  // one a block of rows and columns.

  Status read_bytes(std::string_view scale_part, std::string_view input_part) {
    const int64_t rows = matrix_.rows_, columns = matrix_.columns_;
    KEDGE_ASSIGN(const TensorView* codes, tensor("weight", {DType::i8, DType::f8_e4m3}, {rows, columns}));
    matrix_.dtype_ = codes->dtype == DType::i8 ? DType::int8_scaled : DType::f8_scaled;
    matrix_.stored_codes_ = codes->data;
    matrix_.codes_ = {.data = codes->data.data(), .bits = 8, .k_stride = 1, .n_stride = static_cast<size_t>(columns)};
    const TensorView* const scales = find(scale_part);
    if (scales == nullptr) return wrong(scale_part, "is missing", "the scales of a quantized weight");
    KEDGE_TRY(tensor(scale_part, {DType::f16, DType::bf16, DType::f32}, scales->shape));
    KEDGE_TRY(set_scale_shape(scale_part, *scales));
    matrix_.scales_ = widened(*scales);
    if (find("weight_zero_point") != nullptr && codes->dtype == DType::i8) {
      KEDGE_ASSIGN(const TensorView* zeros, tensor("weight_zero_point", {DType::i8}, scales->shape));
      for (const std::byte zero : zeros->data) matrix_.zeros_.push_back(static_cast<int8_t>(zero));
    }
    return matrix_.input_.kind == cpu::InputRoundingKind::fp8_static ? read_input_scale(input_part) : Status(Done{});
  }

  Status set_scale_shape(std::string_view part, const TensorView& scales) {
    const int64_t rows = matrix_.rows_, columns = matrix_.columns_;
    const auto count = static_cast<int64_t>(scales.data.size() / info_of(scales.dtype).block_bytes);
    const bool is_matrix = scales.shape.size() == 2;
    matrix_.row_group_ = rows;
    matrix_.column_group_ = columns;
    if (quantization_.block_rows > 0) {
      const std::vector<int64_t> expected{blocks_of(rows, quantization_.block_rows),
                                          blocks_of(columns, quantization_.block_columns)};
      if (scales.shape != expected) {
        return wrong(part, fmt::format("has shape {}", shape_text(scales.shape)),
                     fmt::format("{} (blocks of {} x {})", shape_text(expected), quantization_.block_rows,
                                 quantization_.block_columns));
      }
      matrix_.row_group_ = quantization_.block_rows;
      matrix_.column_group_ = std::min(columns, quantization_.block_columns);
      return Done{};
    }
    if (count == 1) return Done{};
    matrix_.row_group_ = 1;
    if (scales.shape == std::vector<int64_t>{rows}) return Done{};
    if (is_matrix && scales.shape[0] == rows) return set_groups(part, scales.shape[1]);
    return wrong(part, fmt::format("has shape {}", shape_text(scales.shape)),
                 fmt::format("one scale, [{}], or [{}, groups]", rows, rows));
  }

  Status read_input_scale(std::string_view part) {
    const TensorView* const found = find(part);
    if (found == nullptr) return wrong(part, "is missing", "the scale of static activations");
    KEDGE_TRY(tensor(part, {DType::f16, DType::bf16, DType::f32}, found->shape));
    const std::vector<float> values = widened(*found);
    if (values.size() != 1 || !(values[0] > 0.0F)) {
      return wrong(part, fmt::format("holds {} values", values.size()), "one scale above 0");
    }
    matrix_.input_.scale = values[0];
    return Done{};
  }

  const WeightSource& source_;
  const Quantization& quantization_;
  std::string name_;
  QuantizedMatrix matrix_;
};

Result<std::shared_ptr<const QuantizedMatrix>> QuantizedMatrix::find(const WeightSource& source,
                                                                     const Quantization& quantization,
                                                                     std::string_view name, int64_t rows,
                                                                     int64_t columns) {
  return QuantizedMatrixReader(source, quantization, name, rows, columns).read();
}

}  // namespace kedge::models
