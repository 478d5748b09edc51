#pragma once
// The kernels of one instruction set: what src/cpu/*.cc dispatch to. Only <cstddef> and <cstdint> are included here,
// and no function is defined: objects under isa/ may export nothing but their table.

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {

/// Some rows of activations times some rows of weights: y[i, n] = dot(x[i], w[n]) + bias[n].
struct MatmulTile {
  const std::byte* weights = nullptr;  // row 0
  size_t weight_stride = 0;            // bytes
  int64_t outputs = 0;                 // weight rows
  int64_t columns = 0;
  const std::byte* x = nullptr;  // f32 or bf16, by kernel
  size_t x_stride = 0;           // bytes
  int64_t count = 0;             // activation rows
  float* y = nullptr;
  int64_t y_stride = 0;
  const float* bias = nullptr;  // may be null
  /// Not null: these columns are some of a product's, and its partial sums are kept here in between, kSumsOfProduct
  /// floats for each activation row (rounded up to kSumsRows) and each output (rounded up to kSumsOutputs).
  float* sums = nullptr;
  bool first = true;  // columns: sums start at 0
  bool last = true;   // y is written
};
inline constexpr int64_t kSumsOfProduct = 16;
inline constexpr int64_t kSumsRows = 6;
inline constexpr int64_t kSumsOutputs = 8;
using MatmulKernel = void (*)(const MatmulTile& tile);
using DequantizeKernel = void (*)(const std::byte* row, int64_t columns, float* out);
using DequantizeBf16Kernel = void (*)(const std::byte* row, int64_t columns, uint16_t* out);

/// A block of a product in tile registers: bf16 rows (left) times packed bf16 columns (right), summed over some of k.
/// Sums of one block of k after the other meet in `sums`, so that each pass reads its operands from the caches. Weights
/// may stand on either side, tokens on the other.
struct TileProduct {
  const std::byte* left = nullptr;  // rows
  size_t left_stride = 0;           // bytes
  int64_t left_count = 0;
  int64_t columns = 0;               // of this block; a multiple of kTileColumns
  const std::byte* right = nullptr;  // groups of 16: columns / 2 lines of 16 pairs, as pack_tokens makes them
  size_t right_stride = 0;           // bytes between groups
  int64_t right_count = 0;
  float* sums = nullptr;  // [left_count / 16][right_count / 16] tiles of 16 x 16, both rounded up
  bool first = true;      // sums start at 0
  bool last = true;       // sums go to y
  float* y = nullptr;     // [tokens, outputs]
  int64_t y_stride = 0;
  const float* bias = nullptr;  // of the outputs; may be null
  bool added = false;           // to what y holds
  bool read_next = false;       // by this thread: y goes through the caches, not past them
};
inline constexpr int64_t kTileColumns = 32;
inline constexpr int64_t kTileSide = 16;  // outputs and tokens of a tile

/// Weights in panels of sixteen outputs, as cpu/packed_layout.h lays them out, times activations of 8 bits. Sums of
/// codes are exact, and the scaled sums of groups are added from the first group on, so that every kernel of every
/// instruction set gives the same bits.
struct PackedTile {
  const std::byte* panels = nullptr;  // the first panel
  size_t panel_bytes = 0;
  int64_t outputs = 0;  // the last panel may hold fewer than 16
  int64_t columns = 0;
  int64_t block_columns = 0;        // that share a head
  const int8_t* codes = nullptr;    // [count, columns]
  const float* scales = nullptr;    // [count, columns / 32]
  const int32_t* sums = nullptr;    // [count, columns / 16]: of the codes
  const int32_t* starts = nullptr;  // likewise: what those sums are for the layout (cpu/packed.cc)
  int64_t count = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  const float* bias = nullptr;  // may be null
  bool added = false;           // to what y holds
  float* scratch = nullptr;     // kPackedScratch floats for each token, on a cache line
};
inline constexpr int64_t kPackedScratch = 64;
using PackedKernel = void (*)(const PackedTile& tile);

/// Packed weights times bf16 activations, in tile registers.
struct PackedTileProduct {
  const std::byte* panels = nullptr;  // the first panel
  size_t panel_bytes = 0;
  int64_t outputs = 0;
  int64_t columns = 0;
  int64_t block_columns = 0;          // that share a head
  const std::byte* tokens = nullptr;  // bf16 rows of kPackedTileColumns columns, block of columns by block of columns
  static constexpr size_t kTokenStride = 1024 + 64;  // bytes: rows a power of two apart meet in few sets of the caches
  int64_t count = 0;
  float* sums = nullptr;  // 32 * 16 floats for each 16 tokens (rounded up) and each two panels (likewise)
  float* y = nullptr;
  int64_t y_stride = 0;
  const float* bias = nullptr;  // may be null
  bool added = false;           // to what y holds
  bool read_next = false;       // by this thread: y goes through the caches, not past them
};
using PackedTileKernel = void (*)(const PackedTileProduct& product);
inline constexpr int64_t kPackedTileColumns = 512;
inline constexpr int64_t kPanelOutputs = 16;
inline constexpr int64_t kGroupColumns = 32;

/// Activation rows that a kernel takes at once where it has to convert the weights: more rows go through a panel of
/// converted weights. (Formats that a kernel reads as they lie have no such limit: plain types for f32 activations,
/// bf16 for bf16.)
inline constexpr int64_t kFusedCountMax = 3;

/// What is known of one stored format. All kernels of one table that multiply the same format in the same arithmetic
/// sum over k in the same order, so that a row's result does not depend on which of them ran.
struct FormatKernels {
  MatmulKernel matmul_f32 = nullptr;   // f32 activations. Null: always a panel
  MatmulKernel matmul_bf16 = nullptr;  // bf16 activations; likewise
  DequantizeKernel dequantize = nullptr;
  DequantizeBf16Kernel dequantize_bf16 = nullptr;  // the same, rounded to bf16 to nearest even
};

/// An update of low rank: y[i, n] = gain[n] * y[i, n] + offset[n] + sum_r projected[i, r] * b[n, r].
struct LowRankTile {
  const float* projected = nullptr;
  int64_t projected_stride = 0;
  int64_t count = 0;  // rows
  int64_t rank = 0;
  const std::byte* panels = nullptr;  // b: [outputs / kLowRankOutputs, rounded up][rank][kLowRankOutputs]; codes of 8
                                      // bits behind an f32 that all of a panel's are multiplied by
  int64_t outputs = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  const float* gain = nullptr;    // null: 1
  const float* offset = nullptr;  // null: 0
  /// In tiles: `projected` in bf16, narrow_stride bytes between rows, finite up to a multiple of kTileColumns ranks.
  const std::byte* narrow = nullptr;
  size_t narrow_stride = 0;
};
inline constexpr int64_t kLowRankOutputs = 16;
using LowRankKernel = void (*)(const LowRankTile& tile);

/// One row's normalisation; weight and bias may be null.
struct NormTile {
  const float* weight = nullptr;
  const float* bias = nullptr;
  int64_t size = 0;
  float epsilon = 0.0F;
  float weight_offset = 0.0F;
};

/// One kv head's queries: rows r = token * group + head, at positions first + token.
struct AttentionTile {
  const float* q = nullptr;  // token 0, head 0 of the group; heads lie head_size apart
  int64_t q_stride = 0;      // floats between tokens
  float* out = nullptr;
  int64_t out_stride = 0;
  int64_t tokens = 0;
  int64_t group = 0;
  int64_t head_size = 0;
  const std::byte* const* keys = nullptr;  // pages of the whole layer
  const std::byte* const* values = nullptr;
  size_t head_offset = 0;    // bytes from a page's start to this kv head
  size_t row_bytes = 0;      // between a head's tokens
  size_t scales_offset = 0;  // from a head's first row to its scales, where it has any (cpu/kv_layout.h)
  int64_t page_tokens = 0;
  int64_t first = 0;    // position of token 0
  int64_t context = 0;  // keys present
  int64_t window = 0;   // 0: none
  bool causal = true;
  float scale = 1.0F;
  float softcap = 0.0F;      // 0: none
  float* scratch = nullptr;  // on a cache line; how much: attention.cc

  int64_t keys_begin = 0;         // this call's part of the keys
  int64_t keys_end = INT64_MAX;   // (not of a prompt)
  float* part_largest = nullptr;  // not null: out gets weighted values that are not yet divided by the sum of weights,
  float* part_total = nullptr;    // these the largest score (-infinity: none) and that sum, of each row
};

using AttentionKernel = void (*)(const AttentionTile& tile);

/// Keys that one step of the online softmax covers; blocks start at multiples of it in the sequence.
inline constexpr int64_t kKeyBlock = 64;

/// The same of a prompt, and the rows that a step takes at once.
inline constexpr int64_t kPromptKeys = 256;
inline constexpr int64_t kPromptRows = 32;

/// Rotation of one token's heads: element pairs (first[j], second[j]) by cosine[j], sine[j].
struct RopeTile {
  const float* cosine = nullptr;
  const float* sine = nullptr;
  int64_t half = 0;  // rotary / 2
  int64_t heads = 0;
  int64_t head_size = 0;
};

/// Multiplies ones by ones in registers alone and adds them up, `rounds` times for each of many sums, and returns the
/// total of all sums, which so is the number of products made. Every single sum stays exact up to kPeakRoundsMax
/// rounds.
using PeakKernel = double (*)(int64_t rounds);
inline constexpr int64_t kPeakRoundsMax = 1 << 15;

using MapKernel = void (*)(float* x, int64_t size);
using GateKernel = void (*)(const float* gate, const float* up, float* out, int64_t size);

inline constexpr int64_t kMaximaBlock = 32;

/// Function pointers only. A null entry falls back to the next instruction set below that this one includes; null in
/// all of them means absent.
struct KernelTable {
  FormatKernels f32, f16, bf16, f8_e4m3;
  FormatKernels q4_0, q4_1, q5_0, q5_1, q8_0;
  FormatKernels q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs;
  FormatKernels int4_scaled, int8_scaled, f8_scaled;

  void (*to_bf16)(const float* x, int64_t size, uint16_t* out) = nullptr;     // nearest even
  void (*round_to_bf16)(const float* x, int64_t size, float* out) = nullptr;  // the same, kept in f32; in place allowed

  /// Products in tile registers, weights to the left. pack_tokens: `count` (at most kTileSide) rows of f32, `stride`
  /// floats apart, become `columns` / 2 (rounded up to whole tiles) rows of 16 pairs of bf16, one pair a token; what is
  /// missing is 0.
  void (*tile_product)(const TileProduct& product) = nullptr;
  void (*pack_tokens)(const float* x, int64_t stride, int64_t count, int64_t columns, std::byte* out) = nullptr;

  /// Products of packed weights, by layout. quantize_row: one row of activations becomes codes, a scale for each 32 and
  /// the sums of each 16 codes.
  PackedKernel packed_w4 = nullptr, packed_w5 = nullptr, packed_w8 = nullptr, packed_w4_i = nullptr;
  PackedKernel packed_w4_m = nullptr, packed_w5_m = nullptr, packed_w2_k = nullptr, packed_w3_k = nullptr;
  PackedKernel packed_w4_k = nullptr, packed_w5_k = nullptr, packed_w6_k = nullptr, packed_w4_ik = nullptr;
  PackedKernel packed_w4_g = nullptr, packed_w8_g = nullptr;
  PackedTileKernel packed_tiles_w4 = nullptr, packed_tiles_w5 = nullptr, packed_tiles_w8 = nullptr;
  PackedTileKernel packed_tiles_w4_i = nullptr, packed_tiles_w4_m = nullptr, packed_tiles_w5_m = nullptr;
  PackedTileKernel packed_tiles_w2_k = nullptr, packed_tiles_w3_k = nullptr, packed_tiles_w4_k = nullptr;
  PackedTileKernel packed_tiles_w5_k = nullptr, packed_tiles_w6_k = nullptr, packed_tiles_w4_ik = nullptr;
  PackedTileKernel packed_tiles_w4_g = nullptr, packed_tiles_w8_g = nullptr;
  void (*quantize_row)(const float* x, int64_t columns, int8_t* codes, float* scales, int32_t* sums) = nullptr;

  LowRankKernel low_rank_f32 = nullptr, low_rank_bf16 = nullptr, low_rank_int8 = nullptr;  // by type of the panels
  /// The same of whole panels, in products of bf16 (`narrow`); neither gain nor offset.
  LowRankKernel low_rank_tiles_f32 = nullptr, low_rank_tiles_bf16 = nullptr, low_rank_tiles_int8 = nullptr;

  void (*rms_norm)(const NormTile& norm, const float* x, float* out) = nullptr;
  void (*layer_norm)(const NormTile& norm, const float* x, float* out) = nullptr;
  void (*rope_split)(const RopeTile& rope, float* x) = nullptr;        // pairs (j, j + half)
  void (*rope_interleaved)(const RopeTile& rope, float* x) = nullptr;  // pairs (2j, 2j + 1)

  MapKernel silu = nullptr, gelu_erf = nullptr, gelu_tanh = nullptr, relu = nullptr;
  GateKernel gate_silu = nullptr, gate_gelu_erf = nullptr, gate_gelu_tanh = nullptr, gate_relu = nullptr;
  void (*add_scaled)(float a, const float* x, float* y, int64_t size) = nullptr;
  void (*softcap)(float cap, float* x, int64_t size) = nullptr;

  float (*maximum)(const float* x, int64_t size) = nullptr;
  float (*exp_sum)(const float* x, int64_t size, float shift) = nullptr;  // sum of exp(x - shift)
  float (*exp_in_place)(float* x, int64_t size, float shift) = nullptr;   // x = exp(x - shift); returns the sum
  int64_t (*argmax)(const float* x, int64_t size) = nullptr;
  void (*scale)(float factor, float* x, int64_t size) = nullptr;
  void (*block_maxima)(const float* x, int64_t size, float* out) = nullptr;  // of kMaximaBlock each; the last has fewer
  /// The indices of elements that are at least `least`, ascending: how many. Room for all of them.
  int64_t (*indices_at_least)(const float* x, int64_t size, float least, int32_t* out) = nullptr;

  AttentionKernel attention_f32 = nullptr, attention_bf16 = nullptr;  // by type of keys and values
  AttentionKernel attention_int8 = nullptr, attention_int4 = nullptr;
  /// The same of prompts, in products of bf16.
  AttentionKernel attention_prompt_bf16 = nullptr, attention_prompt_int8 = nullptr, attention_prompt_int4 = nullptr;

  /// A token's key or value of one head, as cpu/kv_layout.h says.
  void (*quantize_kv_int8)(const float* x, int64_t size, std::byte* codes, float* scale) = nullptr;
  void (*quantize_kv_int4)(const float* x, int64_t size, std::byte* row) = nullptr;

  /// The fastest products that this set has for a type, for cpu/limits.h.
  PeakKernel peak_f32 = nullptr, peak_bf16 = nullptr, peak_int8 = nullptr;
};

extern const KernelTable kScalarKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvxVnniKernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAvx512VnniKernels;
extern const KernelTable kAvx512Bf16Kernels;
extern const KernelTable kAmxKernels;

}  // namespace kedge::cpu
