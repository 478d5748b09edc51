// Products of packed weights with VPDPBUSD, attention over keys and values of 8 bits with VPDPWSSD. Everything else
// falls back to isa/avx512.

#include "cpu/isa/avx512/vector.h"
// The order matters: each header is written in terms of those before it.
// clang-format off
#include "cpu/isa/avx512_vnni/groups.h"
#include "cpu/isa/avx512_vnni/products.h"
#include "cpu/isa/avx512_vnni/blocks.h"
#include "cpu/isa/vector/peak.h"
#include "cpu/isa/vector/math.h"
#include "cpu/isa/vector/matmul.h"
#include "cpu/isa/vector/kv.h"
#include "cpu/isa/vector/attention.h"
#include "cpu/isa/avx512_vnni/attention.h"
// clang-format on
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// As isa/scalar/packed.h defines it.
void quantize_row(const float* x, int64_t columns, int8_t* codes, float* scales, int32_t* sums) {
  constexpr float kSmallestGroup = 1e-30F;
  for (int64_t g = 0; g < columns / kGroupColumns; ++g, x += kGroupColumns, codes += kGroupColumns) {
    const Vector low = load(x), high = load(x + kLanes);
    const Vector low_size = _mm512_abs_ps(low), high_size = _mm512_abs_ps(high);
    const Vector limit = broadcast(3.402823466e38F);
    const bool finite = _mm512_cmp_ps_mask(low_size, limit, _CMP_LE_OQ) == 0xffff &&
                        _mm512_cmp_ps_mask(high_size, limit, _CMP_LE_OQ) == 0xffff;
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(low_size, high_size));
    const bool is_zero = !finite || largest < kSmallestGroup;
    const Vector inverse = broadcast(is_zero ? 0.0F : 127.0F / largest);
    scales[g] = !finite ? __builtin_nanf("") : is_zero ? 0.0F : largest / 127.0F;
    const LaneMask kept = is_zero ? 0 : 0xffff;
    const __m512i first = _mm512_maskz_cvtps_epi32(kept, multiply(low, inverse));
    const __m512i second = _mm512_maskz_cvtps_epi32(kept, multiply(high, inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(first));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16), _mm512_cvtepi32_epi8(second));
    sums[2 * g] = _mm512_reduce_add_epi32(first);
    sums[2 * g + 1] = _mm512_reduce_add_epi32(second);
  }
}

struct Int8Products {
  using Sum = __m512i;
  using Operand = __m512i;
  static Sum none() { return _mm512_setzero_si512(); }
  static Operand ones() { return _mm512_set1_epi8(1); }
  static Sum add(Sum sum, Operand a) { return _mm512_dpbusd_epi32(sum, a, a); }
  static double total(const Sum& sum) { return total_of<int32_t>(sum); }
};

}  // namespace

const KernelTable kAvx512VnniKernels = {
    .packed_w4 = blocks_product<W4>,
    .packed_w5 = blocks_product<W5>,
    .packed_w8 = blocks_product<W8>,
    .packed_w4_i = blocks_product<W4I>,
    .packed_w4_m = blocks_product<W4M>,
    .packed_w5_m = blocks_product<W5M>,
    .packed_w2_k = blocks_product<W2K>,
    .packed_w3_k = blocks_product<W3K>,
    .packed_w4_k = blocks_product<W4K>,
    .packed_w5_k = blocks_product<W5K>,
    .packed_w6_k = blocks_product<W6K>,
    .packed_w4_ik = blocks_product<W4IK>,
    .packed_w4_g = blocks_product<W4G>,
    .packed_w8_g = blocks_product<W8G>,
    .quantize_row = quantize_row,
    .attention_int8 = attention<InWords>,
    .peak_int8 = peak<Int8Products>,
};

}  // namespace kedge::cpu
