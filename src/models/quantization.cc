#include "models/quantization.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

#include "models/config_reader.h"

namespace kedge::models {
namespace {

Error unsupported(const ConfigReader& config, std::string_view what, std::string_view found, std::string_view known) {
  return Error{ErrorKind::unsupported, fmt::format("{}: {} is '{}', expected {}", config.name(), what, found, known)};
}

Result<Quantization> read_gptq(ConfigReader& config) {
  Quantization quantization{.method = QuantizationMethod::gptq, .name = "gptq"};
  const std::string format = config.text_or("checkpoint_format", "gptq");
  KEDGE_TRY(config.status());
  if (format != "gptq" && format != "gptq_v2") {
    return unsupported(config, "checkpoint_format", format, "gptq or gptq_v2");
  }
  quantization.zero_offset = format == "gptq" ? 1 : 0;
  quantization.code_bits = static_cast<int>(config.integer_or("bits", 4, 1, 32));
  KEDGE_TRY(config.status());
  return quantization;
}

Result<Quantization> read_awq(ConfigReader& config) {
  const std::string version = config.text_or("version", "gemm");
  KEDGE_TRY(config.status());
  if (version != "gemm" && version != "GEMM") return unsupported(config, "version", version, "gemm");
  return Quantization{.method = QuantizationMethod::awq, .name = "awq", .code_bits = 4};
}

/// A pair such as weight_block_size [128, 128].
Status read_block(ConfigReader& config, std::string_view key, Quantization& quantization) {
  if (!config.has(key)) return Done{};
  const std::vector<double> sizes = config.numbers(key, 2);
  KEDGE_TRY(config.status());
  for (const double size : sizes) {
    if (size < 1 || size > static_cast<double>(kDimensionMax)) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: {} holds {}, expected two sizes", config.name(), key, size)};
    }
  }
  quantization.block_rows = static_cast<int64_t>(sizes[0]);
  quantization.block_columns = static_cast<int64_t>(sizes[1]);
  return Done{};
}

Result<Quantization> read_fp8(ConfigReader& config) {
  Quantization quantization{.method = QuantizationMethod::fp8, .name = "fp8"};
  const std::string format = config.text_or("fmt", "e4m3");
  const std::string scheme = config.text_or("activation_scheme", "dynamic");
  KEDGE_TRY(config.status());
  if (format != "e4m3") return unsupported(config, "fmt", format, "e4m3");
  if (scheme != "dynamic" && scheme != "static") {
    return unsupported(config, "activation_scheme", scheme, "dynamic or static");
  }
  KEDGE_TRY(read_block(config, "weight_block_size", quantization));
  quantization.input.kind = scheme == "static"             ? cpu::InputRoundingKind::fp8_static
                            : quantization.block_rows == 0 ? cpu::InputRoundingKind::fp8_token
                                                           : cpu::InputRoundingKind::fp8_groups;
  quantization.input.group = quantization.block_columns;
  return quantization;
}

Result<cpu::InputRounding> read_input(ConfigReader& input) {
  const auto bits = input.integer_or("num_bits", 8, 1, 64);
  const std::string type = input.text_or("type", "int");
  const std::string strategy = input.text_or("strategy", "token");
  const bool dynamic = input.boolean_or("dynamic", false);
  const auto group = input.integer_or("group_size", 0, 0, kDimensionMax);
  KEDGE_TRY(input.status());
  if (bits == 8 && type == "int" && strategy == "token" && dynamic) {
    return cpu::InputRounding{.kind = cpu::InputRoundingKind::int8_token};
  }
  if (bits == 8 && type == "float" && strategy == "token" && dynamic) {
    return cpu::InputRounding{.kind = cpu::InputRoundingKind::fp8_token};
  }
  if (bits == 8 && type == "float" && strategy == "group" && dynamic && group > 0) {
    return cpu::InputRounding{.kind = cpu::InputRoundingKind::fp8_groups, .group = group};
  }
  if (bits == 8 && type == "float" && strategy == "tensor" && !dynamic) {
    return cpu::InputRounding{.kind = cpu::InputRoundingKind::fp8_static};
  }
  return unsupported(input, "input_activations",
                     fmt::format("{} bits, {}, {}, {}", bits, type, strategy, dynamic ? "dynamic" : "static"),
                     "8 bits: int by token, or float by token, group or static tensor");
}

Result<Quantization> read_compressed_tensors(ConfigReader& config) {
  Quantization quantization{.method = QuantizationMethod::compressed_tensors, .name = "compressed-tensors"};
  const std::string format = config.text_or("format", "");
  KEDGE_TRY(config.status());
  if (format != "pack-quantized" && format != "int-quantized" && format != "float-quantized" &&
      format != "naive-quantized") {
    return unsupported(config, "format", format, "pack-quantized, int-quantized, float-quantized or naive-quantized");
  }
  const ConfigReader groups = config.object("config_groups");
  bool first = true;
  for (const auto& item : groups.json().items()) {
    const ConfigReader group = groups.object(item.key());
    ConfigReader weights = group.object("weights");
    KEDGE_TRY(read_block(weights, "block_structure", quantization));
    quantization.code_bits = static_cast<int>(weights.integer_or("num_bits", 8, 1, 32));
    KEDGE_TRY(weights.status());
    cpu::InputRounding input;
    if (group.has("input_activations")) {
      ConfigReader activations = group.object("input_activations");
      KEDGE_ASSIGN(input, read_input(activations));
    }
    if (!first && input != quantization.input) {
      return unsupported(config, "config_groups", "groups of different input_activations", "one kind for all");
    }
    quantization.input = input;
    first = false;
  }
  return quantization;
}

}  // namespace

Result<std::optional<Quantization>> read_quantization(const Json& config, const std::string& config_name) {
  const auto found = config.find("quantization_config");
  if (found == config.end() || found->is_null()) return std::optional<Quantization>();
  ConfigReader settings(*found, config_name + ": quantization_config");
  const std::string method = settings.text_or("quant_method", "");
  KEDGE_TRY(settings.status());
  using Read = Result<Quantization> (*)(ConfigReader&);
  constexpr std::pair<std::string_view, Read> kMethods[] = {
      {"gptq", read_gptq}, {"awq", read_awq}, {"compressed-tensors", read_compressed_tensors}, {"fp8", read_fp8}};
  for (const auto& [name, read] : kMethods) {
    if (name != method) continue;
    KEDGE_ASSIGN(Quantization quantization, read(settings));
    return std::optional(std::move(quantization));
  }
  return unsupported(settings, "quant_method", method, "gptq, awq, compressed-tensors or fp8");
}

}  // namespace kedge::models
