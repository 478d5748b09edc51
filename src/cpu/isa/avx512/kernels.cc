#include "cpu/isa/avx512/vector.h"
// The order matters: each header is written in terms of those before it.
#include "cpu/isa/vector/math.h"
// clang-format off
#include "cpu/isa/vector/elementwise.h"
#include "cpu/isa/vector/matmul.h"
#include "cpu/isa/vector/low_rank.h"
#include "cpu/isa/vector/formats.h"
#include "cpu/isa/vector/fused.h"
#include "cpu/isa/vector/kv.h"
#include "cpu/isa/vector/attention.h"
#include "cpu/isa/vector/peak.h"
// clang-format on
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

struct F32Products {
  using Sum = Vector;
  using Operand = Vector;
  static Sum none() { return zero(); }
  static Operand ones() { return broadcast(1.0F); }
  static Sum add(Sum sum, Operand a) { return multiply_add(a, a, sum); }
  static double total(const Sum& sum) { return total_of<float>(sum); }
};

/// Bytes in pairs and pairs in pairs: what there is before VPDPBUSD.
struct Int8Products {
  using Sum = __m512i;
  using Operand = __m512i;
  static Sum none() { return _mm512_setzero_si512(); }
  static Operand ones() { return _mm512_set1_epi8(1); }
  static Sum add(Sum sum, Operand a) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, a), _mm512_set1_epi16(1)));
  }
  static double total(const Sum& sum) { return total_of<int32_t>(sum); }
};

}  // namespace

const KernelTable kAvx512Kernels = {
    .f32 = {.matmul_f32 = matmul<F32Dot<F32Row>>, .dequantize = dequantize_plain<F32Row>},
    .f16 = {.matmul_f32 = matmul<F32Dot<F16Row>>, .dequantize = dequantize_plain<F16Row>},
    .bf16 = {.matmul_f32 = matmul<F32Dot<Bf16Row>>, .dequantize = dequantize_plain<Bf16Row>},
    .f8_e4m3 = {.dequantize = dequantize_f8},
    .q4_0 = kF32BlockKernels<Q4_0>,
    .q4_1 = kF32BlockKernels<Q4_1>,
    .q5_0 = kF32BlockKernels<Q5_0>,
    .q5_1 = kF32BlockKernels<Q5_1>,
    .q8_0 = kF32BlockKernels<Q8_0>,
    .q2_k = kF32BlockKernels<Q2K>,
    .q3_k = kF32BlockKernels<Q3K>,
    .q4_k = kF32BlockKernels<Q4K>,
    .q5_k = kF32BlockKernels<Q5K>,
    .q6_k = kF32BlockKernels<Q6K>,
    .iq4_nl = kF32BlockKernels<Iq4Nl>,
    .iq4_xs = kF32BlockKernels<Iq4Xs>,
    .int4_scaled = kF32BlockKernels<Int4Scaled>,
    .int8_scaled = kF32BlockKernels<Int8Scaled>,
    .f8_scaled = kF32BlockKernels<F8Scaled>,
    .to_bf16 = to_bf16,
    .round_to_bf16 = round_to_bf16,
    .low_rank_f32 = low_rank<PlainPanels<F32Row>>,
    .low_rank_bf16 = low_rank<PlainPanels<Bf16Row>>,
    .low_rank_int8 = low_rank<CodePanels>,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope_split = rope_split,
    .rope_interleaved = rope_interleaved,
    .silu = map<Silu>,
    .gelu_erf = map<GeluErf>,
    .gelu_tanh = map<GeluTanh>,
    .relu = map<Relu>,
    .gate_silu = gate_map<Silu>,
    .gate_gelu_erf = gate_map<GeluErf>,
    .gate_gelu_tanh = gate_map<GeluTanh>,
    .gate_relu = gate_map<Relu>,
    .add_scaled = add_scaled,
    .softcap = softcap,
    .maximum = maximum,
    .exp_sum = exp_sum,
    .exp_in_place = exp_in_place,
    .argmax = argmax,
    .scale = scale,
    .block_maxima = block_maxima,
    .indices_at_least = indices_at_least,
    .attention_f32 = attention<InFloats<F32Kv>>,
    .attention_bf16 = attention<InFloats<Bf16Kv>>,
    .attention_int8 = attention<InFloats<Int8Kv>>,
    .attention_int4 = attention<InFloats<Int4Kv>>,
    .quantize_kv_int8 = quantize_kv_int8,
    .quantize_kv_int4 = quantize_kv_int4,
    .peak_f32 = peak<F32Products>,
    .peak_bf16 = peak<F32Products>,
    .peak_int8 = peak<Int8Products>,
};

}  // namespace kedge::cpu
