#include "core/dtype.h"

#include <limits>

namespace kedge {
namespace {

// In the order of DType. Block sizes: the GGUF specification (ggml-common.h layouts).
constexpr DTypeInfo kInfos[] = {
    {DType::f32, "F32", 1, 4},
    {DType::f16, "F16", 1, 2},
    {DType::bf16, "BF16", 1, 2},
    {DType::f8_e4m3, "F8_E4M3", 1, 1},
    {DType::i8, "I8", 1, 1},
    {DType::i32, "I32", 1, 4},
    {DType::i64, "I64", 1, 8},
    {DType::u8, "U8", 1, 1},
    {DType::q4_0, "Q4_0", 32, 18},
    {DType::q4_1, "Q4_1", 32, 20},
    {DType::q5_0, "Q5_0", 32, 22},
    {DType::q5_1, "Q5_1", 32, 24},
    {DType::q8_0, "Q8_0", 32, 34},
    {DType::q2_k, "Q2_K", 256, 84},
    {DType::q3_k, "Q3_K", 256, 110},
    {DType::q4_k, "Q4_K", 256, 144},
    {DType::q5_k, "Q5_K", 256, 176},
    {DType::q6_k, "Q6_K", 256, 210},
    {DType::iq4_nl, "IQ4_NL", 32, 18},
    {DType::iq4_xs, "IQ4_XS", 256, 136},
    {DType::int4_scaled, "INT4", 32, 21},
    {DType::int8_scaled, "INT8", 32, 37},
    {DType::f8_scaled, "FP8", 32, 36},
};

}  // namespace

const DTypeInfo& info_of(DType dtype) {
  return kInfos[static_cast<size_t>(dtype)];
}

std::optional<uint64_t> row_bytes(DType dtype, uint64_t columns) {
  const DTypeInfo& info = info_of(dtype);
  if (columns % info.block_elements != 0) return std::nullopt;
  const uint64_t blocks = columns / info.block_elements;
  if (blocks > std::numeric_limits<uint64_t>::max() / info.block_bytes) return std::nullopt;
  return blocks * info.block_bytes;
}

}  // namespace kedge
