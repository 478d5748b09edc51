// Products of packed weights with VPDPBUSD. Everything else falls back to isa/avx512.

#include "cpu/isa/avx512/vector.h"
// The order matters: groups are written in terms of vectors.
#include "cpu/isa/avx512_vnni/groups.h"
#include "cpu/isa/vector/peak.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// kTokens tokens from `token` on, times one panel.
// Bound: with one token the weights' way from memory (a group of 288 bytes takes some 30 operations); with many, the
// two ports of VPDPBUSD: 8 of 11 operations there are products.
template <typename Group, int kTokens>
[[gnu::noinline]] void panel_times(const PackedTile& t, const std::byte* block, int64_t output, int64_t token) {
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t groups = t.columns / kGroupColumns;
  const int8_t* codes = t.codes + token * t.columns;
  const float* scales = t.scales + token * groups;
  const int32_t* sums = t.sums + token * 2 * groups;
  Vector y[kTokens];
  for (int i = 0; i < kTokens; ++i) y[i] = zero();
  for (int64_t k = 0; k < t.columns; k += shape.block_columns, block += bytes_of_block(shape)) {
    const typename Group::Block head = Group::open(block);
    const std::byte* at = block + shape.head_bytes;
    for (int64_t g = 0; g < shape.block_columns / kGroupColumns; ++g, at += shape.group_bytes) {
      const Group group(head, at);
      for (int i = 0; i < kTokens; ++i) {
        y[i] = group.add_to(y[i], {codes + i * t.columns, scales[i * groups], sums + i * 2 * groups});
      }
      codes += kGroupColumns;
      ++scales;
      sums += 2;
    }
  }
  const int64_t left = t.outputs - output;
  const LaneMask mask = first_lanes(left < kPanelOutputs ? left : kPanelOutputs);
  for (int i = 0; i < kTokens; ++i) {
    if (t.bias != nullptr) y[i] = add(y[i], _mm512_maskz_loadu_ps(mask, t.bias + output));
    _mm512_mask_storeu_ps(t.y + (token + i) * t.y_stride + output, mask, y[i]);
  }
}

constexpr int kTokensAtOnce = 8;

/// Tokens [token, count), fewer than kTokensAtOnce of them.
template <typename Group, int kTokens = kTokensAtOnce - 1>
void last_tokens(const PackedTile& t, const std::byte* panel, int64_t output, int64_t token) {
  if constexpr (kTokens > 0) {
    if (t.count - token == kTokens) {
      panel_times<Group, kTokens>(t, panel, output, token);
    } else {
      last_tokens<Group, kTokens - 1>(t, panel, output, token);
    }
  }
}

template <typename Group>
void packed_product(const PackedTile& t) {
  const std::byte* panel = t.panels;
  for (int64_t output = 0; output < t.outputs; output += kPanelOutputs, panel += t.panel_bytes) {
    int64_t token = 0;
    for (; token + kTokensAtOnce <= t.count; token += kTokensAtOnce) {
      panel_times<Group, kTokensAtOnce>(t, panel, output, token);
    }
    last_tokens<Group>(t, panel, output, token);
  }
}

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
    .packed_w4 = packed_product<W4>,
    .packed_w8 = packed_product<W8>,
    .packed_w4_k = packed_product<W4K>,
    .packed_w6_k = packed_product<W6K>,
    .packed_w4_g = packed_product<W4G>,
    .packed_w8_g = packed_product<W8G>,
    .quantize_row = quantize_row,
    .peak_int8 = peak<Int8Products>,
};

}  // namespace kedge::cpu
