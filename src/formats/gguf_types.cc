#include "formats/gguf_types.h"

#include <fmt/format.h>

namespace kedge::formats {
namespace {

struct KnownType {
  uint32_t number;
  DType dtype;
};

constexpr KnownType kKnownTypes[] = {
    {0, DType::f32},   {1, DType::f16},   {2, DType::q4_0},    {3, DType::q4_1},    {6, DType::q5_0},
    {7, DType::q5_1},  {8, DType::q8_0},  {10, DType::q2_k},   {11, DType::q3_k},   {12, DType::q4_k},
    {13, DType::q5_k}, {14, DType::q6_k}, {20, DType::iq4_nl}, {23, DType::iq4_xs}, {24, DType::i8},
    {26, DType::i32},  {27, DType::i64},  {30, DType::bf16},
};

struct ForeignType {
  uint32_t number;
  std::string_view name;
};

constexpr ForeignType kForeignTypes[] = {
    {9, "Q8_1"},   {15, "Q8_K"}, {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"},
    {22, "IQ2_S"}, {25, "I16"},  {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

struct ValueType {
  std::string_view name;
  uint64_t bytes_min;
};

// In the order of GgufValue::Type. A string is at least its length, an array its type and length.
constexpr ValueType kValueTypes[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                                     {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 8}, {"array", 12},
                                     {"u64", 8}, {"i64", 8}, {"f64", 8}};

}  // namespace

std::optional<DType> dtype_of_gguf(uint32_t number) {
  for (const KnownType& type : kKnownTypes) {
    if (type.number == number) return type.dtype;
  }
  return std::nullopt;
}

std::optional<uint32_t> gguf_of_dtype(DType dtype) {
  for (const KnownType& type : kKnownTypes) {
    if (type.dtype == dtype) return type.number;
  }
  return std::nullopt;
}

std::string gguf_type_text(uint32_t number) {
  for (const ForeignType& type : kForeignTypes) {
    if (type.number == number) return fmt::format("{} ({})", number, type.name);
  }
  return std::to_string(number);
}

uint64_t gguf_value_bytes_min(GgufValue::Type type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kValueTypes) ? kValueTypes[number].bytes_min : 0;
}

std::string_view gguf_value_name(GgufValue::Type type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kValueTypes) ? kValueTypes[number].name : "unknown";
}

}  // namespace kedge::formats
