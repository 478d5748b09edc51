#pragma once
// Block formats as vectors of floats, bit for bit the values of cpu/dequantize.cc, which also says how each
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
inline Group scaled_codes(__m128i codes, Vector scale) {
  return scaled(widen_i8(codes), scale);
}

// A format's `open` reads the scales of a block once; `expand` makes part kPart of it.

/// The scale, and perhaps the minimum, of a block of 32.
struct BlockScale {
  Vector scale;
  Vector minimum;
};

struct Q4_0 {
  static constexpr int64_t kBytes = 18;
  static constexpr int kParts = 1;
  static Codebook open(const std::byte* block) {
    return codebook(_mm_sub_epi8(counting(), _mm_set1_epi8(8)), broadcast_f16(block));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Codebook& book, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 2);
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Q4_1 {
  static constexpr int64_t kBytes = 20;
  static constexpr int kParts = 1;
  static Codebook open(const std::byte* block) {
    return codebook_plus(counting(), broadcast_f16(block), broadcast_f16(block + 2));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Codebook& book, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 4);
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Q5_0 {
  static constexpr int64_t kBytes = 22;
  static constexpr int kParts = 1;
  static Vector open(const std::byte* block) { return broadcast_f16(block); }
  template <int kPart>
  static void expand(const std::byte* block, Vector scale, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 6);
    const auto fifth = read<uint32_t>(block + 2);
    const __m128i middle = _mm_set1_epi8(16);
    w[0] = scaled_codes(_mm_sub_epi8(_mm_or_si128(bits_from<0>(bytes, 15), spread(fifth, 16)), middle), scale);
    w[1] = scaled_codes(_mm_sub_epi8(_mm_or_si128(bits_from<4>(bytes, 15), spread(fifth >> 16, 16)), middle), scale);
  }
};

struct Q5_1 {
  static constexpr int64_t kBytes = 24;
  static constexpr int kParts = 1;
  static BlockScale open(const std::byte* block) { return {broadcast_f16(block), broadcast_f16(block + 2)}; }
  template <int kPart>
  static void expand(const std::byte* block, const BlockScale& s, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 8);
    const auto fifth = read<uint32_t>(block + 4);
    w[0] = plus(scaled_codes(_mm_or_si128(bits_from<0>(bytes, 15), spread(fifth, 16)), s.scale), s.minimum);
    w[1] = plus(scaled_codes(_mm_or_si128(bits_from<4>(bytes, 15), spread(fifth >> 16, 16)), s.scale), s.minimum);
  }
};

struct Q8_0 {
  static constexpr int64_t kBytes = 34;
  static constexpr int kParts = 1;
  static Vector open(const std::byte* block) { return broadcast_f16(block); }
  template <int kPart>
  static void expand(const std::byte* block, Vector scale, Group (&w)[2]) {
    w[0] = scaled_codes(read_16(block + 2), scale);
    w[1] = scaled_codes(read_16(block + 18), scale);
  }
};

// Codes of quantized checkpoints beside their scale (core/dtype.h).

struct Int4Scaled {
  static constexpr int64_t kBytes = 21;
  static constexpr int kParts = 1;
  static Codebook open(const std::byte* block) {
    const __m128i zero = _mm_set1_epi8(static_cast<char>(block[4]));
    return codebook(_mm_sub_epi8(counting(), zero), broadcast(read<float>(block)));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Codebook& book, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 5);
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Int8Scaled {
  struct Scale {
    Vector scale, minus_zero;
  };
  static constexpr int64_t kBytes = 37;
  static constexpr int kParts = 1;
  static Scale open(const std::byte* block) {
    const auto zero = static_cast<float>(read<int8_t>(block + 4));
    return {broadcast(read<float>(block)), broadcast(0.0F - zero)};
  }
  template <int kPart>
  static void expand(const std::byte* block, const Scale& s, Group (&w)[2]) {
    w[0] = scaled(plus(widen_i8(read_16(block + 5)), s.minus_zero), s.scale);
    w[1] = scaled(plus(widen_i8(read_16(block + 21)), s.minus_zero), s.scale);
  }
};

struct F8Scaled {
  static constexpr int64_t kBytes = 36;
  static constexpr int kParts = 1;
  static Vector open(const std::byte* block) { return broadcast(read<float>(block)); }
  template <int kPart>
  static void expand(const std::byte* block, Vector scale, Group (&w)[2]) {
    w[0] = scaled(widen_f8(read_16(block + 4)), scale);
    w[1] = scaled(widen_f8(read_16(block + 20)), scale);
  }
};

/// Sixteen floats in memory, to be broadcast one by one: a load does it, where a register would need a shuffle, and
/// shuffles are what expanding a block is short of.
struct Spilled {
  alignas(64) float lanes[16];
  explicit Spilled(const Group& g) {
    for (int p = 0; p < 16 / kLanes; ++p) store(lanes + p * kLanes, g.part[p]);
    __asm__("" : "+m"(lanes));  // or the compiler would shuffle after all
  }
};
template <int kLane>
Vector lane(const Spilled& s) {
  return broadcast(s.lanes[kLane]);
}

// Blocks of 256: the products of scales are made for all groups of a block at once.

struct Q2K {
  static constexpr int64_t kBytes = 84;
  static constexpr int kParts = 8;
  struct Scales {
    Spilled scales;
    Spilled minimums;
  };
  static Scales open(const std::byte* block) {
    const __m128i packed = read_16(block);
    return {Spilled(scaled_codes(bits_from<0>(packed, 15), broadcast_f16(block + 80))),
            Spilled(scaled_codes(bits_from<4>(packed, 15), broadcast_f16(block + 82)))};
  }
  template <int kPart>
  static void expand(const std::byte* block, const Scales& s, Group (&w)[2]) {
    const std::byte* const bytes = block + 16 + kPart / 4 * 32;
    const __m128i first = bits_from<2 * (kPart % 4)>(read_16(bytes), 3);
    const __m128i second = bits_from<2 * (kPart % 4)>(read_16(bytes + 16), 3);
    w[0] = minus(scaled_codes(first, lane<2 * kPart>(s.scales)), lane<2 * kPart>(s.minimums));
    w[1] = minus(scaled_codes(second, lane<2 * kPart + 1>(s.scales)), lane<2 * kPart + 1>(s.minimums));
  }
};

struct Q3K {
  static constexpr int64_t kBytes = 110;
  static constexpr int kParts = 8;
  static Spilled open(const std::byte* block) {
    const __m128i packed = read_16(block + 94);  // the 12 bytes at 96 with what is around them: no byte past the block
    const __m128i bytes = _mm_srli_si128(packed, 2);
    const __m128i low = _mm_unpacklo_epi64(bits_from<0>(bytes, 15), bits_from<4>(bytes, 15));
    const __m128i pairs = _mm_srlv_epi32(_mm_shuffle_epi32(bytes, 0xaa), _mm_set_epi32(6, 4, 2, 0));
    const __m128i high = _mm_slli_epi16(_mm_and_si128(pairs, _mm_set1_epi8(3)), 4);
    const __m128i codes = _mm_sub_epi8(_mm_or_si128(low, high), _mm_set1_epi8(32));
    return Spilled(scaled_codes(codes, broadcast_f16(block + 108)));
  }
  template <int kPart>
  static __m128i codes(const std::byte* block, int offset) {
    const __m128i low = bits_from<2 * (kPart % 4)>(read_16(block + 32 + kPart / 4 * 32 + offset), 3);
    // A clear high bit subtracts 4.
    const __m128i set = bits_from<kPart>(read_16(block + offset), 1);
    return _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(set, 2)), _mm_set1_epi8(4));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Spilled& scales, Group (&w)[2]) {
    w[0] = scaled_codes(codes<kPart>(block, 0), lane<2 * kPart>(scales));
    w[1] = scaled_codes(codes<kPart>(block, 16), lane<2 * kPart + 1>(scales));
  }
};

/// The scales of Q4_K and Q5_K: lanes 0-7 the scales, 8-15 the minimums of the 8 groups of 32.
inline Group k_scales(const std::byte* block) {
  const __m128i packed = read_16(block + 4);  // 12 bytes
  const __m128i low = bits_from<0>(packed, 63);
  const __m128i top = bits_from<2>(packed, 48);
  const __m128i nibbles = _mm_unpackhi_epi32(bits_from<0>(packed, 15), bits_from<4>(packed, 15));
  const __m128i first = _mm_unpacklo_epi32(low, top);
  const __m128i second = _mm_unpacklo_epi32(_mm_setzero_si128(), nibbles);
  const __m128i codes = _mm_or_si128(first, second);
  return times(widen_i8(codes), halves(broadcast_f16(block), broadcast_f16(block + 2)));
}

struct Q4K {
  static constexpr int64_t kBytes = 144;
  static constexpr int kParts = 8;
  static Spilled open(const std::byte* block) { return Spilled(k_scales(block)); }
  template <int kPart>
  static void expand(const std::byte* block, const Spilled& scales, Group (&w)[2]) {
    const Codebook book = codebook_minus(counting(), lane<kPart>(scales), lane<kPart + 8>(scales));
    const std::byte* const bytes = block + 16 + kPart / 2 * 32;
    if constexpr (kPart % 2 == 0) {
      w[0] = look_up_low(book, read_16(bytes));
      w[1] = look_up_low(book, read_16(bytes + 16));
    } else {
      w[0] = look_up_high(book, read_16(bytes));
      w[1] = look_up_high(book, read_16(bytes + 16));
    }
  }
};

struct Q5K {
  static constexpr int64_t kBytes = 176;
  static constexpr int kParts = 8;
  static Spilled open(const std::byte* block) { return Spilled(k_scales(block)); }
  template <int kPart>
  static __m128i codes(const std::byte* block, int offset) {
    const __m128i low = bits_from<4 * (kPart % 2)>(read_16(block + 48 + kPart / 2 * 32 + offset), 15);
    const __m128i fifth = bits_from<kPart>(read_16(block + 16 + offset), 1);
    return _mm_or_si128(low, _mm_slli_epi16(fifth, 4));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Spilled& scales, Group (&w)[2]) {
    const Vector scale = lane<kPart>(scales);
    const Vector minimum = lane<kPart + 8>(scales);
    w[0] = minus(scaled_codes(codes<kPart>(block, 0), scale), minimum);
    w[1] = minus(scaled_codes(codes<kPart>(block, 16), scale), minimum);
  }
};

struct Q6K {
  static constexpr int64_t kBytes = 210;
  static constexpr int kParts = 8;
  static Spilled open(const std::byte* block) {
    return Spilled(scaled_codes(read_16(block + 192), broadcast_f16(block + 208)));
  }
  template <int kPart>
  static __m128i codes(const std::byte* block, int offset) {
    constexpr int kHalf = kPart / 4;
    constexpr int kRun = kPart % 4;
    const __m128i low = bits_from<4 * (kRun / 2)>(read_16(block + kHalf * 64 + kRun % 2 * 32 + offset), 15);
    const __m128i high = bits_from<2 * kRun>(read_16(block + 128 + kHalf * 32 + offset), 3);
    return _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(32));
  }
  template <int kPart>
  static void expand(const std::byte* block, const Spilled& scales, Group (&w)[2]) {
    w[0] = scaled_codes(codes<kPart>(block, 0), lane<2 * kPart>(scales));
    w[1] = scaled_codes(codes<kPart>(block, 16), lane<2 * kPart + 1>(scales));
  }
};

struct Iq4Nl {
  static constexpr int64_t kBytes = 18;
  static constexpr int kParts = 1;
  static Codebook open(const std::byte* block) { return codebook(iq4_values(), broadcast_f16(block)); }
  template <int kPart>
  static void expand(const std::byte* block, const Codebook& book, Group (&w)[2]) {
    const __m128i bytes = read_16(block + 2);
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

struct Iq4Xs {
  static constexpr int64_t kBytes = 136;
  static constexpr int kParts = 8;
  static Vector open(const std::byte* block) { return broadcast_f16(block); }
  template <int kPart>
  static void expand(const std::byte* block, Vector scale, Group (&w)[2]) {
    const uint32_t low = byte_at(block, 4 + kPart / 2) >> (4 * (kPart % 2)) & 15U;
    const uint32_t high = static_cast<uint32_t>(read<uint16_t>(block + 2)) >> (2 * kPart) & 3U;
    const auto group_scale = static_cast<float>(static_cast<int>(low | high << 4) - 32);
    const Codebook book = codebook(iq4_values(), multiply(scale, broadcast(group_scale)));
    const __m128i bytes = read_16(block + 8 + kPart * 16);
    w[0] = look_up_low(book, bytes);
    w[1] = look_up_high(book, bytes);
  }
};

inline void store_group(float* out, const Group& g) {
  for (int p = 0; p < 16 / kLanes; ++p) store(out + p * kLanes, g.part[p]);
}

template <typename Format, int kPart, typename Scales>
[[gnu::always_inline]] inline void store_parts(const std::byte* block, const Scales& scales, float* out) {
  if constexpr (kPart < Format::kParts) {
    Group w[2];
    Format::template expand<kPart>(block, scales, w);
    store_group(out + 32 * kPart, w[0]);
    store_group(out + 32 * kPart + 16, w[1]);
    store_parts<Format, kPart + 1>(block, scales, out);
  }
}

template <typename Format>
void dequantize(const std::byte* row, int64_t columns, float* out) {
  for (int64_t k = 0; k < columns; k += 32 * Format::kParts, row += Format::kBytes) {
    store_parts<Format, 0>(row, Format::open(row), out + k);
  }
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
