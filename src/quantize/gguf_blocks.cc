#include "quantize/gguf_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "core/half.h"

namespace kedge::quantize {
namespace {

constexpr int kBlock = 32;
constexpr int kSuperBlock = 256;
constexpr float kGroupMagnitudeMin = 1e-15F;  // below it a group is 0

void put_f16(float value, std::byte* out) {
  const uint16_t half = f32_to_f16(value);
  std::memcpy(out, &half, sizeof(half));
}

float as_f16(float value) {
  return f16_to_f32(f32_to_f16(value));
}

int nearest(float value) {
  return static_cast<int>(std::nearbyint(value));
}

/// 0 where the scale is nothing that F16 could hold.
float inverse_of(float scale) {
  const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

/// The first element with the largest magnitude.
float widest(const float* x, int count) {
  float found = 0;
  for (int i = 0; i < count; ++i) {
    if (std::abs(x[i]) > std::abs(found)) found = x[i];
  }
  return found;
}

/// scale, 32 signed codes.
void q8_0(const float* x, std::byte* out) {
  const float scale = std::abs(widest(x, kBlock)) / 127.0F;
  const float inverse = inverse_of(scale);
  put_f16(scale, out);
  for (int i = 0; i < kBlock; ++i) out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

/// Codes of `bits` bits whose lowest stands for the widest element: the scale may be negative.
float signed_codes(const float* x, int bits, uint8_t* codes) {
  const int half = 1 << (bits - 1);
  const float scale = widest(x, kBlock) / static_cast<float>(-half);
  const float inverse = inverse_of(scale);
  for (int i = 0; i < kBlock; ++i) {
    const int code = static_cast<int8_t>(x[i] * inverse + (static_cast<float>(half) + 0.5F));
    codes[i] = static_cast<uint8_t>(std::min(2 * half - 1, code));
  }
  return scale;
}

void put_nibbles(const uint8_t* codes, std::byte* out) {
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = static_cast<std::byte>((codes[i] & 15U) | (codes[i + kBlock / 2] & 15U) << 4);
  }
}

/// scale, nibbles.
void q4_0(const float* x, std::byte* out) {
  uint8_t codes[kBlock];
  put_f16(signed_codes(x, 4, codes), out);
  put_nibbles(codes, out + 2);
}

/// scale, fifth bits, nibbles.
void q5_0(const float* x, std::byte* out) {
  uint8_t codes[kBlock];
  put_f16(signed_codes(x, 5, codes), out);
  uint32_t fifth = 0;
  for (int i = 0; i < kBlock; ++i) fifth |= static_cast<uint32_t>(codes[i] >> 4) << i;
  std::memcpy(out + 2, &fifth, sizeof(fifth));
  put_nibbles(codes, out + 6);
}

/// A scale for `count` elements and codes from -half to half - 1, by least squares weighed with x^2, over 19 ways to
/// round (make_qx_quants of the reference).
float search_scale(const float* x, int count, int half) {
  const float limit = widest(x, count);
  if (std::abs(limit) < kGroupMagnitudeMin) return 0;
  float best_scale = 0, best = 0;
  bool first = true;
  for (const int step : {0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    const float inverse = -(static_cast<float>(half) + 0.1F * static_cast<float>(step)) / limit;
    float sum_lx = 0, sum_l2 = 0;
    for (int i = 0; i < count; ++i) {
      const auto code = static_cast<float>(std::clamp(nearest(inverse * x[i]), -half, half - 1));
      const float weight = x[i] * x[i];
      sum_lx += weight * x[i] * code;
      sum_l2 += weight * code * code;
    }
    if (sum_l2 <= 0 || (!first && sum_lx * sum_lx <= best * sum_l2)) continue;
    first = false;
    best_scale = sum_lx / sum_l2;
    best = best_scale * sum_lx;
  }
  return best_scale;
}

/// codes[128] (low 4 bits), high[64] (2 bits), 16 signed scales, scale: 16 groups of 16.
void q6_k(const float* x, std::byte* out) {
  constexpr int kGroups = 16;
  std::memset(out, 0, info_of(DType::q6_k).block_bytes);
  float scales[kGroups];
  float limit = 0;
  for (int group = 0; group < kGroups; ++group) {
    scales[group] = search_scale(x + group * 16, 16, 32);
    if (std::abs(scales[group]) > std::abs(limit)) limit = scales[group];
  }
  if (std::abs(limit) < kGroupMagnitudeMin) return;
  const float inverse = -128.0F / limit;
  const float scale = as_f16(1.0F / inverse);
  put_f16(scale, out + 208);
  uint8_t codes[kSuperBlock];
  for (int group = 0; group < kGroups; ++group) {
    const int narrow = std::min(127, nearest(inverse * scales[group]));
    out[192 + group] = static_cast<std::byte>(static_cast<int8_t>(narrow));
    const float step = scale * static_cast<float>(narrow);
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      codes[i] = static_cast<uint8_t>((step != 0 ? std::clamp(nearest(x[i] / step), -32, 31) : 0) + 32);
    }
  }
  for (int half = 0; half < 2; ++half) {
    const uint8_t* code = codes + half * 128;
    for (int i = 0; i < 32; ++i) {
      out[half * 64 + i] = static_cast<std::byte>((code[i] & 15U) | (code[i + 64] & 15U) << 4);
      out[half * 64 + 32 + i] = static_cast<std::byte>((code[i + 32] & 15U) | (code[i + 96] & 15U) << 4);
      out[128 + half * 32 + i] = static_cast<std::byte>(code[i] >> 4 | (code[i + 32] >> 4) << 2 |
                                                        (code[i + 64] >> 4) << 4 | (code[i + 96] >> 4) << 6);
    }
  }
}

struct ScaleAndMinimum {
  float scale = 0, minimum = 0;  // value = scale * code - minimum
};

/// Least squares for codes from 0 to 15 of 32 elements, weighed with their mean square and magnitude, over 21 ways to
/// round (make_qkx2_quants of the reference).
ScaleAndMinimum search_scale_and_minimum(const float* x) {
  float weights[kBlock];
  float sum_squares = 0;
  for (int i = 0; i < kBlock; ++i) sum_squares += x[i] * x[i];
  const float deviation = std::sqrt(sum_squares / kBlock);
  float smallest = x[0], largest = x[0], sum_w = 0, sum_x = 0;
  for (int i = 0; i < kBlock; ++i) {
    weights[i] = deviation + std::abs(x[i]);
    smallest = std::min(smallest, x[i]);
    largest = std::max(largest, x[i]);
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  smallest = std::min(smallest, 0.0F);
  if (!(largest - smallest > kGroupMagnitudeMin)) return {0, -smallest};
  const auto code = [&](float inverse, float value) {
    return static_cast<float>(std::clamp(nearest(inverse * (value - smallest)), 0, 15));
  };
  const auto error = [&](float inverse, float scale, float minimum) {
    float sum = 0;
    for (int i = 0; i < kBlock; ++i) {
      const float difference = scale * code(inverse, x[i]) + minimum - x[i];
      sum += weights[i] * difference * difference;
    }
    return sum;
  };
  float best_scale = 1.0F / (15.0F / (largest - smallest)), best_minimum = smallest;
  float best = error(15.0F / (largest - smallest), best_scale, smallest);
  for (int step = 0; step <= 20; ++step) {
    const float inverse = (-1.0F + 0.1F * static_cast<float>(step) + 15.0F) / (largest - smallest);
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (int i = 0; i < kBlock; ++i) {
      const float l = code(inverse, x[i]);
      sum_l += weights[i] * l;
      sum_l2 += weights[i] * l * l;
      sum_xl += weights[i] * l * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    float scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float minimum = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (minimum > 0) {
      minimum = 0;
      scale = sum_xl / sum_l2;
    }
    const float found = error(inverse, scale, minimum);
    if (found >= best) continue;
    best = found;
    best_scale = scale;
    best_minimum = minimum;
  }
  return {best_scale, -best_minimum};
}

/// scale, minimum, scales[12] (6 bits each), codes[128]: 8 groups of 32.
void q4_k(const float* x, std::byte* out) {
  constexpr int kGroups = 8;
  ScaleAndMinimum groups[kGroups];
  float scale_max = 0, minimum_max = 0;
  for (int group = 0; group < kGroups; ++group) {
    groups[group] = search_scale_and_minimum(x + group * kBlock);
    scale_max = std::max(scale_max, groups[group].scale);
    minimum_max = std::max(minimum_max, groups[group].minimum);
  }
  const float inverse_scale = scale_max > 0 ? 63.0F / scale_max : 0.0F;
  const float inverse_minimum = minimum_max > 0 ? 63.0F / minimum_max : 0.0F;
  const float scale = as_f16(scale_max / 63.0F), minimum = as_f16(minimum_max / 63.0F);
  std::memset(out, 0, info_of(DType::q4_k).block_bytes);
  put_f16(scale, out);
  put_f16(minimum, out + 2);
  std::byte* const packed = out + 4;
  uint8_t codes[kSuperBlock] = {};
  for (int group = 0; group < kGroups; ++group) {
    const auto ls = static_cast<unsigned>(std::clamp(nearest(inverse_scale * groups[group].scale), 0, 63));
    const auto lm = static_cast<unsigned>(std::clamp(nearest(inverse_minimum * groups[group].minimum), 0, 63));
    if (group < 4) {
      packed[group] = static_cast<std::byte>(ls);
      packed[group + 4] = static_cast<std::byte>(lm);
    } else {
      packed[group + 4] = static_cast<std::byte>((ls & 15U) | (lm & 15U) << 4);
      packed[group - 4] |= static_cast<std::byte>(ls >> 4 << 6);
      packed[group] |= static_cast<std::byte>(lm >> 4 << 6);
    }
    const float step = scale * static_cast<float>(ls), offset = minimum * static_cast<float>(lm);
    if (step == 0) continue;
    for (int i = group * kBlock; i < (group + 1) * kBlock; ++i) {
      codes[i] = static_cast<uint8_t>(std::clamp(nearest((x[i] + offset) / step), 0, 15));
    }
  }
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < kBlock; ++i) {
      out[16 + pair * kBlock + i] = static_cast<std::byte>(codes[pair * 64 + i] | codes[pair * 64 + 32 + i] << 4);
    }
  }
}

using Encoder = void (*)(const float* x, std::byte* out);

Encoder encoder_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return [](const float* x, std::byte* out) { std::memcpy(out, x, sizeof(float)); };
    case DType::f16:
      return [](const float* x, std::byte* out) { put_f16(*x, out); };
    case DType::bf16:
      return [](const float* x, std::byte* out) {
        const uint16_t half = f32_to_bf16(*x);
        std::memcpy(out, &half, sizeof(half));
      };
    case DType::q8_0:
      return q8_0;
    case DType::q5_0:
      return q5_0;
    case DType::q4_0:
      return q4_0;
    case DType::q4_k:
      return q4_k;
    case DType::q6_k:
      return q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

bool has_encoder(DType dtype) {
  return encoder_of(dtype) != nullptr;
}

void encode_row(DType dtype, const float* values, int64_t columns, std::byte* out) {
  const Encoder encode = encoder_of(dtype);
  const DTypeInfo& info = info_of(dtype);
  KEDGE_CHECK(encode != nullptr && columns % info.block_elements == 0);
  for (int64_t i = 0; i < columns; i += info.block_elements, out += info.block_bytes) encode(values + i, out);
}

std::vector<std::byte> encoded(WorkerPool& pool, DType dtype, const Matrix& values) {
  const auto stride = static_cast<size_t>(row_bytes(dtype, static_cast<uint64_t>(values.columns)).value());
  std::vector<std::byte> bytes(stride * static_cast<size_t>(values.rows));
  pool.parallel_for(values.rows, 8, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      encode_row(dtype, values.row(i), values.columns, bytes.data() + static_cast<size_t>(i) * stride);
    }
  });
  return bytes;
}

}  // namespace kedge::quantize
