#pragma once
// Element types of stored tensors: plain numbers, the block formats of GGUF, and what quantized checkpoints are laid
// out as.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kedge {

enum class DType : uint8_t {
  f32,
  f16,
  bf16,
  f8_e4m3,
  i8,
  i32,
  i64,
  u8,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  // 32 elements beside their scale, from checkpoints that keep codes and scales apart; in no file. value = scale *
  // (code - zero); both f32 scale first.
  int4_scaled,  // then u8 zero, and nibbles: element i in the low half of byte i, element i + 16 in its high half
  int8_scaled,  // then i8 zero, and 32 signed codes
  f8_scaled,    // then 32 of F8_E4M3; no zero
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;    // as messages and `kedge inspect` print it: the name of its file format
  uint32_t block_elements;  // elements that share one stored block; 1 for plain types
  uint32_t block_bytes;
};

const DTypeInfo& info_of(DType dtype);
inline std::string_view name_of(DType dtype) {
  return info_of(dtype).name;
}

/// Bytes of one row of `columns` elements; nothing when columns is not a whole number of blocks or
/// the product overflows.
std::optional<uint64_t> row_bytes(DType dtype, uint64_t columns);

}  // namespace kedge
