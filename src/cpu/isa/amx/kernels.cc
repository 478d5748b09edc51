// Products of bf16 in AMX tile registers, for many tokens: of weights as they are stored, of packed weights, and of
// attention.
// Everything else falls back to isa/avx512_bf16.

#include "cpu/isa/avx512/vector.h"
// The order matters: each header is written in terms of those before it.
// clang-format off
#include "cpu/isa/vector/math.h"
#include "cpu/isa/vector/elementwise.h"
#include "cpu/isa/vector/matmul.h"
#include "cpu/isa/vector/low_rank.h"
#include "cpu/isa/avx512_bf16/pairs.h"
#include "cpu/isa/avx512_vnni/groups.h"
#include "cpu/isa/tiles/product.h"
#include "cpu/isa/tiles/attention.h"
#include "cpu/isa/tiles/low_rank.h"
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

/// The first `count` lanes; a whole line goes past the caches, which would first read it. Call _mm_sfence before other
/// threads read it.
inline void write_line(float* y, Vector value, int64_t count) {
  if (count == kLanes && reinterpret_cast<uintptr_t>(y) % 64 == 0) {
    _mm512_stream_ps(y, value);
  } else {
    _mm512_mask_storeu_ps(y, first_lanes(count), value);
  }
}

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
  /// Without room in the first-level cache.
  template <int kTile>
  static void load_past(const void* rows, size_t stride) {
    asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
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
  /// What was written is there for all threads.
  static void end_writing() { _mm_sfence(); }
  static void write_transposed(const float* sums, TilePart part, const TileOutput& out) {
    __m512i rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(sums + 16 * i);
    transpose(rows);
    const Vector addend = out.bias != nullptr ? load_first(out.bias, part.rows) : cpu::zero();
    float* y = out.y;
    for (int64_t token = 0; token < part.columns; ++token, y += out.y_stride) {
      Vector value = _mm512_castsi512_ps(rows[token]);
      if (out.bias != nullptr) value = add(value, addend);
      if (out.added) value = add(load_first(y, part.rows), value);
      if (out.added || out.read_next) {
        store_first(y, part.rows, value);
      } else {
        write_line(y, value, part.rows);
      }
    }
  }
};

/// A group of packed weights as a right operand: line p holds columns 2 p and 2 p + 1 of the sixteen outputs.
// Bound: some 20 operations for each 64 weights (4 bits: 14), once for all tokens of a pass.
template <typename Group>
[[gnu::always_inline]] inline void expand_group(const Group& group, const std::byte* stored, std::byte* out) {
  constexpr bool kNibbles = Group::kBits == 4;  // eight codes of an output in a lane of a line, as they are stored
  for (int quad = 0; quad < kQuads; ++quad, out += 128) {
    const __m512i codes = kNibbles ? line_at(stored + 64 * (quad / 2)) : group.codes[quad];
    const auto weights = [&](int place) {
      return group.weights(quad, _mm512_srli_epi32(codes, 8 * place + (kNibbles ? quad % 2 * 4 : 0)));
    };
    store_pairs(out, weights(0), weights(1));
    store_pairs(out + 64, weights(2), weights(3));
  }
}

/// Two panels' weights of a block of columns become right operands, some groups at a time.
template <typename Group>
class PairExpansion {
 public:
  explicit PairExpansion(const PackedTileProduct& t) : t_(t), shape_(with_block(Group::kShape, t.block_columns)) {}

  /// Begins with the pair that holds `output` and the block that begins at column `first`.
  void start(int64_t output, int64_t first, std::byte* out) {
    pair_ = t_.panels + output / kPanelOutputs * static_cast<int64_t>(t_.panel_bytes) +
            first / shape_.block_columns * bytes_of_block(shape_);
    panels_ = t_.outputs - output > kPanelOutputs ? 2 : 1;
    columns_ = columns_from(first);
    out_ = out;
    done_ = 0;
  }
  /// Goes on to `part` of `parts` of it.
  void advance(int64_t part, int64_t parts) {
    const int64_t in_panel = columns_ / kGroupColumns;
    for (const int64_t end = panels_ * in_panel * part / parts; done_ < end; ++done_) {
      expand(pair_ + done_ / in_panel * static_cast<int64_t>(t_.panel_bytes), done_ % in_panel);
    }
  }
  /// Of the block that begins at `first`.
  [[nodiscard]] int64_t columns_from(int64_t first) const {
    return t_.columns - first < kPackedTileColumns ? t_.columns - first : kPackedTileColumns;
  }

 private:
  void expand(const std::byte* panel, int64_t index) {
    const int64_t in_block = shape_.block_columns / kGroupColumns;
    const std::byte* const block = panel + index / in_block * bytes_of_block(shape_);
    const std::byte* const group = block + shape_.head_bytes + index % in_block * shape_.group_bytes;
    // The same of the pair after this one; beyond the end of the weights this does nothing.
    const std::byte* const begin = (index % in_block == 0 ? block : group) + 2 * t_.panel_bytes;
    for (const std::byte* line = begin; line < group + 2 * t_.panel_bytes + shape_.group_bytes; line += 64) {
      __builtin_prefetch(line, 0, 2);
    }
    expand_group(Group(Group::open(block), group), group, out_ + done_ * kGroupBytes);
  }

  static constexpr int64_t kGroupBytes = kGroupColumns * kPanelOutputs * 2;  // expanded
  const PackedTileProduct& t_;
  PackedShape shape_;
  const std::byte* pair_ = nullptr;
  int64_t panels_ = 0;
  int64_t columns_ = 0;
  std::byte* out_ = nullptr;
  int64_t done_ = 0;
};

/// Sums become outputs, token by token: runs of all outputs of a pass, where those of two panels would be lines far
/// apart. `pair_sums`: floats for each two panels.
void write_rows(const PackedTileProduct& t, int64_t pair_sums) {
  for (int64_t token = 0; token < t.count; ++token) {
    float* const y = t.y + token * t.y_stride;
    // [pairs][tokens / 16][panels of the pair][16 tokens][16 outputs]
    for (int64_t output = 0; output < t.outputs; output += kPanelOutputs) {
      const int64_t pair = output / (2 * kPanelOutputs);
      const int64_t panels = t.outputs - pair * 2 * kPanelOutputs > kPanelOutputs ? 2 : 1;
      const int64_t tile = token / kTileSide * panels + output / kPanelOutputs % 2;
      const int64_t left = t.outputs - output < kPanelOutputs ? t.outputs - output : kPanelOutputs;
      Vector value = load(t.sums + pair * pair_sums + tile * 256 + token % kTileSide * 16);
      if (t.bias != nullptr) value = add(value, load_first(t.bias + output, left));
      if (t.added) value = add(load_first(y + output, left), value);
      if (t.read_next) {
        store_first(y + output, left, value);
      } else {
        write_line(y + output, value, left);
      }
    }
  }
  AmxTiles::end_writing();
}

/// Two panels at a time are expanded into the first-level cache (32 of its 48 KB) and multiplied with all tokens, block
/// of columns by block of columns. While tiles multiply, vectors expand the next two.
template <typename Group>
void packed_tiles(const PackedTileProduct& t) {
  constexpr int64_t kPair = 2 * kPanelOutputs;
  alignas(64) std::byte expanded[2][kPackedTileColumns * kPair * 2];
  const int64_t token_tiles = (t.count + kTileSide - 1) / kTileSide;
  const int64_t pair_sums = token_tiles * kTileSide * kPair;
  PairExpansion<Group> expansion(t);
  expansion.start(0, 0, expanded[0]);
  expansion.advance(1, 1);
  int now = 0;
  for (int64_t first = 0; first < t.columns; first += kPackedTileColumns) {
    for (int64_t output = 0; output < t.outputs; output += kPair, now ^= 1) {
      const int64_t columns = expansion.columns_from(first);
      const bool more_outputs = output + kPair < t.outputs;
      const bool more = more_outputs || first + columns < t.columns;
      if (more) {
        expansion.start(more_outputs ? output + kPair : 0, more_outputs ? first : first + columns, expanded[now ^ 1]);
      }
      const TileProduct p{.left = t.tokens + static_cast<size_t>(first / kPackedTileColumns * t.count) * t.kTokenStride,
                          .left_stride = t.kTokenStride,
                          .left_count = t.count,
                          .columns = columns,
                          .right = expanded[now],
                          .right_stride = static_cast<size_t>(columns * kPanelOutputs * 2),
                          .right_count = t.outputs - output < kPair ? t.outputs - output : kPair,
                          .sums = t.sums + output / kPair * pair_sums,
                          .first = first == 0};
      sum_tiles<AmxTiles, Side::right>(p, [&](int64_t tiles) {
        if (more) expansion.advance(tiles, token_tiles);
      });
    }
  }
  write_rows(t, pair_sums);
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
    .tile_product = tile_product<AmxTiles>,
    .pack_tokens = pack_tokens,
    .packed_tiles_w4 = packed_tiles<W4>,
    .packed_tiles_w5 = packed_tiles<W5>,
    .packed_tiles_w8 = packed_tiles<W8>,
    .packed_tiles_w4_i = packed_tiles<W4I>,
    .packed_tiles_w4_m = packed_tiles<W4M>,
    .packed_tiles_w5_m = packed_tiles<W5M>,
    .packed_tiles_w2_k = packed_tiles<W2K>,
    .packed_tiles_w3_k = packed_tiles<W3K>,
    .packed_tiles_w4_k = packed_tiles<W4K>,
    .packed_tiles_w5_k = packed_tiles<W5K>,
    .packed_tiles_w6_k = packed_tiles<W6K>,
    .packed_tiles_w4_ik = packed_tiles<W4IK>,
    .packed_tiles_w4_g = packed_tiles<W4G>,
    .packed_tiles_w8_g = packed_tiles<W8G>,
    .low_rank_tiles_f32 = low_rank_tiles<AmxTiles, PlainPanels<F32Row>>,
    .low_rank_tiles_bf16 = low_rank_tiles<AmxTiles, PlainPanels<Bf16Row>>,
    .low_rank_tiles_int8 = low_rank_tiles<AmxTiles, CodePanels>,
    .attention_prompt_bf16 = prompt_attention<TileProducts<AmxTiles>, Bf16Rows>,
    .attention_prompt_int8 = prompt_attention<TileProducts<AmxTiles>, Int8Rows>,
    .attention_prompt_int4 = prompt_attention<TileProducts<AmxTiles>, Int4Rows>,
    .peak_bf16 = peak_bf16,
    .peak_int8 = peak_int8,
};

}  // namespace kedge::cpu
