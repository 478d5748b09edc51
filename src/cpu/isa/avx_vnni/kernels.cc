// Products of packed weights with the VPDPBUSD of CPUs that have it without AVX-512. Everything else falls back to
// isa/avx2.

#include "cpu/isa/avx2/vector.h"
// The order matters: each header is written in terms of those before it.
#include "cpu/isa/avx2/packed.h"
#include "cpu/isa/vector/peak.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// Four bytes at a time, in 32 bits: exact whatever the codes.
struct QuadProducts {
  template <int, int, int kBegin, int kEnd>
  static __m256i sum(const __m256i (&codes)[kQuads], const TokenGroup& x, __m256i start) {
    for (int quad = kBegin; quad < kEnd; ++quad) {
      start = _mm256_dpbusd_avx_epi32(start, codes[quad], quad_of(x.codes, quad));
    }
    return start;
  }
};

struct Int8Products {
  using Sum = __m256i;
  using Operand = __m256i;
  static Sum none() { return _mm256_setzero_si256(); }
  static Operand ones() { return _mm256_set1_epi8(1); }
  static Sum add(Sum sum, Operand a) { return _mm256_dpbusd_avx_epi32(sum, a, a); }
  static double total(const Sum& sum) { return total_of<int32_t>(sum); }
};

}  // namespace

const KernelTable kAvxVnniKernels = {
    .packed_w4 = packed_product<W4, QuadProducts>,
    .packed_w5 = packed_product<W5, QuadProducts>,
    .packed_w8 = packed_product<W8, QuadProducts>,
    .packed_w4_i = packed_product<W4I, QuadProducts>,
    .packed_w4_m = packed_product<W4M, QuadProducts>,
    .packed_w5_m = packed_product<W5M, QuadProducts>,
    .packed_w2_k = packed_product<W2K, QuadProducts>,
    .packed_w3_k = packed_product<W3K, QuadProducts>,
    .packed_w4_k = packed_product<W4K, QuadProducts>,
    .packed_w5_k = packed_product<W5K, QuadProducts>,
    .packed_w6_k = packed_product<W6K, QuadProducts>,
    .packed_w4_ik = packed_product<W4IK, QuadProducts>,
    .packed_w4_g = packed_product<W4G, QuadProducts>,
    .packed_w8_g = packed_product<W8G, QuadProducts>,
    .peak_int8 = peak<Int8Products>,
};

}  // namespace kedge::cpu
