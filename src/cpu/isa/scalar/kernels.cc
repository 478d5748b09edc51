// The definitions: what every other instruction set is compared with. Clarity first; sums in double, so that the
// difference to the vector kernels is theirs.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/key_range.h"
#include "cpu/isa/scalar/kv.h"
#include "cpu/isa/scalar/packed.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

float f32_from_bits(uint32_t bits) {
  float value = 0.0F;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

uint32_t bits_of(float value) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Nearest even; NaN stays NaN.
uint16_t bf16_from_f32(float value) {
  const uint32_t bits = bits_of(value);
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float f32_from_bf16(uint16_t value) {
  return f32_from_bits(static_cast<uint32_t>(value) << 16);
}

/// Mapped weights may lie at any address.
float load_f32(const std::byte* row, int64_t index) {
  float value = 0.0F;
  __builtin_memcpy(&value, row + static_cast<size_t>(index) * sizeof(value), sizeof(value));
  return value;
}

float load_bf16(const std::byte* row, int64_t index) {
  uint16_t value = 0;
  __builtin_memcpy(&value, row + static_cast<size_t>(index) * sizeof(value), sizeof(value));
  return f32_from_bf16(value);
}

void matmul_f32(const MatmulTile& t) {
  for (int64_t i = 0; i < t.count; ++i) {
    const auto* x = reinterpret_cast<const float*>(t.x + static_cast<size_t>(i) * t.x_stride);
    for (int64_t n = 0; n < t.outputs; ++n) {
      const std::byte* const w = t.weights + static_cast<size_t>(n) * t.weight_stride;
      float* const kept = t.sums + (i * t.outputs + n) * kSumsOfProduct;  // read and written where t.sums is not null
      double sum = 0.0;
      if (!t.first) __builtin_memcpy(&sum, kept, sizeof(sum));
      for (int64_t k = 0; k < t.columns; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(load_f32(w, k));
      if (!t.last) {
        __builtin_memcpy(kept, &sum, sizeof(sum));
        continue;
      }
      t.y[i * t.y_stride + n] = static_cast<float>(sum) + (t.bias != nullptr ? t.bias[n] : 0.0F);
    }
  }
}

/// Element `lane` of rank r of a panel.
template <float (*kElement)(const std::byte*, int64_t)>
float plain_of_panel(const LowRankTile& t, int64_t panel, int64_t r, int64_t lane) {
  return kElement(t.panels, (panel * t.rank + r) * kLowRankOutputs + lane);
}
float code_of_panel(const LowRankTile& t, int64_t panel, int64_t r, int64_t lane) {
  const std::byte* const head = t.panels + panel * (4 + t.rank * kLowRankOutputs);
  return load_f32(head, 0) * static_cast<float>(static_cast<int8_t>(head[4 + r * kLowRankOutputs + lane]));
}

template <float (*kElement)(const LowRankTile&, int64_t, int64_t, int64_t)>
void low_rank(const LowRankTile& t) {
  for (int64_t i = 0; i < t.count; ++i) {
    for (int64_t n = 0; n < t.outputs; ++n) {
      float& y = t.y[i * t.y_stride + n];
      double sum = static_cast<double>(y) * static_cast<double>(t.gain != nullptr ? t.gain[n] : 1.0F);
      if (t.offset != nullptr) sum += static_cast<double>(t.offset[n]);
      for (int64_t r = 0; r < t.rank; ++r) {
        const float b = kElement(t, n / kLowRankOutputs, r, n % kLowRankOutputs);
        sum += static_cast<double>(t.projected[i * t.projected_stride + r]) * static_cast<double>(b);
      }
      y = static_cast<float>(sum);
    }
  }
}

void to_bf16(const float* x, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = bf16_from_f32(x[i]);
}

void round_to_bf16(const float* x, int64_t size, float* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = f32_from_bf16(bf16_from_f32(x[i]));
}

void rms_norm(const NormTile& norm, const float* x, float* out) {
  double squares = 0.0;
  for (int64_t j = 0; j < norm.size; ++j) squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
  const double mean = squares / static_cast<double>(norm.size);
  const auto scale = static_cast<float>(1.0 / __builtin_sqrt(mean + static_cast<double>(norm.epsilon)));
  for (int64_t j = 0; j < norm.size; ++j) {
    const float weight = norm.weight != nullptr ? norm.weight_offset + norm.weight[j] : 1.0F;
    out[j] = x[j] * scale * weight;
  }
}

void layer_norm(const NormTile& norm, const float* x, float* out) {
  double sum = 0.0;
  for (int64_t j = 0; j < norm.size; ++j) sum += static_cast<double>(x[j]);
  const double mean = sum / static_cast<double>(norm.size);
  double squares = 0.0;
  for (int64_t j = 0; j < norm.size; ++j) {
    const double centred = static_cast<double>(x[j]) - mean;
    squares += centred * centred;
  }
  const double variance = squares / static_cast<double>(norm.size);
  const double scale = 1.0 / __builtin_sqrt(variance + static_cast<double>(norm.epsilon));
  for (int64_t j = 0; j < norm.size; ++j) {
    const auto normal = static_cast<float>((static_cast<double>(x[j]) - mean) * scale);
    const float weight = norm.weight != nullptr ? norm.weight[j] : 1.0F;
    out[j] = normal * weight + (norm.bias != nullptr ? norm.bias[j] : 0.0F);
  }
}

void rotate(float& first, float& second, float cosine, float sine) {
  const float a = first;
  const float b = second;
  first = a * cosine - b * sine;
  second = b * cosine + a * sine;
}

void rope_split(const RopeTile& rope, float* x) {
  for (int64_t head = 0; head < rope.heads; ++head, x += rope.head_size) {
    for (int64_t j = 0; j < rope.half; ++j) rotate(x[j], x[j + rope.half], rope.cosine[j], rope.sine[j]);
  }
}

void rope_interleaved(const RopeTile& rope, float* x) {
  for (int64_t head = 0; head < rope.heads; ++head, x += rope.head_size) {
    for (int64_t j = 0; j < rope.half; ++j) rotate(x[2 * j], x[2 * j + 1], rope.cosine[j], rope.sine[j]);
  }
}

float silu_of(float x) {
  return x / (1.0F + __builtin_expf(-x));
}

float gelu_erf_of(float x) {
  return 0.5F * x * (1.0F + __builtin_erff(x * 0.70710678F));
}

float gelu_tanh_of(float x) {
  return 0.5F * x * (1.0F + __builtin_tanhf(0.79788456F * (x + 0.044715F * x * x * x)));
}

float relu_of(float x) {
  return x > 0.0F ? x : 0.0F;
}

template <float (*kFunction)(float)>
void map(float* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i) x[i] = kFunction(x[i]);
}

template <float (*kFunction)(float)>
void gate_map(const float* gate, const float* up, float* out, int64_t size) {
  for (int64_t i = 0; i < size; ++i) out[i] = kFunction(gate[i]) * up[i];
}

void add_scaled(float a, const float* x, float* y, int64_t size) {
  for (int64_t i = 0; i < size; ++i) y[i] += a * x[i];
}

void softcap(float cap, float* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i) x[i] = cap * __builtin_tanhf(x[i] / cap);
}

float maximum(const float* x, int64_t size) {
  float largest = kMinusInfinity;
  for (int64_t i = 0; i < size; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

float exp_sum(const float* x, int64_t size, float shift) {
  double sum = 0.0;
  for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(__builtin_expf(x[i] - shift));
  return static_cast<float>(sum);
}

float exp_in_place(float* x, int64_t size, float shift) {
  double sum = 0.0;
  for (int64_t i = 0; i < size; ++i) {
    x[i] = __builtin_expf(x[i] - shift);
    sum += static_cast<double>(x[i]);
  }
  return static_cast<float>(sum);
}

void scale(float factor, float* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i) x[i] *= factor;
}

void block_maxima(const float* x, int64_t size, float* out) {
  for (int64_t i = 0; i < size; i += kMaximaBlock) {
    *out++ = maximum(x + i, size - i < kMaximaBlock ? size - i : kMaximaBlock);
  }
}

int64_t indices_at_least(const float* x, int64_t size, float least, int32_t* out) {
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (x[i] >= least) out[count++] = static_cast<int32_t>(i);
  }
  return count;
}

int64_t argmax(const float* x, int64_t size) {
  int64_t best = 0;
  for (int64_t i = 1; i < size; ++i) {
    if (x[i] > x[best]) best = i;
  }
  return best;
}

template <float (*kElement)(const std::byte*, int64_t), bool kScaled>
float score(const AttentionTile& t, const float* q, int64_t position) {
  const KvRow key = row_at(t, t.keys, position);
  double dot = 0.0;
  for (int64_t d = 0; d < t.head_size; ++d) {
    dot += static_cast<double>(q[d]) * static_cast<double>(kElement(key.elements, d));
  }
  const float scaled = static_cast<float>(dot) * (kScaled ? key.scale() : 1.0F) * t.scale;
  return t.softcap > 0.0F ? t.softcap * __builtin_tanhf(scaled / t.softcap) : scaled;
}

/// Softmax of the visible scores, times the values; the scores are computed twice rather than kept.
template <float (*kElement)(const std::byte*, int64_t), bool kScaled>
void attend(const AttentionTile& t, const float* q, int64_t row, float* out) {
  const KeyRange visible = visible_to(t, row / t.group);
  float largest = kMinusInfinity;
  for (int64_t p = visible.begin; p < visible.end; ++p) {
    const float s = score<kElement, kScaled>(t, q, p);
    largest = s > largest ? s : largest;
  }
  double total = 0.0;
  for (int64_t d = 0; d < t.head_size; ++d) out[d] = 0.0F;
  for (int64_t p = visible.begin; p < visible.end; ++p) {
    const float weight = __builtin_expf(score<kElement, kScaled>(t, q, p) - largest);
    const KvRow value = row_at(t, t.values, p);
    const float scaled = kScaled ? weight * value.scale() : weight;
    total += static_cast<double>(weight);
    for (int64_t d = 0; d < t.head_size; ++d) out[d] += scaled * kElement(value.elements, d);
  }
  if (t.part_total != nullptr) {
    t.part_largest[row] = largest;
    t.part_total[row] = static_cast<float>(total);
    return;
  }
  const float inverse = 1.0F / static_cast<float>(total);
  for (int64_t d = 0; d < t.head_size; ++d) out[d] *= inverse;
}

template <float (*kElement)(const std::byte*, int64_t), bool kScaled = false>
void attention(const AttentionTile& t) {
  for (int64_t token = 0; token < t.tokens; ++token) {
    for (int64_t head = 0; head < t.group; ++head) {
      attend<kElement, kScaled>(t, t.q + token * t.q_stride + head * t.head_size, token * t.group + head,
                                t.out + token * t.out_stride + head * t.head_size);
    }
  }
}

// Values that the compiler does not know, so that it makes every product.
void hide(float& value) {
  asm volatile("" : "+x"(value));
}
void hide(int32_t& value) {
  asm volatile("" : "+r"(value));
}

/// Four sums, to each of which a round adds one product.
template <typename Number>
double peak(int64_t rounds) {
  Number one = 1, a = 0, b = 0, c = 0, d = 0;
  const auto product = [&one] {
    hide(one);
    return one * one;
  };
  for (int64_t round = 0; round < rounds; ++round) {
    a += product();
    b += product();
    c += product();
    d += product();
  }
  return static_cast<double>(a) + static_cast<double>(b) + static_cast<double>(c) + static_cast<double>(d);
}

}  // namespace

const KernelTable kScalarKernels = {
    .f32 = {.matmul_f32 = matmul_f32},
    .to_bf16 = to_bf16,
    .round_to_bf16 = round_to_bf16,
    .packed_w4 = packed_product<W4>,
    .packed_w5 = packed_product<W5>,
    .packed_w8 = packed_product<W8>,
    .packed_w4_i = packed_product<W4I>,
    .packed_w4_m = packed_product<W4M>,
    .packed_w5_m = packed_product<W5M>,
    .packed_w2_k = packed_product<W2K>,
    .packed_w3_k = packed_product<W3K>,
    .packed_w4_k = packed_product<W4K>,
    .packed_w5_k = packed_product<W5K>,
    .packed_w6_k = packed_product<W6K>,
    .packed_w4_ik = packed_product<W4IK>,
    .packed_w4_g = packed_product<W4G>,
    .packed_w8_g = packed_product<W8G>,
    .quantize_row = quantize_row,
    .low_rank_f32 = low_rank<plain_of_panel<load_f32>>,
    .low_rank_bf16 = low_rank<plain_of_panel<load_bf16>>,
    .low_rank_int8 = low_rank<code_of_panel>,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope_split = rope_split,
    .rope_interleaved = rope_interleaved,
    .silu = map<silu_of>,
    .gelu_erf = map<gelu_erf_of>,
    .gelu_tanh = map<gelu_tanh_of>,
    .relu = map<relu_of>,
    .gate_silu = gate_map<silu_of>,
    .gate_gelu_erf = gate_map<gelu_erf_of>,
    .gate_gelu_tanh = gate_map<gelu_tanh_of>,
    .gate_relu = gate_map<relu_of>,
    .add_scaled = add_scaled,
    .softcap = softcap,
    .maximum = maximum,
    .exp_sum = exp_sum,
    .exp_in_place = exp_in_place,
    .argmax = argmax,
    .scale = scale,
    .block_maxima = block_maxima,
    .indices_at_least = indices_at_least,
    .attention_f32 = attention<load_f32>,
    .attention_bf16 = attention<load_bf16>,
    .attention_int8 = attention<int8_code, true>,
    .attention_int4 = attention<int4_element>,
    .quantize_kv_int8 = quantize_kv_int8,
    .quantize_kv_int4 = quantize_kv_int4,
    .peak_f32 = peak<float>,
    .peak_bf16 = peak<float>,
    .peak_int8 = peak<int32_t>,
};

}  // namespace kedge::cpu
