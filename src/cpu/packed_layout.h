#pragma once
// How packed weights lie in memory. A panel holds sixteen outputs; within it, the columns go from first to last in
// groups of 32, so that a product reads one stream. Codes of a group are eight quads of four columns: quad t holds
// columns 4 t to 4 t + 3 of output 0, then of output 1, ... (64 bytes of 8-bit codes: what VPDPBUSD and a row of an AMX
// tile take).
//
// Codes lie in planes of 1, 2, 4 or 8 bits: their low bits in one, the rest, if any, in a second. A plane of b bits is
// b lines of 64 bytes; byte i of line l holds b bits of byte i of each of the quads 8 / b * l to 8 / b * (l + 1) - 1,
// lowest first.
//
// A block is a head, then its groups: codes, then what stands here as "group". [2][16]: for columns 0-15 and 16-31.
//
//          from    bits   columns, head                   group                             value
//   w4     Q4_0    4      32                              f16 scale[16]                     scale * (code - 8)
//   w5     Q5_0    4 + 1  32                              f16 scale[16]                     scale * (code - 16)
//   w8     Q8_0    8      32                              f16 scale[16]                     scale * (code - 128)
//   w4_i   IQ4_NL  4      32                              f16 scale[16]                     scale * (table[code] - 128)
//   w4_m   Q4_1    4      32                              f16 scale[16], minimum[16]        scale * code - minimum
//   w5_m   Q5_1    4 + 1  32                              f16 scale[16], minimum[16]        scale * code - minimum
//   w2_k   Q2_K    2      256, f16 scale[16], minimum[16] u4 scale, u4 minimum [2][16]      scale * code - minimum
//   w3_k   Q3_K    2 + 1  256, f16 scale[16]              i8 scale[2][16]                   scale * (code - 4)
//   w4_k   Q4_K    4      256, f16 scale[16], minimum[16] u8 scale[16], u8 minimum[16]      scale * code - minimum
//   w5_k   Q5_K    4 + 1  256, f16 scale[16], minimum[16] u8 scale[16], u8 minimum[16]      scale * code - minimum
//   w6_k   Q6_K    4 + 2  256, f16 scale[16]              i8 scale[2][16]                   scale * (code - 32)
//   w4_ik  IQ4_XS  4      256, f16 scale[16]              i8 scale[16]                      scale * (table[code] - 128)
//   w4_g   INT4    4      32-256, f32 scale[16], u8 zero[16]                                scale * (code - zero)
//   w8_g   INT8    8      32-256, f32 scale[16], u8 zero[16]                                scale * (code - zero)
//
// A scale or minimum of a group is multiplied with the head's. Q4_1 and Q5_1 add what is stored as their minimum: here
// its sign is turned round. w4_g and w8_g: a block is as many columns as share a scale.

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {

/// Sizes of one layout. Only constants here: instruction-set files include this.
struct PackedShape {
  int64_t block_columns;  // columns that share a head; 0: each matrix has its own
  int64_t head_bytes;
  int low_bits;
  int high_bits;
  int64_t scale_bytes;                                        // of a group of 32 columns
  int64_t code_bytes = int64_t{64} * (low_bits + high_bits);  // likewise
  int64_t group_bytes = code_bytes + scale_bytes;
};
inline constexpr PackedShape kW4Shape{32, 0, 4, 0, 32};
inline constexpr PackedShape kW5Shape{32, 0, 4, 1, 32};
inline constexpr PackedShape kW8Shape{32, 0, 8, 0, 32};
inline constexpr PackedShape kW4MShape{32, 0, 4, 0, 64};
inline constexpr PackedShape kW5MShape{32, 0, 4, 1, 64};
inline constexpr PackedShape kW2KShape{256, 64, 2, 0, 32};
inline constexpr PackedShape kW3KShape{256, 32, 2, 1, 32};
inline constexpr PackedShape kW4KShape{256, 64, 4, 0, 32};
inline constexpr PackedShape kW5KShape{256, 64, 4, 1, 32};
inline constexpr PackedShape kW6KShape{256, 32, 4, 2, 32};
inline constexpr PackedShape kW4IKShape{256, 32, 4, 0, 16};
inline constexpr PackedShape kW4GShape{0, 64 + 16, 4, 0, 0};
inline constexpr PackedShape kW8GShape{0, 64 + 16, 8, 0, 0};

/// What codes of IQ4_NL and IQ4_XS stand for, and 128: unsigned, as VPDPBUSD takes them. Not inline: objects under isa/
/// may export nothing but their table.
struct PackedTable {
  uint8_t of[16];
};
constexpr PackedTable kIq4Table{{1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}};

/// The shape of a matrix whose heads stand for `block_columns` columns each where the layout leaves it open.
constexpr PackedShape with_block(PackedShape shape, int64_t block_columns) {
  if (shape.block_columns == 0) shape.block_columns = block_columns;
  return shape;
}

constexpr int64_t bytes_of_block(const PackedShape& shape) {
  return shape.head_bytes + shape.block_columns / 32 * shape.group_bytes;
}

}  // namespace kedge::cpu
