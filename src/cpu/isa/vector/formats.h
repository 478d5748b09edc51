#pragma once
// GGUF's block formats as vectors of floats, bit for bit the values of cpu/dequantize.cc, which also says how each
// block is laid out. Every format hands out its block in parts of 32 elements, as two groups of 16 in order; the part
// is a template parameter, so that shifts are constants. Include after vector.h.

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {
namespace {

template <typename T>
T read(const std::byte* bytes) {
  T value{};
  __builtin_memcpy(&value, bytes, sizeof(value));
  return value;
}
inline uint32_t byte_at(const std::byte* bytes, int index) {
  return static_cast<uint32_t>(bytes[index]);
}
inline float read_f16(const std::byte* bytes) {
  return _cvtsh_ss(read<uint16_t>(bytes));
}
inline __m128i read_16(const std::byte* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// (bytes >> kShift) & mask, byte by byte.
template <int kShift>
__m128i bits_from(__m128i bytes, int mask) {
  return _mm_and_si128(_mm_srli_epi16(bytes, kShift), _mm_set1_epi8(static_cast<char>(mask)));
}
/// Byte i is `value` where bit i of `bits` is set, else 0.
inline __m128i spread(uint32_t bits, int value) {
  const __m128i halves =
      _mm_shuffle_epi8(_mm_cvtsi32_si128(static_cast<int>(bits)), _mm_set_epi64x(0x0101010101010101, 0));
  const __m128i single = _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201U));
  const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(halves, single), single);
  return _mm_and_si128(set, _mm_set1_epi8(static_cast<char>(value)));
}
inline __m128i counting() {
  return _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
inline __m128i iq4_values() {
  return _mm_set_epi8(113, 89, 69, 53, 38, 25, 13, 1, -10, -22, -35, -49, -65, -83, -104, -127);
}

/// Codes of one group times its scale.
inline Group scaled_codes(__m128i codes, float scale) {
  return scaled(widen_i8(codes), broadcast(scale));
}

struct Q4_0 {
  static constexpr int64_t kBytes = 18;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 2);
    const Codebook book = codebook(_mm_sub_epi8(counting(), _mm_set1_epi8(8)), broadcast(read_f16(block)));
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Q4_1 {
  static constexpr int64_t kBytes = 20;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 4);
    const Codebook book = codebook_plus(counting(), broadcast(read_f16(block)), broadcast(read_f16(block + 2)));
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Q5_0 {
  static constexpr int64_t kBytes = 22;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 6);
    const auto fifth = read<uint32_t>(block + 2);
    const float scale = read_f16(block);
    const __m128i middle = _mm_set1_epi8(16);
    w[0] = scaled_codes(_mm_sub_epi8(_mm_or_si128(bits_from<0>(bytes, 15), spread(fifth, 16)), middle), scale);
    w[1] = scaled_codes(_mm_sub_epi8(_mm_or_si128(bits_from<4>(bytes, 15), spread(fifth >> 16, 16)), middle), scale);
  }
};

struct Q5_1 {
  static constexpr int64_t kBytes = 24;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 8);
    const auto fifth = read<uint32_t>(block + 4);
    const float scale = read_f16(block);
    const Vector minimum = broadcast(read_f16(block + 2));
    w[0] = plus(scaled_codes(_mm_or_si128(bits_from<0>(bytes, 15), spread(fifth, 16)), scale), minimum);
    w[1] = plus(scaled_codes(_mm_or_si128(bits_from<4>(bytes, 15), spread(fifth >> 16, 16)), scale), minimum);
  }
};

struct Q8_0 {
  static constexpr int64_t kBytes = 34;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const float scale = read_f16(block);
    w[0] = scaled_codes(read_16(block + 2), scale);
    w[1] = scaled_codes(read_16(block + 18), scale);
  }
};

struct Q2K {
  static constexpr int64_t kBytes = 84;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const float scale = read_f16(block + 80);
    const float minimum = read_f16(block + 82);
    for (int g = 0; g < 2; ++g) {
      const __m128i codes = bits_from<2 * (kPart % 4)>(read_16(block + 16 + kPart / 4 * 32 + g * 16), 3);
      const uint32_t packed = byte_at(block, 2 * kPart + g);
      w[g] = minus(scaled_codes(codes, scale * static_cast<float>(packed & 15U)),
                   broadcast(minimum * static_cast<float>(packed >> 4)));
    }
  }
};

struct Q3K {
  static constexpr int64_t kBytes = 110;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const float scale = read_f16(block + 108);
    const std::byte* const scales = block + 96;
    for (int g = 0; g < 2; ++g) {
      const int group = 2 * kPart + g;
      const uint32_t low = byte_at(scales, group % 8) >> (4 * (group / 8)) & 15U;
      const uint32_t high = byte_at(scales, 8 + group % 4) >> (2 * (group / 4)) & 3U;
      const int group_scale = static_cast<int>(low | high << 4) - 32;
      const __m128i codes = bits_from<2 * (kPart % 4)>(read_16(block + 32 + kPart / 4 * 32 + g * 16), 3);
      // A clear high bit subtracts 4.
      const __m128i clear = bits_from<kPart>(_mm_xor_si128(read_16(block + g * 16), _mm_set1_epi8(-1)), 1);
      w[g] = scaled_codes(_mm_sub_epi8(codes, _mm_slli_epi16(clear, 2)), scale * static_cast<float>(group_scale));
    }
  }
};

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

/// The 6-bit scales and minimums of Q4_K and Q5_K.
template <int kGroup>
ScaleAndMinimum k_scale(const std::byte* block) {
  const std::byte* const packed = block + 4;
  uint32_t scale = 0;
  uint32_t minimum = 0;
  if constexpr (kGroup < 4) {
    scale = byte_at(packed, kGroup) & 63U;
    minimum = byte_at(packed, kGroup + 4) & 63U;
  } else {
    scale = (byte_at(packed, kGroup + 4) & 15U) | byte_at(packed, kGroup - 4) >> 6 << 4;
    minimum = byte_at(packed, kGroup + 4) >> 4 | byte_at(packed, kGroup) >> 6 << 4;
  }
  return {read_f16(block) * static_cast<float>(scale), read_f16(block + 2) * static_cast<float>(minimum)};
}

struct Q4K {
  static constexpr int64_t kBytes = 144;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const ScaleAndMinimum s = k_scale<kPart>(block);
    const Codebook book = codebook_minus(counting(), broadcast(s.scale), broadcast(s.minimum));
    for (int g = 0; g < 2; ++g) {
      const __m128i bytes = read_16(block + 16 + kPart / 2 * 32 + g * 16);
      w[g] = kPart % 2 == 0 ? look_up_low(book, bytes) : look_up_high(book, bytes);
    }
  }
};

struct Q5K {
  static constexpr int64_t kBytes = 176;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const ScaleAndMinimum s = k_scale<kPart>(block);
    for (int g = 0; g < 2; ++g) {
      const __m128i low = bits_from<4 * (kPart % 2)>(read_16(block + 48 + kPart / 2 * 32 + g * 16), 15);
      const __m128i fifth = bits_from<kPart>(read_16(block + 16 + g * 16), 1);
      w[g] = minus(scaled_codes(_mm_or_si128(low, _mm_slli_epi16(fifth, 4)), s.scale), broadcast(s.minimum));
    }
  }
};

struct Q6K {
  static constexpr int64_t kBytes = 210;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    constexpr int kHalf = kPart / 4;
    constexpr int kRun = kPart % 4;
    const float scale = read_f16(block + 208);
    for (int g = 0; g < 2; ++g) {
      const __m128i low = bits_from<4 * (kRun / 2)>(read_16(block + kHalf * 64 + kRun % 2 * 32 + g * 16), 15);
      const __m128i high = bits_from<2 * kRun>(read_16(block + 128 + kHalf * 32 + g * 16), 3);
      const __m128i codes = _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(32));
      w[g] = scaled_codes(codes, scale * static_cast<float>(read<int8_t>(block + 192 + 2 * kPart + g)));
    }
  }
};

struct Iq4Nl {
  static constexpr int64_t kBytes = 18;
  static constexpr int kParts = 1;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 2);
    const Codebook book = codebook(iq4_values(), broadcast(read_f16(block)));
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Iq4Xs {
  static constexpr int64_t kBytes = 136;
  static constexpr int kParts = 8;
  template <int kPart>
  static void expand(const std::byte* block, Group (&w)[2]) {
    const uint32_t low = byte_at(block, 4 + kPart / 2) >> (4 * (kPart % 2)) & 15U;
    const uint32_t high = static_cast<uint32_t>(read<uint16_t>(block + 2)) >> (2 * kPart) & 3U;
    const float scale = read_f16(block) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    const __m128i bytes = read_16(block + 8 + kPart * 16);
    const Codebook book = codebook(iq4_values(), broadcast(scale));
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

inline void store_group(float* out, const Group& g) {
  for (int p = 0; p < 16 / kLanes; ++p) store(out + p * kLanes, g.part[p]);
}

template <typename Format, int kPart = 0>
[[gnu::always_inline]] inline void store_parts(const std::byte* block, float* out) {
  if constexpr (kPart < Format::kParts) {
    Group w[2];
    Format::template expand<kPart>(block, w);
    store_group(out + 32 * kPart, w[0]);
    store_group(out + 32 * kPart + 16, w[1]);
    store_parts<Format, kPart + 1>(block, out);
  }
}

template <typename Format>
void dequantize(const std::byte* row, int64_t columns, float* out) {
  for (int64_t k = 0; k < columns; k += 32 * Format::kParts, row += Format::kBytes) store_parts<Format>(row, out + k);
}

inline void dequantize_f8(const std::byte* row, int64_t columns, float* out) {
  int64_t k = 0;
  for (; k + 16 <= columns; k += 16) store_group(out + k, widen_f8(read_16(row + k)));
  if (k == columns) return;
  alignas(16) std::byte last[16] = {};
  float values[16];
  __builtin_memcpy(last, row + k, static_cast<size_t>(columns - k));
  store_group(values, widen_f8(read_16(last)));
  __builtin_memcpy(out + k, values, static_cast<size_t>(columns - k) * sizeof(float));
}

}  // namespace
}  // namespace kedge::cpu
