#pragma once
// For tests: writes a small checkpoint with random weights into a temporary folder.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "formats/safetensors.h"

namespace kedge::models {

/// A folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kedge-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// config.json of a Llama with 2 layers, 4 heads over 2 KV heads; tests change single keys.
inline Json tiny_llama_config() {
  return Json{{"architectures", {"LlamaForCausalLM"}},
              {"model_type", "llama"},
              {"vocab_size", 96},
              {"hidden_size", 32},
              {"intermediate_size", 48},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"hidden_act", "silu"},
              {"max_position_embeddings", 256},
              {"rms_norm_eps", 1e-5},
              {"rope_theta", 10000.0},
              {"tie_word_embeddings", false},
              {"bos_token_id", 1},
              {"eos_token_id", 2}};
}

/// The shapes that tiny_llama_config() asks for, by name.
inline std::vector<std::pair<std::string, std::vector<int64_t>>> tiny_llama_shapes() {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes = {
      {"model.embed_tokens.weight", {96, 32}}, {"model.norm.weight", {32}}, {"lm_head.weight", {96, 32}}};
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    shapes.insert(shapes.end(), {{prefix + "input_layernorm.weight", {32}},
                                 {prefix + "post_attention_layernorm.weight", {32}},
                                 {prefix + "self_attn.q_proj.weight", {32, 32}},
                                 {prefix + "self_attn.k_proj.weight", {16, 32}},
                                 {prefix + "self_attn.v_proj.weight", {16, 32}},
                                 {prefix + "self_attn.o_proj.weight", {32, 32}},
                                 {prefix + "mlp.gate_proj.weight", {48, 32}},
                                 {prefix + "mlp.up_proj.weight", {48, 32}},
                                 {prefix + "mlp.down_proj.weight", {32, 48}}});
  }
  return shapes;
}

/// Writes config.json and model.safetensors (F32, seeded) and returns whether both were written.
inline bool write_checkpoint(const std::filesystem::path& folder, const Json& config,
                             const std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes,
                             DType dtype = DType::f32) {
  std::ofstream(folder / "config.json") << to_text(config);
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const auto& [name, shape] : shapes) {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    std::vector<float>& data = values.emplace_back(count);
    for (float& value : data) value = shape.size() == 1 ? 1.0F + normal(random) : normal(random);
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    const std::span<const float> data = values[i];
    const size_t bytes = data.size() * info_of(dtype).block_bytes;
    tensors.push_back({shapes[i].first, dtype, shapes[i].second, std::as_bytes(data).first(bytes)});
  }
  return formats::write_safetensors(folder / "model.safetensors", tensors).ok();
}

}  // namespace kedge::models
