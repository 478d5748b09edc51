// Products of bf16 with VDPBF16PS, of matrices and of a prompt's attention. Everything else falls back to isa/avx512.

#include "cpu/isa/avx512/vector.h"
// The order matters: each header is written in terms of those before it.
// clang-format off
#include "cpu/isa/vector/math.h"
#include "cpu/isa/vector/matmul.h"
#include "cpu/isa/vector/formats.h"
#include "cpu/isa/vector/fused.h"
#include "cpu/isa/vector/peak.h"
#include "cpu/isa/avx512_bf16/pairs.h"
#include "cpu/isa/tiles/attention.h"
// clang-format on
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kPairLanes = 32;

inline __m512bh load_pairs_of_bf16(const std::byte* p) {
  return (__m512bh)_mm512_loadu_si512(p);
}
/// Rounds 32 floats in order: the instruction takes the upper half first.
inline __m512bh narrow(Vector low, Vector high) {
  return _mm512_cvtne2ps_pbh(high, low);
}
inline __mmask32 first_pairs(int64_t count) {
  return static_cast<__mmask32>((uint64_t{1} << count) - 1U);
}

/// 32 elements of a row as bf16: as stored, or rounded on the way.
struct StoredBf16 {
  static constexpr int64_t kElementBytes = 2;
  static __m512bh load(const std::byte* row, int64_t k) { return load_pairs_of_bf16(row + 2 * k); }
  static __m512bh load_first(const std::byte* row, int64_t k, int64_t count) {
    return (__m512bh)_mm512_maskz_loadu_epi16(first_pairs(count), row + 2 * k);
  }
};
template <typename Row>
struct RoundedRow {
  static constexpr int64_t kElementBytes = Row::kElementBytes;
  static __m512bh load(const std::byte* row, int64_t k) {
    return narrow(Row::load(row, k), Row::load(row, k + kLanes));
  }
  static __m512bh load_first(const std::byte* row, int64_t k, int64_t count) {
    if (count <= kLanes) return narrow(Row::load_first(row, k, count), zero());
    return narrow(Row::load(row, k), Row::load_first(row, k + kLanes, count - kLanes));
  }
};

template <typename WeightRow>
struct Bf16Dot {
  static constexpr int64_t kStep = kPairLanes;
  using Activations = StoredBf16;
  using Weights = WeightRow;
  static Vector add_products(Vector sum, __m512bh x, __m512bh w) { return _mm512_dpbf16_ps(sum, x, w); }
};

/// bf16 activations times one part of 32 weights.
struct Bf16Part {
  static constexpr int64_t kActivationBytes = 2;
  static Vector add_products(Vector sum, const std::byte* x, const Group (&w)[2]) {
    return _mm512_dpbf16_ps(sum, load_pairs_of_bf16(x), narrow(w[0].part[0], w[1].part[0]));
  }
};

void to_bf16(const float* x, int64_t size, uint16_t* out) {
  int64_t i = 0;
  for (; i + kPairLanes <= size; i += kPairLanes) {
    _mm512_storeu_si512(out + i, (__m512i)narrow(load(x + i), load(x + i + kLanes)));
  }
  for (; i < size; i += kLanes) {
    const int64_t count = size - i < kLanes ? size - i : kLanes;
    _mm256_mask_storeu_epi16(out + i, first_lanes(count), (__m256i)_mm512_cvtneps_pbh(load_first(x + i, count)));
  }
}

template <typename Format, int kPart, typename Scales>
[[gnu::always_inline]] inline void store_narrow_parts(const std::byte* block, const Scales& scales, uint16_t* out) {
  if constexpr (kPart < Format::kParts) {
    Group w[2];
    Format::template expand<kPart>(block, scales, w);
    _mm512_storeu_si512(out + 32 * kPart, (__m512i)narrow(w[0].part[0], w[1].part[0]));
    store_narrow_parts<Format, kPart + 1>(block, scales, out);
  }
}

template <typename Format>
void dequantize_bf16(const std::byte* row, int64_t columns, uint16_t* out) {
  for (int64_t k = 0; k < columns; k += 32 * Format::kParts, row += Format::kBytes) {
    store_narrow_parts<Format, 0>(row, Format::open(row), out + k);
  }
}

/// What prompt_attention multiplies with: the layout of tile registers, in vectors of sixteen queries.
struct VectorProducts {
  static constexpr int kRows = 8;

  static void begin() {}
  static void end() {}
  static void multiply(const TileProduct& p) {
    for (int64_t left = 0; left < p.left_count; left += kRows) multiply_rows(p, left);
  }

  // Bound: 16 products for two loads and eight broadcasts, so that the multipliers limit (one product a cycle on Zen 4,
  // with a latency of six); 16 sums stay in registers under GCC 12, more do not.
  static void multiply_rows(const TileProduct& p, int64_t left) {
    const std::byte* const a = p.left + static_cast<size_t>(left) * p.left_stride;
    float* const target = p.sums + left / kTileSide * 512 + left % kTileSide * 16;
    Vector sums[kRows][2];
    for (int r = 0; r < kRows; ++r) {
      for (int half = 0; half < 2; ++half) {
        sums[r][half] = p.first ? zero() : cpu::load(target + r * 16 + half * 256);
      }
    }
    const std::byte* b = p.right;
    for (int64_t k = 0; k < p.columns; k += 2, b += 64) {
      const __m512bh low = load_pairs_of_bf16(b);
      const __m512bh high = load_pairs_of_bf16(b + p.right_stride);
      for (int r = 0; r < kRows; ++r) {
        int32_t pair;
        __builtin_memcpy(&pair, a + static_cast<size_t>(r) * p.left_stride + 2 * k, sizeof(pair));
        const auto va = (__m512bh)_mm512_set1_epi32(pair);
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], va, low);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], va, high);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int half = 0; half < 2; ++half) store(target + r * 16 + half * 256, sums[r][half]);
    }
  }
};

template <typename Format>
constexpr FormatKernels kBf16BlockKernels = {.matmul_bf16 = fused<Format, Bf16Part>,
                                             .dequantize_bf16 = dequantize_bf16<Format>};

struct Bf16Products {
  using Sum = Vector;
  using Operand = __m512i;  // Clang 16 takes no __m512bh as an operand of asm
  static Sum none() { return zero(); }
  static Operand ones() { return (Operand)narrow(broadcast(1.0F), broadcast(1.0F)); }
  static Sum add(Sum sum, Operand a) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)a); }
  static double total(const Sum& sum) { return total_of<float>(sum); }
};

}  // namespace

const KernelTable kAvx512Bf16Kernels = {
    .f32 = {.matmul_bf16 = matmul<Bf16Dot<RoundedRow<F32Row>>>},
    .f16 = {.matmul_bf16 = matmul<Bf16Dot<RoundedRow<F16Row>>>},
    .bf16 = {.matmul_bf16 = matmul<Bf16Dot<StoredBf16>>},
    .q4_0 = kBf16BlockKernels<Q4_0>,
    .q4_1 = kBf16BlockKernels<Q4_1>,
    .q5_0 = kBf16BlockKernels<Q5_0>,
    .q5_1 = kBf16BlockKernels<Q5_1>,
    .q8_0 = kBf16BlockKernels<Q8_0>,
    .q2_k = kBf16BlockKernels<Q2K>,
    .q3_k = kBf16BlockKernels<Q3K>,
    .q4_k = kBf16BlockKernels<Q4K>,
    .q5_k = kBf16BlockKernels<Q5K>,
    .q6_k = kBf16BlockKernels<Q6K>,
    .iq4_nl = kBf16BlockKernels<Iq4Nl>,
    .iq4_xs = kBf16BlockKernels<Iq4Xs>,
    .int4_scaled = kBf16BlockKernels<Int4Scaled>,
    .int8_scaled = kBf16BlockKernels<Int8Scaled>,
    .f8_scaled = kBf16BlockKernels<F8Scaled>,
    .to_bf16 = to_bf16,
    .attention_prompt_bf16 = prompt_attention<VectorProducts, Bf16Rows>,
    .attention_prompt_int8 = prompt_attention<VectorProducts, Int8Rows>,
    .attention_prompt_int4 = prompt_attention<VectorProducts, Int4Rows>,
    .peak_bf16 = peak<Bf16Products>,
};

}  // namespace kedge::cpu
