#include "cpu/packed_forms.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "cpu/dequantize.h"

namespace kedge::cpu {
namespace {

static_assert(std::ranges::equal(kIq4Table.of, kIq4Values, {}, {}, [](int value) { return value + 128; }));

// Stored blocks: where what lies is told in cpu/dequantize.cc.

uint8_t u8(const std::byte* bytes, size_t index) {
  return std::to_integer<uint8_t>(bytes[index]);
}
uint16_t u16(const std::byte* bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// 32 codes of 4 bits.
void read_nibbles(const std::byte* pairs, uint8_t* codes) {
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t pair = u8(pairs, i);
    codes[i] = pair & 15U;
    codes[i + 16] = pair >> 4;
  }
}
/// Some bits (1, 3 or 15: those of `mask`) of 32 bytes, from bit `from` on, become bits of as many codes, from bit `to`
/// on; lower bits are there already.
void read_bits(const std::byte* bytes, size_t from, uint64_t mask, unsigned to, uint8_t* codes) {
  for (size_t i = 0; i < 32; i += 8) {  // eight at a time: no compiler's vectors are counted on
    uint64_t word = 0, code = 0;
    std::memcpy(&word, bytes + i, sizeof(word));
    if (to > 0) std::memcpy(&code, codes + i, sizeof(code));
    code |= (word >> from & mask * 0x0101010101010101U) << to;
    std::memcpy(codes + i, &code, sizeof(code));
  }
}
/// 256 codes of 4 bits, 64 after 64.
void read_nibbles_of_k(const std::byte* pairs, uint8_t* codes) {
  for (size_t g = 0; g < 8; ++g) read_bits(pairs + g / 2 * 32, g % 2 * 4, 15, 0, codes + 32 * g);
}
/// 2 bits of each of 256 codes, 128 after 128.
void read_pairs_of_k(const std::byte* fours, unsigned to, uint8_t* codes) {
  for (size_t g = 0; g < 8; ++g) read_bits(fours + g / 4 * 32, g % 4 * 2, 3, to, codes + 32 * g);
}
/// One more bit of each of 256 codes.
void read_top_bits_of_k(const std::byte* bits, unsigned to, uint8_t* codes) {
  for (size_t g = 0; g < 8; ++g) read_bits(bits, g, 1, to, codes + 32 * g);
}
void read_fifth_bits(const std::byte* bits, uint8_t* codes) {
  for (size_t k = 0; k < 32; ++k) codes[k] |= static_cast<uint8_t>((u8(bits, k / 8) >> (k % 8) & 1U) << 4);
}

void read_q4_0(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored);
  read_nibbles(stored + 2, block.codes.data());
}
void read_q5_0(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored);
  read_nibbles(stored + 6, block.codes.data());
  read_fifth_bits(stored + 2, block.codes.data());
}
void read_q8_0(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored);
  for (size_t i = 0; i < 32; ++i) block.codes[i] = static_cast<uint8_t>(u8(stored + 2, i) + 128U);
}

void read_added_minimum(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored);
  block.minimum = u16(stored + 2) ^ 0x8000U;
}
void read_q4_1(const std::byte* stored, PackedBlock& block) {
  read_added_minimum(stored, block);
  read_nibbles(stored + 4, block.codes.data());
}
void read_q5_1(const std::byte* stored, PackedBlock& block) {
  read_added_minimum(stored, block);
  read_nibbles(stored + 8, block.codes.data());
  read_fifth_bits(stored + 4, block.codes.data());
}

void read_q2_k(const std::byte* stored, PackedBlock& block) {
  std::memcpy(block.group_scales.data(), stored, 16);  // with the minimums
  read_pairs_of_k(stored + 16, 0, block.codes.data());
  block.scale = u16(stored + 80);
  block.minimum = u16(stored + 82);
}

void read_q3_k(const std::byte* stored, PackedBlock& block) {
  read_pairs_of_k(stored + 32, 0, block.codes.data());
  read_top_bits_of_k(stored, 2, block.codes.data());
  const std::byte* const scales = stored + 96;
  for (size_t g = 0; g < 16; ++g) {
    const unsigned low = u8(scales, g % 8) >> (g / 8 * 4) & 15U, high = u8(scales, 8 + g % 4) >> (g / 4 * 2) & 3U;
    block.group_scales[g] = static_cast<uint8_t>((low | high << 4) - 32U);
  }
  block.scale = u16(stored + 108);
}

/// The scales and minimums of Q4_K and Q5_K, of 6 bits.
void read_scales_of_k(const std::byte* stored, PackedBlock& block) {
  const std::byte* const packed = stored + 4;
  block.scale = u16(stored);
  block.minimum = u16(stored + 2);
  for (size_t g = 0; g < 4; ++g) {
    const unsigned nibbles = u8(packed, g + 8);
    const unsigned scale_top = u8(packed, g) >> 6, minimum_top = u8(packed, g + 4) >> 6;
    block.group_scales[g] = u8(packed, g) & 63U;
    block.group_minimums[g] = u8(packed, g + 4) & 63U;
    block.group_scales[g + 4] = static_cast<uint8_t>((nibbles & 15U) | scale_top << 4);
    block.group_minimums[g + 4] = static_cast<uint8_t>(nibbles >> 4 | minimum_top << 4);
  }
}
void read_q4_k(const std::byte* stored, PackedBlock& block) {
  read_scales_of_k(stored, block);
  read_nibbles_of_k(stored + 16, block.codes.data());
}
void read_q5_k(const std::byte* stored, PackedBlock& block) {
  read_scales_of_k(stored, block);
  read_nibbles_of_k(stored + 48, block.codes.data());
  read_top_bits_of_k(stored + 16, 4, block.codes.data());
}

void read_q6_k(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored + 208);
  std::memcpy(block.group_scales.data(), stored + 192, 16);
  uint8_t* const codes = block.codes.data();
  for (size_t g = 0; g < 8; ++g) {
    read_bits(stored + g / 4 * 64 + g % 2 * 32, g % 4 / 2 * 4, 15, 0, codes + 32 * g);
  }
  read_pairs_of_k(stored + 128, 4, codes);
}

void read_iq4_xs(const std::byte* stored, PackedBlock& block) {
  block.scale = u16(stored);
  const unsigned high_bits = u16(stored + 2);
  for (size_t g = 0; g < 8; ++g) {
    const unsigned low = u8(stored + 4, g / 2) >> (g % 2 * 4) & 15U, high = high_bits >> (2 * g) & 3U;
    block.group_scales[g] = static_cast<uint8_t>((low | high << 4) - 32U);
    read_nibbles(stored + 8 + 16 * g, block.codes.data() + 32 * g);
  }
}

/// A packed block is as many stored blocks as share a scale.
void read_int4(const std::byte* stored, PackedBlock& block) {
  std::memcpy(&block.wide_scale, stored, sizeof(block.wide_scale));
  block.zero = u8(stored, 4);
  const size_t bytes = info_of(DType::int4_scaled).block_bytes;
  for (size_t g = 0; g < block.groups; ++g) read_nibbles(stored + g * bytes + 5, block.codes.data() + 32 * g);
}
void read_int8(const std::byte* stored, PackedBlock& block) {
  std::memcpy(&block.wide_scale, stored, sizeof(block.wide_scale));
  block.zero = static_cast<uint8_t>(u8(stored, 4) + 128U);
  const size_t bytes = info_of(DType::int8_scaled).block_bytes;
  for (size_t k = 0; k < 32 * block.groups; ++k) {
    block.codes[k] = static_cast<uint8_t>(u8(stored, k / 32 * bytes + 5 + k % 32) + 128U);
  }
}

/// Bits [kShift, kShift + kBits) of the 32 codes of a group become a plane's part of one output.
template <int kBits, int kShift = 0>
void write_plane(const uint8_t* codes, size_t output, std::byte* plane) {
  constexpr size_t kLineQuads = 8 / kBits;
  constexpr uint32_t kMask = ((1U << kBits) - 1) * 0x01010101U;
  for (size_t line = 0; line < kBits; ++line, codes += 4 * kLineQuads) {
    uint32_t bytes = 0;
    for (size_t i = 0; i < kLineQuads; ++i) {
      uint32_t quad = 0;  // columns 4 t to 4 t + 3, one a byte
      std::memcpy(&quad, codes + 4 * i, sizeof(quad));
      bytes |= (quad >> kShift & kMask) << (kBits * i);
    }
    std::memcpy(plane + 64 * line + 4 * output, &bytes, sizeof(bytes));
  }
}

void write_codes(const PackedShape& layout, const uint8_t* codes, size_t output, std::byte* group) {
  std::byte* const high = group + 64 * layout.low_bits;
  switch (layout.low_bits) {
    case 2:
      write_plane<2>(codes, output, group);
      if (layout.high_bits == 1) write_plane<1, 2>(codes, output, high);
      return;
    case 4:
      write_plane<4>(codes, output, group);
      if (layout.high_bits == 1) write_plane<1, 4>(codes, output, high);
      if (layout.high_bits == 2) write_plane<2, 4>(codes, output, high);
      return;
    default:
      write_plane<8>(codes, output, group);
  }
}

void write_u16(uint16_t value, size_t output, std::byte* out) {
  std::memcpy(out + 2 * output, &value, sizeof(value));
}
void write_scale(const PackedBlock& block, size_t output, std::byte* out) {
  write_u16(block.scale, output, out);
}
void write_scale_and_minimum(const PackedBlock& block, size_t output, std::byte* out) {
  write_u16(block.scale, output, out);
  write_u16(block.minimum, output, out + 32);
}
void write_scale_and_zero(const PackedBlock& block, size_t output, std::byte* out) {
  std::memcpy(out + 4 * output, &block.wide_scale, sizeof(block.wide_scale));
  out[64 + output] = std::byte{block.zero};
}

/// Of a block of one group.
template <void (*kWrite)(const PackedBlock&, size_t, std::byte*)>
void write_own(const PackedBlock& block, size_t, size_t output, std::byte* out) {
  kWrite(block, output, out);
}
void write_byte(const PackedBlock& block, size_t g, size_t output, std::byte* out) {
  out[output] = std::byte{block.group_scales[g]};
}
void write_two_bytes(const PackedBlock& block, size_t g, size_t output, std::byte* out) {
  out[output] = std::byte{block.group_scales[2 * g]};
  out[16 + output] = std::byte{block.group_scales[2 * g + 1]};
}
void write_byte_and_minimum(const PackedBlock& block, size_t g, size_t output, std::byte* out) {
  out[output] = std::byte{block.group_scales[g]};
  out[16 + output] = std::byte{block.group_minimums[g]};
}

/// Sums of products start at minus the codes' zero times the token's sum.
template <int32_t kZero>
void start_of_group(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -kZero * (sums[0] + sums[1]);
}
template <int32_t kZero>
void starts_of_halves(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -kZero * sums[0];
  starts[1] = -kZero * sums[1];
}
/// What a minimum is multiplied with: the bits of a float.
void scaled_start(const int32_t* sums, float scale, int32_t* starts) {
  starts[0] = std::bit_cast<int32_t>(static_cast<float>(sums[0] + sums[1]) * scale);
}
void scaled_starts_of_halves(const int32_t* sums, float scale, int32_t* starts) {
  starts[0] = std::bit_cast<int32_t>(static_cast<float>(sums[0]) * scale);
  starts[1] = std::bit_cast<int32_t>(static_cast<float>(sums[1]) * scale);
}
/// What a zero is multiplied with: the low 16 bits.
void narrow_start(const int32_t* sums, float, int32_t* starts) {
  starts[0] = -(sums[0] + sums[1]) & 0xffff;
}

using Table = KernelTable;
constexpr PackedForm kForms[] = {
    {DType::q4_0, kW4Shape, &Table::packed_w4, &Table::packed_tiles_w4, read_q4_0, nullptr, write_own<write_scale>,
     start_of_group<8>},
    {DType::q5_0, kW5Shape, &Table::packed_w5, &Table::packed_tiles_w5, read_q5_0, nullptr, write_own<write_scale>,
     start_of_group<16>},
    {DType::q8_0, kW8Shape, &Table::packed_w8, &Table::packed_tiles_w8, read_q8_0, nullptr, write_own<write_scale>,
     start_of_group<128>},
    {DType::iq4_nl, kW4Shape, &Table::packed_w4_i, &Table::packed_tiles_w4_i, read_q4_0, nullptr,
     write_own<write_scale>, start_of_group<128>},
    {DType::q4_1, kW4MShape, &Table::packed_w4_m, &Table::packed_tiles_w4_m, read_q4_1, nullptr,
     write_own<write_scale_and_minimum>, scaled_start},
    {DType::q5_1, kW5MShape, &Table::packed_w5_m, &Table::packed_tiles_w5_m, read_q5_1, nullptr,
     write_own<write_scale_and_minimum>, scaled_start},
    {DType::q2_k, kW2KShape, &Table::packed_w2_k, &Table::packed_tiles_w2_k, read_q2_k, write_scale_and_minimum,
     write_two_bytes, scaled_starts_of_halves},
    {DType::q3_k, kW3KShape, &Table::packed_w3_k, &Table::packed_tiles_w3_k, read_q3_k, write_scale, write_two_bytes,
     starts_of_halves<4>},
    {DType::q4_k, kW4KShape, &Table::packed_w4_k, &Table::packed_tiles_w4_k, read_q4_k, write_scale_and_minimum,
     write_byte_and_minimum, scaled_start},
    {DType::q5_k, kW5KShape, &Table::packed_w5_k, &Table::packed_tiles_w5_k, read_q5_k, write_scale_and_minimum,
     write_byte_and_minimum, scaled_start},
    {DType::q6_k, kW6KShape, &Table::packed_w6_k, &Table::packed_tiles_w6_k, read_q6_k, write_scale, write_two_bytes,
     starts_of_halves<32>},
    {DType::iq4_xs, kW4IKShape, &Table::packed_w4_ik, &Table::packed_tiles_w4_ik, read_iq4_xs, write_scale, write_byte,
     start_of_group<128>},
    {DType::int4_scaled, kW4GShape, &Table::packed_w4_g, &Table::packed_tiles_w4_g, read_int4, write_scale_and_zero,
     nullptr, narrow_start},
    {DType::int8_scaled, kW8GShape, &Table::packed_w8_g, &Table::packed_tiles_w8_g, read_int8, write_scale_and_zero,
     nullptr, narrow_start},
};

}  // namespace

std::span<const PackedForm> packed_forms() {
  return kForms;
}

const PackedForm* packed_form(DType dtype) {
  for (const PackedForm& form : kForms) {
    if (form.dtype == dtype) return &form;
  }
  return nullptr;
}

PackedShape shape_of(const PackedForm& form, const PackedView& w) {
  return with_block(form.layout, w.block_columns);
}

size_t panel_bytes(const PackedShape& shape, int64_t columns) {
  return static_cast<size_t>(columns / shape.block_columns * bytes_of_block(shape));
}

void write_block(const PackedForm& form, const PackedBlock& block, size_t output, std::byte* out) {
  if (form.write_head != nullptr) form.write_head(block, output, out);
  out += form.layout.head_bytes;
  for (size_t g = 0; g < block.groups; ++g, out += form.layout.group_bytes) {
    write_codes(form.layout, block.codes.data() + 32 * g, output, out);
    if (form.write_scales != nullptr) form.write_scales(block, g, output, out + form.layout.code_bytes);
  }
}

}  // namespace kedge::cpu
