#pragma once
// The operations that models are made of. Every function dispatches once to the active ISA's table and splits its
// work over the pool. All activations are row-major float32; weights stay in their stored type.
//
// Promise of every operation: the result of a row does not depend on how many other rows are computed with it, on the
// thread count, or on the chunking (fixed reduction order).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/dtype.h"
#include "core/thread_pool.h"
#include "cpu/kv_layout.h"

namespace kedge::cpu {

struct RmsNorm;
struct LowRankProjection;

enum class Activation : uint8_t { silu, gelu_erf, gelu_tanh, relu };

/// `count` rows of floats, `stride` floats apart, that an operation reads.
struct InputRows {
  const float* data = nullptr;
  int64_t stride = 0;
  int64_t count = 0;
  const RmsNorm* norm = nullptr;  // not null: rows are normalised first, on their way (products alone)
};
/// As many rows as the input has, that an operation writes.
struct OutputRows {
  float* data = nullptr;
  int64_t stride = 0;
  bool added = false;                         // to what the rows hold (products alone): a residual
  const LowRankProjection* update = nullptr;  // not null: what else some rows get (products alone)
  const Activation* activation = nullptr;     // not null: what is made of each output (matmul alone)
};

/// A weight matrix as stored: `rows` rows (outputs) of `columns` elements (inputs), each `row_stride` bytes apart.
/// dtype: f32, f16, bf16, f8_e4m3 or any block type.
struct WeightView {
  DType dtype = DType::f32;
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  size_t row_stride = 0;
  int64_t scale_columns = 0;  // INT4, INT8: columns that share a scale and a zero, where known to be more than a block
  /// Element k of a row is of input column_order[k], where columns lie in another order than the inputs. May be null.
  const int32_t* column_order = nullptr;

  /// Rows [first, first + count) of this matrix (a fused qkv_proj holds three).
  [[nodiscard]] WeightView slice(int64_t first, int64_t count) const {
    WeightView part = *this;
    part.data += static_cast<size_t>(first) * row_stride;
    part.rows = count;
    return part;
  }
};

enum class MatmulCompute : uint8_t {
  f32,         // weights widened to f32, activations as they are
  bf16,        // activations (and weights, where wider) rounded to bf16 to nearest even, products accumulated in f32
  bf16_tiles,  // the same in another order of summation: that of tile registers, where the CPU has them. For prompts
  int8,        // activations rounded to 8 bits in groups of 32, codes summed exactly. For packed weights (cpu/packed.h)
};

/// `compute` for weights that are not packed: int8 becomes the fastest that this CPU has for them.
MatmulCompute for_stored_weights(MatmulCompute compute);

/// The fastest form of `compute` on this CPU where tokens come in numbers.
MatmulCompute for_many_tokens(MatmulCompute compute);

/// The fastest form of `compute` on this CPU for a step of decoding, however many sequences it has. Tiles take bf16
/// weights as they are stored as fast as memory gives them for one token, and for 32 in a quarter of the vectors' time.
MatmulCompute for_decoding(MatmulCompute compute, const WeightView& w);

/// y[i, n] = sum_k x[i, k] * w[n, k] + bias[n] for i in [0, x.count).
/// x: rows of w.columns; y: rows of w.rows. bias may be null. Any column count (tails are masked). Dot products run
/// over k in one fixed order whatever x.count is, which may be another one for each MatmulCompute.
/// With x.norm the bits of rms_norm and this after it, with y.added those of this and add_scaled, with y.update those
/// of this and low_rank_add, with y.activation those of this and `activation`. REQUIRES: no norm where w has a column
/// order; of y.added, y.update and y.activation one at most.
void matmul(WorkerPool& pool, const WeightView& w, const InputRows& x, const OutputRows& y, const float* bias,
            MatmulCompute compute);

/// Weights and the bias of their outputs, which may be null.
struct BiasedWeights {
  WeightView weight;
  const float* bias = nullptr;
};
/// Products of several weights with the same rows, side by side in y: the bits of a matmul each. Rows are made ready
/// once. y.update knows the outputs of all. REQUIRES: as of matmul; no column orders.
void stacked_matmul(WorkerPool& pool, std::span<const BiasedWeights> stack, const InputRows& x, const OutputRows& y,
                    MatmulCompute compute);

/// Weights of one shape whose products gate one another.
struct GatedWeights {
  BiasedWeights gate, up;
  Activation activation = Activation::silu;
};
/// y[i, j] = act(x[i] * gate[j]) * (x[i] * up[j]): the bits of two matmuls and gated_activation. y.update knows the
/// outputs of `gate` and behind them those of `up`. REQUIRES: as of stacked_matmul; y is not added.
void gated_matmul(WorkerPool& pool, const GatedWeights& w, const InputRows& x, const OutputRows& y,
                  MatmulCompute compute);

/// out[columns] = row `row` of w as f32.
void dequantize_row(const WeightView& w, int64_t row, float* out);

/// RMSNorm (Zhang & Sennrich 2019): out = x / sqrt(mean(x^2) + eps) * (weight_offset + weight).
/// Rows of `size`; in place allowed. weight_offset is 1 for Gemma. weight may be null (all ones).
struct RmsNorm {
  const float* weight = nullptr;
  int64_t size = 0;
  float epsilon = 1e-5F;
  float weight_offset = 0.0F;
};
void rms_norm(WorkerPool& pool, const RmsNorm& norm, const InputRows& x, const OutputRows& out);

/// LayerNorm (Ba et al. 2016) with weight and bias (bias may be null).
struct LayerNorm {
  const float* weight = nullptr;
  const float* bias = nullptr;
  int64_t size = 0;
  float epsilon = 1e-5F;
};
void layer_norm(WorkerPool& pool, const LayerNorm& norm, const InputRows& x, const OutputRows& out);

/// Rotary embedding (Su et al. 2021), half-split form: element j of the first half of the rotated part pairs with
/// element j + rotary/2. `cosine`/`sine`: [count, rotary/2], already scaled by the attention factor.
/// x: [count, heads, head_size] with x_stride floats between tokens; elements past `rotary` stay as they are.
struct Rope {
  const float* cosine = nullptr;
  const float* sine = nullptr;
  int64_t rotary = 0;
  int64_t heads = 0;
  int64_t head_size = 0;
  bool interleaved = false;  // true: element 2j pairs with 2j + 1 (the row order of GGUF's `llama` architecture)
};
void apply_rope(WorkerPool& pool, const Rope& rope, float* x, int64_t x_stride, int64_t count);

/// out[i, j] = act(gate[i, j]) * up[i, j] for j in [0, size); up's rows lie as far apart as gate's; out may be gate.
void gated_activation(WorkerPool& pool, Activation act, const InputRows& gate, const float* up, int64_t size,
                      const OutputRows& out);

/// x[i, j] = act(x[i, j]), `size` contiguous floats.
void activation(WorkerPool& pool, Activation act, float* x, int64_t size);

/// y += a * x over `size` contiguous floats.
void add_scaled(WorkerPool& pool, float a, const float* x, float* y, int64_t size);

/// x = cap * tanh(x / cap) over `size` contiguous floats (Gemma 2's soft capping).
void softcap(WorkerPool& pool, float cap, float* x, int64_t size);

/// In-place softmax of one row, and its log-sum-exp; both subtract the maximum first.
void softmax(float* x, int64_t size);
float log_sum_exp(const float* x, int64_t size);
/// Index of the first largest element.
int64_t argmax(const float* x, int64_t size);
float maximum(const float* x, int64_t size);
/// x = exp(x - shift); returns the sum.
float exp_in_place(float* x, int64_t size, float shift);
float exp_sum(const float* x, int64_t size, float shift);
/// x = factor * x
void scale(float factor, float* x, int64_t size);
/// The largest element of each kMaximaElements, the last of fewer. out: one for each.
inline constexpr int64_t kMaximaElements = 32;
void block_maxima(const float* x, int64_t size, float* out);
/// Indices of the elements that are at least `least`, ascending; returns how many. out: room for `size`.
int64_t indices_at_least(const float* x, int64_t size, float least, int32_t* out);

/// The keys and values of one layer of one sequence, in pages. Page p holds positions [p * page_tokens, ...):
/// keys[p] and values[p] point to what cpu/kv_layout.h lays out for `type`, on a border of 4 bytes.
/// Pages before the attention window may be null: they are never read.
struct KvView {
  KvType type = KvType::f32;
  int64_t page_tokens = 0;
  int64_t kv_heads = 0;
  int64_t head_size = 0;
  std::span<std::byte* const> keys;
  std::span<std::byte* const> values;
};

/// As options and messages write it.
std::string_view name_of(KvType type);

/// Scaled dot-product attention (Vaswani et al. 2017), online softmax over the pages (Milakov & Gimelshein 2018; Dao et
/// al. 2022), grouped queries (Ainslie et al. 2023).
struct Attention {
  int64_t heads = 0;     // query heads; a multiple of the view's kv_heads
  float scale = 1.0F;    // applied to q.k; above 0
  float softcap = 0.0F;  // 0: none; else scores = softcap * tanh(scores / softcap), before the mask
  int64_t window = 0;    // 0: none; else position p sees only positions > p - window
  bool causal = true;    // false (encoders): every query sees all `context` keys
  /// A prompt's queries, or those of a step of decoding. Both orders of summation keep the promise above, but they are
  /// two: over keys and values of 16 bits or fewer a prompt is computed in bf16 products where the CPU has them
  /// (queries, weights and what codes of fewer bits stand for are rounded, sums stay f32); decoding takes long contexts
  /// in parts that it adds up.
  bool prompt = false;
};
/// The queries of one sequence: `count` of them, the first one at position `first`.
struct AttentionRun {
  KvView kv;
  int64_t first = 0;
  int64_t count = 0;
  int64_t context = 0;  // keys present (causal: first + count)
};
/// Stores the keys and values of all runs at the positions of their queries. k and v: rows of [kv_heads, head_size], as
/// far apart, run after run. The runs' views have one shape.
void store_kv(WorkerPool& pool, std::span<const AttentionRun> runs, const InputRows& k, const float* v);

/// q: one row of [heads, head_size] a query, run after run; out likewise. The runs' views have one shape.
void attention(WorkerPool& pool, const Attention& attention, std::span<const AttentionRun> runs, const InputRows& q,
               const OutputRows& out);

}  // namespace kedge::cpu
