#pragma once
// How keys and values lie in a page of the cache. A page holds `page_tokens` keys (or values) of every kv head of a
// layer, head after head; a head holds one row a token:
//
//   f32, bf16  head_size elements.
//   int8       head_size signed codes; after all rows, f32 scale[page_tokens].        value = scale * code
//   int4       groups of 32 elements, the last one filled up: bf16 scale, bf16 minimum, 16 bytes with element i's
//              code in the low nibble of byte i and element i + 16's in its high nibble.
//                                                                                 value = scale * code + minimum
//
// int8: scale is the row's largest magnitude / 127. int4: the minimum is the group's smallest element and the scale a
// fifteenth of its range, both rounded to bf16 before codes are chosen. A row (or group) that holds an infinity or a
// NaN has a scale of NaN and codes of 0. What every instruction set writes is the same to the bit.

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {

/// The type that keys and values are kept in.
enum class KvType : uint8_t { f32, bf16, int8, int4 };

inline constexpr int64_t kKvGroup = 32;       // elements of int4
inline constexpr int64_t kKvGroupBytes = 20;  // and the bytes that they take

/// Sizes of a page's part for one head. Instruction-set files get them in AttentionTile.
struct KvHeadShape {
  int64_t row_bytes;      // of a token
  int64_t scales_offset;  // from the first row on; the end of the rows
  int64_t bytes;          // of all
  int64_t token_bytes;    // a token's share, scales included
};

constexpr KvHeadShape kv_head_shape(KvType type, int64_t page_tokens, int64_t head_size) {
  int64_t row_bytes = head_size;
  if (type == KvType::f32) row_bytes = 4 * head_size;
  if (type == KvType::bf16) row_bytes = 2 * head_size;
  if (type == KvType::int4) row_bytes = (head_size + kKvGroup - 1) / kKvGroup * kKvGroupBytes;
  const int64_t scale_bytes = type == KvType::int8 ? 4 : 0;
  const int64_t rows_bytes = (page_tokens * row_bytes + 3) / 4 * 4;
  return {row_bytes, rows_bytes, rows_bytes + page_tokens * scale_bytes, row_bytes + scale_bytes};
}

}  // namespace kedge::cpu
