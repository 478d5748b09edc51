// Products of bf16 in AMX tile registers, for many tokens: of weights as they are stored, of packed weights, and of
// attention.
// Everything else falls back to isa/avx512_bf16.

#include "cpu/isa/avx512/vector.h"
// The order matters: each header is written in terms of those before it.
// clang-format off
#include "cpu/isa/vector/math.h"
#include "cpu/isa/avx512_bf16/pairs.h"
#include "cpu/isa/avx512_vnni/groups.h"
#include "cpu/isa/tiles/product.h"
#include "cpu/isa/tiles/attention.h"
// clang-format on
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// The memory that LDTILECFG reads (Intel SDM, "Tile configuration").
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// The processor's registers. The intrinsics take a register's number as a literal only, hence the assembly.
struct AmxTiles {
  /// Left operands and sums of `rows` rows; right operands of 16 lines of pairs.
  static void begin(int rows) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = 64;
      config.rows[tile] = static_cast<uint8_t>(tile < kRightTile ? rows : 16);
    }
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  static void end() { asm volatile("tilerelease"); }
  template <int kTile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  template <int kTile>
  static void load(const void* rows, size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  static void store(void* rows, size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kSums, int kLeft, int kRight>
  static void multiply() {
    asm volatile("tdpbf16ps %%tmm%c0, %%tmm%c1, %%tmm%c2" : : "i"(kRight), "i"(kLeft), "i"(kSums));
  }
  template <int kSums, int kLeft, int kRight>
  static void multiply_bytes() {
    asm volatile("tdpbssd %%tmm%c0, %%tmm%c1, %%tmm%c2" : : "i"(kRight), "i"(kLeft), "i"(kSums));
  }
  static void write_transposed(const float* sums, TilePart part, const float* bias, float* y, int64_t y_stride) {
    __m512i rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(sums + 16 * i);
    transpose(rows);
    const LaneMask mask = first_lanes(part.rows);
    const Vector addend = bias != nullptr ? load_first(bias, part.rows) : cpu::zero();
    for (int64_t token = 0; token < part.columns; ++token) {
      const Vector value = _mm512_castsi512_ps(rows[token]);
      _mm512_mask_storeu_ps(y + token * y_stride, mask, bias != nullptr ? add(value, addend) : value);
    }
  }
  static void write(const float* sums, TilePart part, const float* bias, float* y, int64_t y_stride) {
    const LaneMask mask = first_lanes(part.columns);
    const Vector addend = bias != nullptr ? load_first(bias, part.columns) : cpu::zero();
    for (int64_t token = 0; token < part.rows; ++token) {
      const Vector value = cpu::load(sums + 16 * token);
      _mm512_mask_storeu_ps(y + token * y_stride, mask, bias != nullptr ? add(value, addend) : value);
    }
  }
};

/// A group of packed weights as a right operand: line p holds columns 2 p and 2 p + 1 of the sixteen outputs.
// Bound: some 20 operations for each 64 weights, once for all tokens of a pass.
template <typename Group>
[[gnu::always_inline]] inline void expand_group(const Group& group, std::byte* out) {
  const __m512i byte = _mm512_set1_epi32(255);
  for (int quad = 0; quad < kQuads; ++quad, out += 128) {
    const __m512i codes = group.codes[quad];
    store_pairs(out, group.weights(quad, _mm512_and_si512(codes, byte)),
                group.weights(quad, _mm512_and_si512(_mm512_srli_epi32(codes, 8), byte)));
    store_pairs(out + 64, group.weights(quad, _mm512_and_si512(_mm512_srli_epi32(codes, 16), byte)),
                group.weights(quad, _mm512_srli_epi32(codes, 24)));
  }
}

template <typename Group>
void expand_panel(const PackedShape& shape, const std::byte* block, int64_t columns, std::byte* out) {
  for (int64_t k = 0; k < columns; k += shape.block_columns, block += bytes_of_block(shape)) {
    const typename Group::Block head = Group::open(block);
    const std::byte* at = block + shape.head_bytes;
    for (int64_t g = 0; g < shape.block_columns / kGroupColumns; ++g, at += shape.group_bytes, out += 1024) {
      expand_group(Group(head, at), out);
    }
  }
}

/// Asks for bytes that are read soon; beyond the end of the weights this does nothing.
inline void fetch(const std::byte* bytes, int64_t count) {
  for (int64_t i = 0; i < count; i += 64) _mm_prefetch(reinterpret_cast<const char*>(bytes + i), _MM_HINT_T1);
}

/// Two panels at a time are expanded into the first-level cache (16 KB) and multiplied with all tokens.
template <typename Group>
void packed_tiles(const PackedTileProduct& t) {
  alignas(64) std::byte expanded[2 * kPackedTileColumns * kPanelOutputs * 2];
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t block_bytes = t.columns / shape.block_columns * bytes_of_block(shape);
  const auto tile_bytes = static_cast<size_t>(t.columns * kPanelOutputs * 2);
  const int64_t sums = (t.count + kTileSide - 1) / kTileSide * 2 * 256;
  TileProduct p{.left = t.tokens,
                .left_stride = t.token_stride,
                .left_count = t.count,
                .columns = t.columns,
                .right = expanded,
                .right_stride = tile_bytes,
                .first = t.first,
                .last = t.last,
                .y_stride = t.y_stride};
  const std::byte* panel = t.panels;
  for (int64_t output = 0; output < t.outputs; output += 2 * kPanelOutputs, panel += 2 * t.panel_bytes) {
    p.right_count = t.outputs - output < 2 * kPanelOutputs ? t.outputs - output : 2 * kPanelOutputs;
    expand_panel<Group>(shape, panel, t.columns, expanded);
    if (p.right_count > kPanelOutputs)
      expand_panel<Group>(shape, panel + t.panel_bytes, t.columns, expanded + tile_bytes);
    p.sums = t.sums + output / (2 * kPanelOutputs) * sums;
    p.y = t.y + output;
    p.bias = t.bias != nullptr ? t.bias + output : nullptr;
    fetch(panel + 2 * t.panel_bytes, block_bytes);
    fetch(panel + 3 * t.panel_bytes, block_bytes);
    tile_product<AmxTiles, WeightSide::right>(p);
  }
}

void pack_tokens(const float* x, int64_t stride, int64_t count, int64_t columns, std::byte* out) {
  for (int64_t k = 0; k < columns; k += kTileColumns, out += 1024) {
    const int64_t left = columns - k < kTileColumns ? columns - k : kTileColumns;
    __m512i rows[16];
    for (int64_t token = 0; token < kTileSide; ++token) {
      const float* const row = x + token * stride + k;
      if (token >= count) {
        rows[token] = _mm512_setzero_si512();
      } else if (left == kTileColumns) {
        rows[token] = (__m512i)_mm512_cvtne2ps_pbh(load(row + kLanes), load(row));
      } else {
        const Vector low = load_first(row, left < kLanes ? left : kLanes);
        const Vector high = left > kLanes ? load_first(row + kLanes, left - kLanes) : zero();
        rows[token] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
      }
    }
    transpose(rows);
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(out + 64 * i, rows[i]);
  }
}

/// Products of all four tiles of sums, as tile_product multiplies them. `one`: two ones of bf16, or four of int8.
// Bound: one tile of products every 16 cycles; four chains hide their 52 cycles.
template <typename Sum, typename Multiply>
double tile_peak(int64_t rounds, int32_t one, Multiply multiply) {
  alignas(64) int32_t ones[256];
  alignas(64) std::byte stored[1024];
  for (int32_t& pair : ones) pair = one;
  AmxTiles::begin(16);
  AmxTiles::load<kLeftTile>(ones, 64);
  AmxTiles::load<kLeftTile + 1>(ones, 64);
  AmxTiles::load<kRightTile>(ones, 64);
  AmxTiles::load<kRightTile + 1>(ones, 64);
  AmxTiles::zero<0>();
  AmxTiles::zero<1>();
  AmxTiles::zero<2>();
  AmxTiles::zero<3>();
  for (int64_t round = 0; round < rounds; ++round) multiply();
  double total = 0.0;
  const auto add_stored = [&] {
    Sum sums[256];
    __builtin_memcpy(sums, stored, sizeof(sums));
    for (const Sum sum : sums) total += static_cast<double>(sum);
  };
  AmxTiles::store<0>(stored, 64);
  add_stored();
  AmxTiles::store<1>(stored, 64);
  add_stored();
  AmxTiles::store<2>(stored, 64);
  add_stored();
  AmxTiles::store<3>(stored, 64);
  add_stored();
  AmxTiles::end();
  return total;
}

double peak_bf16(int64_t rounds) {
  return tile_peak<float>(rounds, 0x3f803f80, [] {
    AmxTiles::multiply<0, kLeftTile, kRightTile>();
    AmxTiles::multiply<1, kLeftTile, kRightTile + 1>();
    AmxTiles::multiply<2, kLeftTile + 1, kRightTile>();
    AmxTiles::multiply<3, kLeftTile + 1, kRightTile + 1>();
  });
}

double peak_int8(int64_t rounds) {
  return tile_peak<int32_t>(rounds, 0x01010101, [] {
    AmxTiles::multiply_bytes<0, kLeftTile, kRightTile>();
    AmxTiles::multiply_bytes<1, kLeftTile, kRightTile + 1>();
    AmxTiles::multiply_bytes<2, kLeftTile + 1, kRightTile>();
    AmxTiles::multiply_bytes<3, kLeftTile + 1, kRightTile + 1>();
  });
}

}  // namespace

const KernelTable kAmxKernels = {
    .tile_product = tile_product<AmxTiles, WeightSide::left>,
    .pack_tokens = pack_tokens,
    .packed_tiles_w4 = packed_tiles<W4>,
    .packed_tiles_w8 = packed_tiles<W8>,
    .packed_tiles_w4_k = packed_tiles<W4K>,
    .packed_tiles_w6_k = packed_tiles<W6K>,
    .packed_tiles_w4_g = packed_tiles<W4G>,
    .packed_tiles_w8_g = packed_tiles<W8G>,
    .attention_prompt_bf16 = prompt_attention<TileProducts<AmxTiles>, Bf16Rows>,
    .attention_prompt_int8 = prompt_attention<TileProducts<AmxTiles>, Int8Rows>,
    .attention_prompt_int4 = prompt_attention<TileProducts<AmxTiles>, Int4Rows>,
    .peak_bf16 = peak_bf16,
    .peak_int8 = peak_int8,
};

}  // namespace kedge::cpu
