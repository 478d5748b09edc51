#pragma once
// The JSON header of a .safetensors file as a list of entries. Syntax only: safetensors.cc judges the numbers.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "kedge/result.h"

namespace kedge::formats {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  // no dimension is negative
  uint64_t begin = 0;          // byte offsets after the header, as stored
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the header's order
  std::map<std::string, std::string> metadata;
};

/// Fails with corrupt_data (not JSON, a name twice, a field missing, of a wrong kind or unknown, past a limit) or
/// unsupported (a dtype that kedge has not), naming the tensor.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view file);

/// The header's spelling of a dtype; empty for GGUF's block types, which safetensors has not.
std::string_view safetensors_dtype_name(DType dtype);

}  // namespace kedge::formats
