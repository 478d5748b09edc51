// Products of bf16 in AMX tile registers, for many tokens. Everything else falls back to isa/avx512_bf16.

#include "cpu/isa/avx512/vector.h"
#include "cpu/isa/tiles/product.h"
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

/// The 16 x 16 dwords of `rows`, turned round in place.
inline void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // Now rows[4 g + c] has, in its lane l of four dwords, column 4 l + c of rows 4 g to 4 g + 3.
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
    t[8 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
  }
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}

/// The processor's registers. The intrinsics take a register's number as a literal only, hence the assembly.
struct AmxTiles {
  /// Weights and sums of `rows` rows; activations of 16 pairs.
  static void begin(int rows) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = 64;
      config.rows[tile] = static_cast<uint8_t>(tile < kTokenTile ? rows : 16);
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
  static void store(float* rows, size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kSums, int kWeights, int kTokens>
  static void multiply() {
    asm volatile("tdpbf16ps %%tmm%c0, %%tmm%c1, %%tmm%c2" : : "i"(kTokens), "i"(kWeights), "i"(kSums));
  }
  static void write_transposed(const float* sums, int64_t outputs, int64_t tokens, const float* bias, float* y,
                               int64_t y_stride) {
    __m512i rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(sums + 16 * i);
    transpose(rows);
    const LaneMask mask = first_lanes(outputs);
    const Vector add_to = bias != nullptr ? load_first(bias, outputs) : cpu::zero();
    for (int64_t token = 0; token < tokens; ++token) {
      const Vector value = _mm512_castsi512_ps(rows[token]);
      _mm512_mask_storeu_ps(y + token * y_stride, mask, bias != nullptr ? add(value, add_to) : value);
    }
  }
};

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

}  // namespace

const KernelTable kAmxKernels = {
    .tile_product = tile_product<AmxTiles>,
    .pack_tokens = pack_tokens,
};

}  // namespace kedge::cpu
