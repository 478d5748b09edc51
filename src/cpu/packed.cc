#include "cpu/packed.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/packed_layout.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

namespace kedge::cpu {
namespace {

static_assert(kPackedRows == kPanelOutputs);

/// The codes, scales and minimums of one packed block of a row, in the terms of packed_layout.h.
struct Block {
  size_t groups = 8;  // of 32 columns
  std::array<uint8_t, 256> codes{};
  float wide_scale = 0.0F;
  uint8_t zero = 0;
  uint16_t scale = 0;    // f16
  uint16_t minimum = 0;  // f16
  std::array<uint8_t, 16> group_scales{};
  std::array<uint8_t, 8> group_minimums{};
};

uint8_t u8(const std::byte* bytes, int index) {
  return std::to_integer<uint8_t>(bytes[index]);
}
uint16_t u16(const std::byte* bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

void read_q4_0(const std::byte* stored, Block& block) {
  block.scale = u16(stored);
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t pair = u8(stored + 2, static_cast<int>(i));
    block.codes[i] = pair & 15U;
    block.codes[i + 16] = pair >> 4;
  }
}

void read_q8_0(const std::byte* stored, Block& block) {
  block.scale = u16(stored);
  for (size_t i = 0; i < 32; ++i) block.codes[i] = static_cast<uint8_t>(u8(stored + 2, static_cast<int>(i)) + 128U);
}

/// The 6-bit scales and minimums of Q4_K: see k_scale of cpu/dequantize.cc.
void read_q4_k(const std::byte* stored, Block& block) {
  const std::byte* const packed = stored + 4;
  block.scale = u16(stored);
  block.minimum = u16(stored + 2);
  for (int g = 0; g < 4; ++g) {
    const unsigned nibbles = u8(packed, g + 8);
    const unsigned scale_top = u8(packed, g) >> 6, minimum_top = u8(packed, g + 4) >> 6;
    const auto at = static_cast<size_t>(g);
    block.group_scales[at] = u8(packed, g) & 63U;
    block.group_minimums[at] = u8(packed, g + 4) & 63U;
    block.group_scales[at + 4] = static_cast<uint8_t>((nibbles & 15U) | scale_top << 4);
    block.group_minimums[at + 4] = static_cast<uint8_t>(nibbles >> 4 | minimum_top << 4);
  }
  for (size_t part = 0; part < 4; ++part) {
    const auto* const pairs = reinterpret_cast<const uint8_t*>(stored) + 16 + 32 * part;
    uint8_t* const codes = block.codes.data() + 64 * part;
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = pairs[i] & 15U;
      codes[i + 32] = pairs[i] >> 4;
    }
  }
}

void read_q6_k(const std::byte* stored, Block& block) {
  block.scale = u16(stored + 208);
  std::memcpy(block.group_scales.data(), stored + 192, 16);
  for (size_t half = 0; half < 2; ++half) {
    const auto* const low = reinterpret_cast<const uint8_t*>(stored) + 64 * half;
    const auto* const high = reinterpret_cast<const uint8_t*>(stored) + 128 + 32 * half;
    uint8_t* const codes = block.codes.data() + 128 * half;
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = static_cast<uint8_t>((low[i] & 15U) | (high[i] & 3U) << 4);
      codes[i + 32] = static_cast<uint8_t>((low[i + 32] & 15U) | (high[i] >> 2 & 3U) << 4);
      codes[i + 64] = static_cast<uint8_t>(low[i] >> 4 | (high[i] >> 4 & 3U) << 4);
      codes[i + 96] = static_cast<uint8_t>(low[i + 32] >> 4 | static_cast<unsigned>(high[i] >> 6) << 4);
    }
  }
}

/// A packed block is as many stored blocks as share a scale.
void read_int4(const std::byte* stored, Block& block) {
  std::memcpy(&block.wide_scale, stored, sizeof(block.wide_scale));
  block.zero = u8(stored, 4);
  const auto bytes = static_cast<int>(info_of(DType::int4_scaled).block_bytes);
  for (size_t g = 0; g < block.groups; ++g) {
    for (size_t i = 0; i < 16; ++i) {
      const uint8_t pair = u8(stored, static_cast<int>(g) * bytes + 5 + static_cast<int>(i));
      block.codes[32 * g + i] = pair & 15U;
      block.codes[32 * g + i + 16] = pair >> 4;
    }
  }
}

void read_int8(const std::byte* stored, Block& block) {
  std::memcpy(&block.wide_scale, stored, sizeof(block.wide_scale));
  block.zero = static_cast<uint8_t>(u8(stored, 4) + 128U);
  const auto bytes = static_cast<int>(info_of(DType::int8_scaled).block_bytes);
  for (size_t k = 0; k < 32 * block.groups; ++k) {
    const int at = static_cast<int>(k / 32) * bytes + 5 + static_cast<int>(k % 32);
    block.codes[k] = static_cast<uint8_t>(u8(stored, at) + 128U);
  }
}

/// Columns 4 t to 4 t + 3, one a byte.
uint32_t quad_of(const uint8_t* codes, size_t t) {
  uint32_t quad = 0;
  std::memcpy(&quad, codes + 4 * t, sizeof(quad));
  return quad;
}
void write_quad(uint32_t quad, size_t line, size_t output, std::byte* out) {
  std::memcpy(out + 64 * line + 4 * output, &quad, sizeof(quad));
}

void write_nibbles(const uint8_t* codes, size_t output, std::byte* out) {
  constexpr uint32_t kNibbles = 0x0f0f0f0f;
  for (size_t line = 0; line < 4; ++line) {
    const uint32_t low = quad_of(codes, 2 * line) & kNibbles, high = quad_of(codes, 2 * line + 1) & kNibbles;
    write_quad(low | high << 4, line, output, out);
  }
}
void write_high_bits(const uint8_t* codes, size_t output, std::byte* out) {
  constexpr uint32_t kPairs = 0x03030303;
  for (size_t line = 0; line < 2; ++line) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) bits |= (quad_of(codes, 4 * line + i) >> 4 & kPairs) << (2 * i);
    write_quad(bits, line, output, out);
  }
}
void write_bytes(const uint8_t* codes, size_t output, std::byte* out) {
  for (size_t line = 0; line < 8; ++line) write_quad(quad_of(codes, line), line, output, out);
}
void write_u16(uint16_t value, size_t output, std::byte* out) {
  std::memcpy(out + 2 * output, &value, sizeof(value));
}

// Each writes one output's part of a block. Byte 4 * output + c of quad t is column 4 t + c.

void write_w4(const Block& block, size_t output, std::byte* out) {
  write_nibbles(block.codes.data(), output, out);
  write_u16(block.scale, output, out + 256);
}

void write_w8(const Block& block, size_t output, std::byte* out) {
  write_bytes(block.codes.data(), output, out);
  write_u16(block.scale, output, out + 512);
}

void write_w4_k(const Block& block, size_t output, std::byte* out) {
  write_u16(block.scale, output, out);
  write_u16(block.minimum, output, out + 32);
  for (size_t g = 0; g < 8; ++g) {
    std::byte* const group = out + kW4KShape.head_bytes + static_cast<int64_t>(g) * kW4KShape.group_bytes;
    write_nibbles(block.codes.data() + 32 * g, output, group);
    group[256 + output] = std::byte{block.group_scales[g]};
    group[272 + output] = std::byte{block.group_minimums[g]};
  }
}

void write_w6_k(const Block& block, size_t output, std::byte* out) {
  write_u16(block.scale, output, out);
  for (size_t g = 0; g < 8; ++g) {
    std::byte* const group = out + kW6KShape.head_bytes + static_cast<int64_t>(g) * kW6KShape.group_bytes;
    write_nibbles(block.codes.data() + 32 * g, output, group);
    write_high_bits(block.codes.data() + 32 * g, output, group + 256);
    group[384 + output] = std::byte{block.group_scales[2 * g]};
    group[400 + output] = std::byte{block.group_scales[2 * g + 1]};
  }
}

void write_scale_and_zero(const Block& block, size_t output, std::byte* out) {
  std::memcpy(out + 4 * output, &block.wide_scale, sizeof(block.wide_scale));
  out[64 + output] = std::byte{block.zero};
}

void write_w4_g(const Block& block, size_t output, std::byte* out) {
  write_scale_and_zero(block, output, out);
  out += kW4GShape.head_bytes;
  for (size_t g = 0; g < block.groups; ++g, out += kW4GShape.group_bytes) {
    write_nibbles(block.codes.data() + 32 * g, output, out);
  }
}

void write_w8_g(const Block& block, size_t output, std::byte* out) {
  write_scale_and_zero(block, output, out);
  out += kW8GShape.head_bytes;
  for (size_t g = 0; g < block.groups; ++g, out += kW8GShape.group_bytes) {
    write_bytes(block.codes.data() + 32 * g, output, out);
  }
}

constexpr int64_t kHeadColumnsMax = 256;
static_assert(kPackedTileColumns % kHeadColumnsMax == 0);

/// What a kernel needs of the sums of a token's codes, made once for all outputs. Of a group, or of its two halves.
using StartsOf = void (*)(const int32_t* sums, float scale, int32_t* starts);

/// Sums of products start at minus the codes' offset times the token's sum.
template <int32_t kOffset>
void start_of_group(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -kOffset * (sums[0] + sums[1]);
}
void starts_of_halves(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -32 * sums[0];
  starts[1] = -32 * sums[1];
}
/// What a minimum is multiplied with: the bits of a float.
void scaled_start(const int32_t* sums, float scale, int32_t* starts) {
  starts[0] = std::bit_cast<int32_t>(static_cast<float>(sums[0] + sums[1]) * scale);
}
/// What a zero is multiplied with: the low 16 bits.
void narrow_start(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -(sums[0] + sums[1]) & 0xffff;
}

struct Form {
  DType dtype;
  PackedShape layout;
  PackedKernel KernelTable::*kernel;
  PackedTileKernel KernelTable::*tile_kernel;
  void (*read)(const std::byte* stored, Block& block);
  void (*write)(const Block& block, size_t output, std::byte* out);
  StartsOf starts;
};
constexpr Form kForms[] = {
    {DType::q4_0, kW4Shape, &KernelTable::packed_w4, &KernelTable::packed_tiles_w4, read_q4_0, write_w4,
     start_of_group<8>},
    {DType::q8_0, kW8Shape, &KernelTable::packed_w8, &KernelTable::packed_tiles_w8, read_q8_0, write_w8,
     start_of_group<128>},
    {DType::q4_k, kW4KShape, &KernelTable::packed_w4_k, &KernelTable::packed_tiles_w4_k, read_q4_k, write_w4_k,
     scaled_start},
    {DType::q6_k, kW6KShape, &KernelTable::packed_w6_k, &KernelTable::packed_tiles_w6_k, read_q6_k, write_w6_k,
     starts_of_halves},
    {DType::int4_scaled, kW4GShape, &KernelTable::packed_w4_g, &KernelTable::packed_tiles_w4_g, read_int4, write_w4_g,
     narrow_start},
    {DType::int8_scaled, kW8GShape, &KernelTable::packed_w8_g, &KernelTable::packed_tiles_w8_g, read_int8, write_w8_g,
     narrow_start},
};

const Form* find_form(DType dtype) {
  for (const Form& form : kForms) {
    if (form.dtype == dtype) return &form;
  }
  return nullptr;
}

int64_t panels_of(int64_t rows) {
  return (rows + kPanelOutputs - 1) / kPanelOutputs;
}
size_t panel_bytes(const PackedShape& shape, int64_t columns) {
  return static_cast<size_t>(columns / shape.block_columns * bytes_of_block(shape));
}

/// Where a layout leaves it open: the most columns, up to kHeadColumnsMax, that share a scale and come out even.
PackedShape shape_of(const Form& form, const WeightView& w) {
  int64_t columns = kHeadColumnsMax;
  while (columns > kGroupColumns &&
         (w.columns % columns != 0 || w.scale_columns % columns != 0 || w.scale_columns == 0)) {
    columns /= 2;
  }
  return with_block(form.layout, columns);
}
PackedShape shape_of(const Form& form, const PackedView& w) {
  return with_block(form.layout, w.block_columns);
}

/// Rows of activations as products take them: as they are, or normalised into this object's memory.
class RowReader {
 public:
  RowReader(const KernelTable& table, const InputRows& x) : table_(table), x_(x) {
    if (x.norm == nullptr) return;
    thread_local Scratch row;
    row_ = reinterpret_cast<float*>(row.take(static_cast<size_t>(x.norm->size) * sizeof(float)));
  }
  /// Valid until the next call.
  [[nodiscard]] const float* row(int64_t index) const {
    const float* const x = x_.data + index * x_.stride;
    if (x_.norm == nullptr) return x;
    const RmsNorm& norm = *x_.norm;
    table_.rms_norm({norm.weight, nullptr, norm.size, norm.epsilon, norm.weight_offset}, x, row_);
    return row_;
  }

 private:
  const KernelTable& table_;
  const InputRows& x_;
  float* row_ = nullptr;
};

/// Activations of 8 bits in this thread's scratch.
struct Quantized {
  int8_t* codes = nullptr;
  float* scales = nullptr;
  int32_t* sums = nullptr;
  int32_t* starts = nullptr;
};

Quantized quantize(WorkerPool& pool, const KernelTable& table, const InputRows& x, int64_t columns,
                   StartsOf starts_of) {
  thread_local Scratch codes, scales, sums, starts;
  const auto size = static_cast<size_t>(x.count * columns);
  const Quantized q{reinterpret_cast<int8_t*>(codes.take(size)),
                    reinterpret_cast<float*>(scales.take(size / 32 * sizeof(float))),
                    reinterpret_cast<int32_t*>(sums.take(size / 16 * sizeof(int32_t))),
                    reinterpret_cast<int32_t*>(starts.take(size / 16 * sizeof(int32_t)))};
  const int64_t grain = std::max<int64_t>(1, 32768 / columns);  // fewer elements are not worth waking a worker
  pool.parallel_for(x.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    const RowReader rows(table, x);
    for (int64_t i = begin; i < end; ++i) {
      table.quantize_row(rows.row(i), columns, q.codes + i * columns, q.scales + i * (columns / 32),
                         q.sums + i * (columns / 16));
      for (int64_t g = i * (columns / 32); g < (i + 1) * (columns / 32); ++g) {
        starts_of(q.sums + 2 * g, q.scales[g], q.starts + 2 * g);
      }
    }
  });
  return q;
}

// A worker's blocks stay in its second-level cache (2 MB on Sapphire Rapids): 512 columns of the tokens and the sums of
// 256 outputs (half a megabyte each). What comes from beyond it, tokens, is used 256 times.
constexpr int64_t kTilePassTokens = 512;

/// One pass of at most kTilePassTokens tokens through tile registers.
class TilePass {
 public:
  TilePass(const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias)
      : form_(*find_form(w.dtype)), shape_(shape_of(form_, w)), w_(w), x_(x), y_(y), bias_(bias) {}

  void run(WorkerPool& pool) {
    narrow_tokens(pool);
    const int64_t unit = tile_outputs_at_once(w_.rows, pool.size());
    pool.parallel_for_parts(w_.rows, unit, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t first = begin; first < end; first += unit) {
        multiply(first, std::min(unit, end - first));
      }
    });
  }

 private:
  static constexpr int64_t kColumns = kPackedTileColumns;

  /// Tokens as bf16, block of columns by block of columns.
  void narrow_tokens(WorkerPool& pool) {
    thread_local Scratch scratch;
    const int64_t blocks = (w_.columns + kColumns - 1) / kColumns;
    tokens_ = scratch.take(static_cast<size_t>(blocks * x_.count) * PackedTileProduct::kTokenStride);
    pool.parallel_for(x_.count, 16, [&](int64_t begin, int64_t end, unsigned) {
      const RowReader rows(kernels(), x_);
      for (int64_t i = begin; i < end; ++i) {
        const float* const row = rows.row(i);
        for (int64_t first = 0; first < w_.columns; first += kColumns) {
          const int64_t columns = std::min(kColumns, w_.columns - first);
          std::byte* const out =
              tokens_ + static_cast<size_t>(first / kColumns * x_.count + i) * PackedTileProduct::kTokenStride;
          kernels().to_bf16(row + first, columns, reinterpret_cast<uint16_t*>(out));
        }
      }
    });
  }

  void multiply(int64_t output, int64_t outputs) const {
    thread_local Scratch sums;
    const int64_t pairs = (outputs + 2 * kPanelOutputs - 1) / (2 * kPanelOutputs);
    const int64_t pair_sums = (x_.count + kTileSide - 1) / kTileSide * kTileSide * 2 * kPanelOutputs;
    const size_t panel = panel_bytes(shape_, w_.columns);
    (kernels().*form_.tile_kernel)(
        {.panels = w_.data + static_cast<size_t>(output / kPanelOutputs) * panel,
         .panel_bytes = panel,
         .outputs = outputs,
         .columns = w_.columns,
         .block_columns = shape_.block_columns,
         .tokens = tokens_,
         .count = x_.count,
         .sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(pairs * pair_sums) * sizeof(float))),
         .y = y_.data + output,
         .y_stride = y_.stride,
         .bias = bias_ != nullptr ? bias_ + output : nullptr});
  }

  const Form& form_;
  PackedShape shape_;
  const PackedView& w_;
  const InputRows& x_;
  OutputRows y_;
  const float* bias_;
  std::byte* tokens_ = nullptr;
};

}  // namespace

std::span<const DType> packable_types() {
  static const auto types = [] {
    std::array<DType, std::size(kForms)> all{};
    std::ranges::transform(kForms, all.begin(), &Form::dtype);
    return all;
  }();
  return types;
}

bool has_packed_form(DType dtype) {
  return find_form(dtype) != nullptr;
}

size_t packed_bytes(const WeightView& w) {
  const Form* const form = find_form(w.dtype);
  KEDGE_CHECK(form != nullptr);
  return static_cast<size_t>(panels_of(w.rows)) * panel_bytes(shape_of(*form, w), w.columns);
}

PackedView pack(WorkerPool& pool, const WeightView& w, std::byte* out) {
  const Form& form = *find_form(w.dtype);
  const PackedShape shape = shape_of(form, w);
  const size_t bytes = panel_bytes(shape, w.columns);
  const int64_t blocks = w.columns / shape.block_columns;
  // A packed block is as much of sixteen rows: one stored block of each, or several of one scale.
  const DTypeInfo& info = info_of(w.dtype);
  const size_t stored_bytes = static_cast<size_t>(shape.block_columns) / info.block_elements * info.block_bytes;
  pool.parallel_for(panels_of(w.rows), 1, [&](int64_t begin, int64_t end, unsigned) {
    Block block{.groups = static_cast<size_t>(shape.block_columns / kGroupColumns)};
    for (int64_t panel = begin; panel < end; ++panel) {
      std::byte* const target = out + static_cast<size_t>(panel) * bytes;
      const int64_t first = panel * kPanelOutputs;
      const int64_t count = std::min(kPanelOutputs, w.rows - first);
      if (count < kPanelOutputs) std::memset(target, 0, bytes);
      for (int64_t b = 0; b < blocks; ++b) {
        for (int64_t n = 0; n < count; ++n) {
          const std::byte* const row = w.data + static_cast<size_t>(first + n) * w.row_stride;
          form.read(row + static_cast<size_t>(b) * stored_bytes, block);
          form.write(block, static_cast<size_t>(n), target + b * bytes_of_block(shape));
        }
      }
    }
  });
  return packed_view(w, out);
}

PackedView packed_view(const WeightView& w, const std::byte* data) {
  return {w.dtype, data, w.rows, w.columns, shape_of(*find_form(w.dtype), w).block_columns, w.column_order};
}

void packed_matmul(WorkerPool& pool, const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias,
                   MatmulCompute compute) {
  if (x.count <= 0 || w.rows <= 0) return;
  const KernelTable& table = kernels();
  KEDGE_DCHECK(x.norm == nullptr || (x.norm->size == w.columns && w.column_order == nullptr));
  if (w.column_order != nullptr) {
    PackedView in_order = w;
    in_order.column_order = nullptr;
    return packed_matmul(pool, in_order, gathered(pool, x, w.column_order, w.columns), y, bias, compute);
  }
  if (compute == MatmulCompute::bf16_tiles) {
    for (int64_t first = 0; first < x.count; first += kTilePassTokens) {
      const InputRows part{x.data + first * x.stride, x.stride, std::min(kTilePassTokens, x.count - first), x.norm};
      TilePass(w, part, {y.data + first * y.stride, y.stride}, bias).run(pool);
    }
    return;
  }
  KEDGE_DCHECK(compute == MatmulCompute::int8);
  const Form& form = *find_form(w.dtype);
  const PackedKernel kernel = table.*form.kernel;
  const Quantized q = quantize(pool, table, x, w.columns, form.starts);
  const size_t bytes = panel_bytes(shape_of(form, w), w.columns);
  const size_t scratch_bytes = static_cast<size_t>(x.count * kPackedScratch) * sizeof(float);
  pool.parallel_for_parts(panels_of(w.rows), x.count > 1 ? 4 : 1, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const int64_t first = begin * kPanelOutputs;
    kernel({.panels = w.data + static_cast<size_t>(begin) * bytes,
            .panel_bytes = bytes,
            .outputs = std::min(w.rows, end * kPanelOutputs) - first,
            .columns = w.columns,
            .block_columns = w.block_columns,
            .codes = q.codes,
            .scales = q.scales,
            .sums = q.sums,
            .starts = q.starts,
            .count = x.count,
            .y = y.data + first,
            .y_stride = y.stride,
            .bias = bias != nullptr ? bias + first : nullptr,
            .scratch = reinterpret_cast<float*>(scratch.take(scratch_bytes))});
  });
}

}  // namespace kedge::cpu
