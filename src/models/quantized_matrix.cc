#include "models/quantized_matrix.h"

#include <algorithm>
#include <cstring>

namespace kedge::models {
namespace {

constexpr int64_t kBlock = 32;  // columns of a block of core/dtype.h

uint32_t load_word(const std::byte* bytes) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// Which nibble of a word holds column j of its eight (AWQ's kernels read them in this order).
constexpr int kInterleaved[] = {0, 4, 1, 5, 2, 6, 3, 7};

/// out = a block: scale, zero (unless it is FP8), codes.
void write_block(DType dtype, float scale, int16_t zero, const uint8_t* codes, std::byte* out) {
  std::memcpy(out, &scale, sizeof(scale));
  out += sizeof(scale);
  if (dtype == DType::f8_scaled) {
    std::memcpy(out, codes, kBlock);
    return;
  }
  *out++ = static_cast<std::byte>(zero);
  if (dtype == DType::int8_scaled) {
    std::memcpy(out, codes, kBlock);
    return;
  }
  for (int64_t i = 0; i < kBlock / 2; ++i) out[i] = static_cast<std::byte>(codes[i] | codes[i + kBlock / 2] << 4);
}

}  // namespace

void CodeGrid::read_row(int64_t n, int64_t count, uint8_t* out) const {
  if (bits == 8 && along_k == 1 && along_n == 1) {  // bytes
    const std::byte* const row = data + static_cast<size_t>(n) * n_stride;
    for (int64_t k = 0; k < count; ++k) out[k] = std::to_integer<uint8_t>(row[static_cast<size_t>(k) * k_stride]);
    return;
  }
  const uint32_t mask = (1U << bits) - 1;
  const std::byte* const row = data + static_cast<size_t>(n / along_n) * n_stride;
  if (along_n > 1) {
    const auto place = static_cast<int>(n % along_n);
    const int shift = bits * (interleaved ? kInterleaved[place] : place);
    for (int64_t k = 0; k < count; ++k) {
      out[k] = static_cast<uint8_t>(load_word(row + static_cast<size_t>(k) * k_stride) >> shift & mask);
    }
    return;
  }
  for (int64_t first = 0, word_index = 0; first < count; first += along_k, ++word_index) {
    uint32_t word = load_word(row + static_cast<size_t>(word_index) * k_stride);
    const int64_t end = std::min(count, first + along_k);
    for (int64_t k = first; k < end; ++k, word >>= bits) out[k] = static_cast<uint8_t>(word & mask);
  }
}

cpu::WeightView QuantizedMatrix::view(const std::byte* data) const {
  return {.dtype = dtype_,
          .data = data,
          .rows = rows_,
          .columns = columns_,
          .row_stride = row_bytes_,
          .scale_columns = column_group_,
          .column_order = column_order_.empty() ? nullptr : column_order_.data()};
}

void QuantizedMatrix::read_codes(int64_t row, std::vector<uint8_t>& stored, std::vector<uint8_t>& codes) const {
  const auto size = static_cast<size_t>(columns_);
  codes.resize(size);
  if (column_order_.empty()) {
    codes_.read_row(row, columns_, codes.data());
  } else {
    stored.resize(size);
    codes_.read_row(row, columns_, stored.data());
    for (size_t k = 0; k < size; ++k) codes[k] = stored[static_cast<size_t>(column_order_[k])];
  }
  if (code_flip_ != 0) {
    for (uint8_t& code : codes) code ^= code_flip_;
  }
}

void QuantizedMatrix::lay_out(WorkerPool& pool, std::byte* out) const {
  const int64_t groups = (columns_ + column_group_ - 1) / column_group_;
  const size_t block_bytes = info_of(dtype_).block_bytes;
  pool.parallel_for(rows_, 16, [&](int64_t begin, int64_t end, unsigned) {
    std::vector<uint8_t> stored, codes;
    for (int64_t row = begin; row < end; ++row) {
      read_codes(row, stored, codes);
      std::byte* block = out + static_cast<size_t>(row) * row_bytes_;
      for (int64_t k = 0; k < columns_; k += kBlock, block += block_bytes) {
        const auto group = static_cast<size_t>(row / row_group_ * groups + k / column_group_);
        write_block(dtype_, scales_[group], zeros_.empty() ? zero_ : zeros_[group], codes.data() + k, block);
      }
    }
  });
}

}  // namespace kedge::models
