#pragma once
// For tests: writes PEFT adapters with random matrices.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "formats/safetensors.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {

/// adapter_config.json of an adapter of every product of tiny_llama_config(); tests change single keys.
inline Json tiny_adapter_config() {
  return Json{{"peft_type", "LORA"},
              {"r", 4},
              {"lora_alpha", 8},
              {"target_modules", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}}};
}

using AdapterTensors = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// A and B, and magnitudes where asked for, of every matrix that `shapes` has in a layer's attention or MLP.
inline AdapterTensors adapter_shapes(const std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes,
                                     int64_t rank, bool magnitudes = false) {
  AdapterTensors tensors;
  for (const auto& [name, shape] : shapes) {
    if (shape.size() != 2 || name.find("_proj.weight") == std::string::npos) continue;
    const std::string path = "base_model.model." + name.substr(0, name.rfind(".weight"));
    tensors.push_back({path + ".lora_A.weight", {rank, shape[1]}});
    tensors.push_back({path + ".lora_B.weight", {shape[0], rank}});
    if (magnitudes) tensors.push_back({path + ".lora_magnitude_vector", {shape[0]}});
  }
  return tensors;
}

/// The values that write_adapter gives a tensor: magnitudes near 1.5, all else near 0.
inline std::vector<float> adapter_values(size_t index, const std::vector<int64_t>& shape, uint32_t seed) {
  std::mt19937 random(seed * 1000 + static_cast<uint32_t>(index));
  std::normal_distribution<float> normal(shape.size() == 1 ? 1.5F : 0.0F, 0.2F);
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

/// Writes both files (F32) and returns whether they were written.
inline bool write_adapter(const std::filesystem::path& folder, const Json& config, const AdapterTensors& tensors,
                          uint32_t seed = 1) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "adapter_config.json") << to_text(config);
  std::vector<std::vector<float>> values;
  for (size_t i = 0; i < tensors.size(); ++i) values.push_back(adapter_values(i, tensors[i].second, seed));
  std::vector<TensorView> views;
  for (size_t i = 0; i < tensors.size(); ++i) {
    views.push_back({tensors[i].first, DType::f32, tensors[i].second, std::as_bytes(std::span(values[i]))});
  }
  return formats::write_safetensors(folder / "adapter_model.safetensors", views).ok();
}

}  // namespace kedge::models
