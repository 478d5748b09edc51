#pragma once
// The numbers of the GGUF specification: tensor types, value types, limits.

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/dtype.h"
#include "formats/gguf.h"

namespace kedge::formats {

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF", little endian
inline constexpr uint32_t kGgufAlignmentDefault = 32;
inline constexpr uint64_t kGgufAlignmentMax = uint64_t{1} << 20;
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
inline constexpr uint64_t kGgufKeyBytesMax = 65535;  // the specification's limit
inline constexpr uint64_t kGgufNameBytesMax = 1024;
inline constexpr uint64_t kGgufMetadataCountMax = 1 << 20;
inline constexpr uint64_t kGgufArrayElementsMax = uint64_t{1} << 26;  // of all arrays of a file together
inline constexpr int kGgufArrayDepthMax = 8;

/// The type with this number in a tensor's entry, if kedge reads it.
std::optional<DType> dtype_of_gguf(uint32_t number);
/// The number of a type, or nothing for types that GGUF has not (F8_E4M3, U8).
std::optional<uint32_t> gguf_of_dtype(DType dtype);
/// "16 (IQ2_XXS)", or the number alone when the specification has none: for messages about types kedge does not read.
std::string gguf_type_text(uint32_t number);

/// Bytes that one value takes at least in the file; 0 for a number that is no value type.
uint64_t gguf_value_bytes_min(GgufValue::Type type);
/// "u32", "array", ...
std::string_view gguf_value_name(GgufValue::Type type);

}  // namespace kedge::formats
