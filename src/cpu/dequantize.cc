#include "cpu/dequantize.h"

#include <cstring>

#include "core/check.h"
#include "core/half.h"

namespace kedge::cpu {
namespace {

// Blocks are read as bytes at the offsets of their layouts (ggml's block_* structures): mapped rows have any alignment.

uint32_t byte_at(const std::byte* bytes, int index) {
  return std::to_integer<uint32_t>(bytes[index]);
}

template <typename T>
T load(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float load_f16(const std::byte* bytes) {
  return f16_to_f32(load<uint16_t>(bytes));
}

// 32 elements a block: a scale, perhaps a minimum, perhaps fifth bits, then nibbles. Element i is the low nibble of
// byte i, element i + 16 its high nibble.

void q4_0(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 2 + i);
    out[i] = scale * static_cast<float>(static_cast<int>(pair & 15U) - 8);
    out[i + 16] = scale * static_cast<float>(static_cast<int>(pair >> 4) - 8);
  }
}

void q4_1(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const float minimum = load_f16(block + 2);
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 4 + i);
    out[i] = scale * static_cast<float>(pair & 15U) + minimum;
    out[i + 16] = scale * static_cast<float>(pair >> 4) + minimum;
  }
}

void q5_0(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const auto fifth = load<uint32_t>(block + 2);
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 6 + i);
    const uint32_t low = (pair & 15U) | ((fifth >> i & 1U) << 4);
    const uint32_t high = (pair >> 4) | ((fifth >> (i + 16) & 1U) << 4);
    out[i] = scale * static_cast<float>(static_cast<int>(low) - 16);
    out[i + 16] = scale * static_cast<float>(static_cast<int>(high) - 16);
  }
}

void q5_1(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const float minimum = load_f16(block + 2);
  const auto fifth = load<uint32_t>(block + 4);
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 8 + i);
    const uint32_t low = (pair & 15U) | ((fifth >> i & 1U) << 4);
    const uint32_t high = (pair >> 4) | ((fifth >> (i + 16) & 1U) << 4);
    out[i] = scale * static_cast<float>(low) + minimum;
    out[i + 16] = scale * static_cast<float>(high) + minimum;
  }
}

void q8_0(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(load<int8_t>(block + 2 + i));
}

// 256 elements a block ("K" types): 16 groups of 16 or 8 groups of 32, each with a narrow integer scale under the
// block's f16 scale.

/// scales[16] (4 bits scale, 4 bits minimum), codes[64] (2 bits), scale, minimum. Each 32-byte half of the codes holds
/// four runs of 32 elements, one in each bit pair.
void q2_k(const std::byte* block, float* out) {
  const float scale = load_f16(block + 80);
  const float minimum = load_f16(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int run = i % 128 / 32;
    const uint32_t packed = byte_at(block, i / 16);
    const uint32_t code = byte_at(block, 16 + half * 32 + i % 32) >> (2 * run) & 3U;
    out[i] =
        scale * static_cast<float>(packed & 15U) * static_cast<float>(code) - minimum * static_cast<float>(packed >> 4);
  }
}

/// high[32] (one bit an element, inverted: 0 subtracts 4), codes[64] (2 bits), scales[12] (6 bits), scale.
void q3_k(const std::byte* block, float* out) {
  const float scale = load_f16(block + 108);
  const std::byte* scales = block + 96;
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int run = i % 128 / 32;
    const int group = i / 16;
    const uint32_t low = byte_at(scales, group % 8) >> (4 * (group / 8)) & 15U;
    const uint32_t high = byte_at(scales, 8 + group % 4) >> (2 * (group / 4)) & 3U;
    const int group_scale = static_cast<int>(low | high << 4) - 32;
    const int code = static_cast<int>(byte_at(block, 32 + half * 32 + i % 32) >> (2 * run) & 3U);
    const bool keep = (byte_at(block, i % 32) >> (i / 32) & 1U) != 0;
    out[i] = scale * static_cast<float>(group_scale) * static_cast<float>(keep ? code : code - 4);
  }
}

struct ScaleAndMinimum {
  uint32_t scale;
  uint32_t minimum;
};

/// Group 0 to 7 of the 12 bytes of 6-bit scales and minimums of Q4_K and Q5_K: the first four groups have theirs in the
/// low 6 bits of bytes 0-3 and 4-7, the others in the nibbles of bytes 8-11 with the top 2 bits of those.
ScaleAndMinimum k_scale(const std::byte* packed, int group) {
  if (group < 4) return {byte_at(packed, group) & 63U, byte_at(packed, group + 4) & 63U};
  const uint32_t nibbles = byte_at(packed, group + 4);
  return {(nibbles & 15U) | (byte_at(packed, group - 4) >> 6) << 4, nibbles >> 4 | (byte_at(packed, group) >> 6) << 4};
}

/// scale, minimum, scales[12], codes[128]: 32 bytes hold two groups, in the low and the high nibbles.
void q4_k(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const float minimum = load_f16(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum packed = k_scale(block + 4, group);
    const float group_scale = scale * static_cast<float>(packed.scale);
    const float group_minimum = minimum * static_cast<float>(packed.minimum);
    for (int i = 0; i < 32; ++i) {
      const uint32_t code = byte_at(block, 16 + group / 2 * 32 + i) >> (4 * (group % 2)) & 15U;
      out[group * 32 + i] = group_scale * static_cast<float>(code) - group_minimum;
    }
  }
}

/// As Q4_K, with fifth[32] before the codes: bit `group` of byte i belongs to element i of that group.
void q5_k(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const float minimum = load_f16(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum packed = k_scale(block + 4, group);
    const float group_scale = scale * static_cast<float>(packed.scale);
    const float group_minimum = minimum * static_cast<float>(packed.minimum);
    for (int i = 0; i < 32; ++i) {
      const uint32_t low = byte_at(block, 48 + group / 2 * 32 + i) >> (4 * (group % 2)) & 15U;
      const uint32_t fifth = byte_at(block, 16 + i) >> group & 1U;
      out[group * 32 + i] = group_scale * static_cast<float>(low | fifth << 4) - group_minimum;
    }
  }
}

/// low[128] (4 bits), high[64] (2 bits), scales[16] (int8), scale. In each half of 128 elements, the low nibbles of 64
/// bytes come before their high nibbles.
void q6_k(const std::byte* block, float* out) {
  const float scale = load_f16(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int run = i % 128 / 32;
    const uint32_t low = byte_at(block, half * 64 + i % 64) >> (4 * (run / 2)) & 15U;
    const uint32_t high = byte_at(block, 128 + half * 32 + i % 32) >> (2 * run) & 3U;
    const float group_scale = scale * static_cast<float>(load<int8_t>(block + 192 + i / 16));
    out[i] = group_scale * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  }
}

void iq4_nl(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 2 + i);
    out[i] = scale * static_cast<float>(kIq4Values[pair & 15U]);
    out[i + 16] = scale * static_cast<float>(kIq4Values[pair >> 4]);
  }
}

/// scale, high 2 bits of 8 scales (uint16), low 4 bits (4 bytes), codes[128] as in eight IQ4_NL blocks.
void iq4_xs(const std::byte* block, float* out) {
  const float scale = load_f16(block);
  const auto high_bits = load<uint16_t>(block + 2);
  for (int group = 0; group < 8; ++group) {
    const uint32_t low = byte_at(block, 4 + group / 2) >> (4 * (group % 2)) & 15U;
    const uint32_t high = static_cast<uint32_t>(high_bits) >> (2 * group) & 3U;
    const float group_scale = scale * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    for (int i = 0; i < 16; ++i) {
      const uint32_t pair = byte_at(block, 8 + group * 16 + i);
      out[group * 32 + i] = group_scale * static_cast<float>(kIq4Values[pair & 15U]);
      out[group * 32 + i + 16] = group_scale * static_cast<float>(kIq4Values[pair >> 4]);
    }
  }
}

template <typename T>
void plain(const std::byte* bytes, float* out) {
  *out = static_cast<float>(load<T>(bytes));
}
void f16(const std::byte* bytes, float* out) {
  *out = load_f16(bytes);
}
void bf16(const std::byte* bytes, float* out) {
  *out = bf16_to_f32(load<uint16_t>(bytes));
}
void f8_e4m3(const std::byte* bytes, float* out) {
  *out = f8_e4m3_to_f32(load<uint8_t>(bytes));
}

// Codes of quantized checkpoints beside their scale (core/dtype.h).

void int4_scaled(const std::byte* block, float* out) {
  const auto scale = load<float>(block);
  const auto zero = static_cast<int>(byte_at(block, 4));
  for (int i = 0; i < 16; ++i) {
    const uint32_t pair = byte_at(block, 5 + i);
    out[i] = scale * static_cast<float>(static_cast<int>(pair & 15U) - zero);
    out[i + 16] = scale * static_cast<float>(static_cast<int>(pair >> 4) - zero);
  }
}

void int8_scaled(const std::byte* block, float* out) {
  const auto scale = load<float>(block);
  const int zero = load<int8_t>(block + 4);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(load<int8_t>(block + 5 + i) - zero);
}

void f8_scaled(const std::byte* block, float* out) {
  const auto scale = load<float>(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * f8_e4m3_to_f32(load<uint8_t>(block + 4 + i));
}

/// One function a type for a whole row, so that the block's code is inlined into the loop.
template <DType kDType, void (*kBlock)(const std::byte*, float*)>
void row_of(const std::byte* row, int64_t columns, float* out) {
  const DTypeInfo& info = info_of(kDType);
  const int64_t block_elements = info.block_elements;
  const int64_t block_bytes = info.block_bytes;
  for (int64_t first = 0; first < columns; first += block_elements, row += block_bytes) kBlock(row, out + first);
}

using RowFunction = void (*)(const std::byte*, int64_t, float*);

RowFunction row_function(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return row_of<DType::f32, plain<float>>;
    case DType::f16:
      return row_of<DType::f16, f16>;
    case DType::bf16:
      return row_of<DType::bf16, bf16>;
    case DType::f8_e4m3:
      return row_of<DType::f8_e4m3, f8_e4m3>;
    case DType::i8:
      return row_of<DType::i8, plain<int8_t>>;
    case DType::i32:
      return row_of<DType::i32, plain<int32_t>>;
    case DType::i64:
      return row_of<DType::i64, plain<int64_t>>;
    case DType::u8:
      return row_of<DType::u8, plain<uint8_t>>;
    case DType::q4_0:
      return row_of<DType::q4_0, q4_0>;
    case DType::q4_1:
      return row_of<DType::q4_1, q4_1>;
    case DType::q5_0:
      return row_of<DType::q5_0, q5_0>;
    case DType::q5_1:
      return row_of<DType::q5_1, q5_1>;
    case DType::q8_0:
      return row_of<DType::q8_0, q8_0>;
    case DType::q2_k:
      return row_of<DType::q2_k, q2_k>;
    case DType::q3_k:
      return row_of<DType::q3_k, q3_k>;
    case DType::q4_k:
      return row_of<DType::q4_k, q4_k>;
    case DType::q5_k:
      return row_of<DType::q5_k, q5_k>;
    case DType::q6_k:
      return row_of<DType::q6_k, q6_k>;
    case DType::iq4_nl:
      return row_of<DType::iq4_nl, iq4_nl>;
    case DType::iq4_xs:
      return row_of<DType::iq4_xs, iq4_xs>;
    case DType::int4_scaled:
      return row_of<DType::int4_scaled, int4_scaled>;
    case DType::int8_scaled:
      return row_of<DType::int8_scaled, int8_scaled>;
    case DType::f8_scaled:
      return row_of<DType::f8_scaled, f8_scaled>;
  }
  return nullptr;
}

}  // namespace

void dequantize_row_scalar(DType dtype, const std::byte* row, int64_t columns, float* out) {
  const RowFunction function = row_function(dtype);
  KEDGE_CHECK(function != nullptr);
  KEDGE_CHECK(columns % info_of(dtype).block_elements == 0);
  function(row, columns, out);
}

}  // namespace kedge::cpu
