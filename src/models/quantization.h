#pragma once
// What a checkpoint's quantization_config says: GPTQ, AWQ, compressed-tensors or FP8. Bits, groups and zero points are
// read from the tensors' own shapes; the settings say how codes are laid out and how activations are rounded.

#include <cstdint>
#include <optional>
#include <string>

#include "core/json.h"
#include "cpu/input_rounding.h"
#include "kedge/result.h"

namespace kedge::models {

enum class QuantizationMethod : uint8_t { gptq, awq, compressed_tensors, fp8 };

struct Quantization {
  QuantizationMethod method = QuantizationMethod::gptq;
  std::string name;           // as settings spell the method
  int code_bits = 8;          // of codes in words, for what is told of the model
  uint32_t zero_offset = 0;   // added to stored zero points (GPTQ's first format keeps them less one)
  int64_t block_rows = 0;     // FP8: outputs that share a scale where scales are in blocks; 0: they are not
  int64_t block_columns = 0;  // and inputs
  cpu::InputRounding input;   // of the products of quantized weights; its scale is each matrix's own
};

/// Nothing where the settings have no quantization_config. Fails with unsupported (a method or layout that is not read)
/// or corrupt_data, naming `config_name`.
Result<std::optional<Quantization>> read_quantization(const Json& config, const std::string& config_name);

}  // namespace kedge::models
