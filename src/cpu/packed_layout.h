#pragma once
// How packed weights lie in memory. A panel holds sixteen outputs; within it, the columns go from first to last in
// groups of 32, so that a product reads one stream. Codes of a group are eight quads of four columns: quad t holds
// columns 4 t to 4 t + 3 of output 0, then of output 1, ... (64 bytes of 8-bit codes: what VPDPBUSD and a row of an AMX
// tile take).
//
//   w4    from Q4_0  group: codes[256], f16 scale[16].                     value = scale * (code - 8)
//   w8    from Q8_0  group: codes[512], f16 scale[16].                     value = scale * (code - 128)
//   w4_k  from Q4_K  of 256 columns: f16 scale[16], f16 minimum[16], then eight groups: codes[256], u8 scale[16],
//                    u8 minimum[16].                                       value = scale * code - minimum
//   w6_k  from Q6_K  of 256 columns: f16 scale[16], then eight groups: codes[256], high[128], i8 scale[2][16] for
//                    columns 0-15 and 16-31.                               value = scale * (code - 32)
//   w4_g  from INT4  of 32 to 256 columns, as many as share a scale: f32 scale[16], u8 zero[16], then groups:
//                    codes[256].                                           value = scale * (code - zero)
//   w8_g  from INT8  likewise, groups: codes[512].                         value = scale * (code - zero)
//
// Four-bit codes: byte i of line j (64 bytes) holds byte i of quad 2 j in its low and of quad 2 j + 1 in its high
// nibble. high: byte i of line h holds the top two bits of byte i of quads 4 h to 4 h + 3, lowest first.

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {

/// Sizes of one layout. Only constants here: instruction-set files include this.
struct PackedShape {
  int64_t block_columns;  // columns that share a head; 0: each matrix has its own
  int64_t head_bytes;
  int64_t group_bytes;  // of 32 columns
};
inline constexpr PackedShape kW4Shape{32, 0, 256 + 32};
inline constexpr PackedShape kW8Shape{32, 0, 512 + 32};
inline constexpr PackedShape kW4KShape{256, 64, 256 + 32};
inline constexpr PackedShape kW6KShape{256, 32, 256 + 128 + 32};
inline constexpr PackedShape kW4GShape{0, 64 + 16, 256};
inline constexpr PackedShape kW8GShape{0, 64 + 16, 512};

/// The shape of a matrix whose heads stand for `block_columns` columns each where the layout leaves it open.
constexpr PackedShape with_block(PackedShape shape, int64_t block_columns) {
  if (shape.block_columns == 0) shape.block_columns = block_columns;
  return shape;
}

constexpr int64_t bytes_of_block(const PackedShape& shape) {
  return shape.head_bytes + shape.block_columns / 32 * shape.group_bytes;
}

}  // namespace kedge::cpu
