#include "quantize/compressed_tensors.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/half.h"

namespace kedge::quantize {
namespace {

constexpr int kWordBits = 32;

/// The scale of every group: [rows, groups].
OwnedTensor scale_tensor(const std::string& name, const CodedMatrix& coded) {
  std::vector<float> scales;
  for (const Grid& grid : coded.grids) scales.push_back(grid.scale);
  return plain_tensor(name + ".weight_scale", coded.scale_type, {coded.rows, coded.groups()}, scales);
}

OwnedTensor word_tensor(std::string name, std::vector<int64_t> shape, const std::vector<uint32_t>& words) {
  OwnedTensor tensor{std::move(name), DType::i32, std::move(shape), {}};
  const auto bytes = std::as_bytes(std::span(words));
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

/// Codes of one row side by side in words, the first in the lowest bits.
OwnedTensor code_tensor(const std::string& name, const CodedMatrix& coded) {
  const int bits = coded.format.bits;
  const int64_t per_word = kWordBits / bits;
  const int64_t words_of_row = (coded.columns + per_word - 1) / per_word;
  std::vector<uint32_t> words(static_cast<size_t>(coded.rows * words_of_row), 0);
  for (int64_t i = 0; i < coded.rows; ++i) {
    for (int64_t k = 0; k < coded.columns; ++k) {
      const uint32_t code = coded.codes[static_cast<size_t>(i * coded.columns + k)];
      words[static_cast<size_t>(i * words_of_row + k / per_word)] |= code << (bits * (k % per_word));
    }
  }
  return word_tensor(name + ".weight_packed", {coded.rows, words_of_row}, words);
}

/// Zero points of one group (a column) side by side in words.
OwnedTensor zero_tensor(const std::string& name, const CodedMatrix& coded) {
  const int bits = coded.format.bits;
  const int64_t per_word = kWordBits / bits;
  const int64_t groups = coded.groups();
  const int64_t word_rows = (coded.rows + per_word - 1) / per_word;
  std::vector<uint32_t> words(static_cast<size_t>(word_rows * groups), 0);
  for (int64_t i = 0; i < coded.rows; ++i) {
    for (int64_t g = 0; g < groups; ++g) {
      const auto zero = static_cast<uint32_t>(coded.grids[static_cast<size_t>(i * groups + g)].zero);
      words[static_cast<size_t>(i / per_word * groups + g)] |= zero << (bits * (i % per_word));
    }
  }
  return word_tensor(name + ".weight_zero_point", {word_rows, groups}, words);
}

OwnedTensor shape_tensor(const std::string& name, const CodedMatrix& coded) {
  const int64_t sizes[] = {coded.rows, coded.columns};
  OwnedTensor tensor{name + ".weight_shape", DType::i64, {2}, std::vector<std::byte>(sizeof(sizes))};
  std::memcpy(tensor.bytes.data(), sizes, sizeof(sizes));
  return tensor;
}

Json scheme(int bits, bool symmetric, const char* strategy, Json group_size, bool dynamic) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", symmetric},
          {"strategy", strategy},
          {"group_size", std::move(group_size)},
          {"dynamic", dynamic},
          {"block_structure", nullptr},
          {"actorder", nullptr},
          {"observer", dynamic ? Json(nullptr) : Json("minmax")},
          {"observer_kwargs", Json::object()}};
}

Json weight_scheme(const Format& format) {
  return scheme(format.bits, format.symmetric, format.group == 0 ? "channel" : "group",
                format.group == 0 ? Json(nullptr) : Json(format.group), false);
}

}  // namespace

OwnedTensor plain_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const float> values) {
  OwnedTensor tensor{std::move(name), dtype, std::move(shape), {}};
  const size_t size = info_of(dtype).block_bytes;
  KEDGE_CHECK(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16);
  tensor.bytes.resize(values.size() * size);
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = dtype == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    std::memcpy(tensor.bytes.data() + i * size, size == 4 ? static_cast<const void*>(&values[i]) : &half, size);
  }
  return tensor;
}

std::vector<OwnedTensor> packed_tensors(const std::string& name, const CodedMatrix& coded) {
  std::vector<OwnedTensor> tensors;
  tensors.push_back(code_tensor(name, coded));
  tensors.push_back(scale_tensor(name, coded));
  if (!coded.format.symmetric) tensors.push_back(zero_tensor(name, coded));
  tensors.push_back(shape_tensor(name, coded));
  return tensors;
}

std::vector<OwnedTensor> byte_tensors(const std::string& name, const CodedMatrix& coded) {
  KEDGE_CHECK(coded.format.symmetric && coded.format.bits == 8 && coded.groups() == 1);
  OwnedTensor codes{name + ".weight", DType::i8, {coded.rows, coded.columns}, {}};
  codes.bytes.reserve(coded.codes.size());
  for (const uint8_t code : coded.codes) codes.bytes.push_back(static_cast<std::byte>(code ^ 0x80U));
  std::vector<OwnedTensor> tensors;
  tensors.push_back(std::move(codes));
  tensors.push_back(scale_tensor(name, coded));
  return tensors;
}

Json quantization_config(const std::map<std::string, Format>& modules, const std::vector<std::string>& ignored,
                         bool w8a8) {
  std::vector<std::pair<Format, Json>> groups;  // in order of first use
  for (const auto& [name, format] : modules) {
    auto found = std::ranges::find(groups, format, &std::pair<Format, Json>::first);
    if (found == groups.end()) found = groups.insert(groups.end(), {format, Json::array()});
    found->second.push_back(name);
  }
  if (groups.size() == 1) groups.front().second = Json::array({"Linear"});
  const char* format_name = w8a8 ? "int-quantized" : "pack-quantized";
  Json config_groups = Json::object();
  for (const auto& [format, targets] : groups) {
    config_groups[fmt::format("group_{}", config_groups.size())] = {
        {"targets", targets},
        {"weights", weight_scheme(format)},
        {"input_activations", w8a8 ? scheme(8, true, "token", nullptr, true) : Json(nullptr)},
        {"output_activations", nullptr}};
  }
  return {{"quant_method", "compressed-tensors"},      {"format", format_name},
          {"quantization_status", "compressed"},       {"kv_cache_scheme", nullptr},
          {"config_groups", std::move(config_groups)}, {"ignore", ignored}};
}

}  // namespace kedge::quantize
