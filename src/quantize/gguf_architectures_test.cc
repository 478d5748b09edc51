// Goal: a folder of every family that GGUF has an architecture for becomes a file that computes what the folder does;
// what the architecture cannot say is refused with the reason.
// Method: small random models whose weights Q8_0 holds exactly, so that the logits must be the folder's, compared by
// their KL divergence; one setting wrong at a time.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "formats/gguf.h"
#include "models/tiny_model_test_support.h"
#include "quantize/quantizer.h"

namespace kedge::quantize {
namespace {

namespace fs = std::filesystem;
using models::TemporaryFolder;
using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

const fs::path kDemo = fs::path(KEDGE_SOURCE_DIR) / "demo" / "model";

struct Family {
  const char* name;  // GGUF's
  Json settings;     // beside those of the tiny Llama
};

std::vector<Family> families() {
  const Json gemma = {
      {"model_type", "gemma"}, {"hidden_activation", "gelu_pytorch_tanh"}, {"tie_word_embeddings", true}};
  Json gemma2 = gemma, gemma3 = gemma;
  gemma2.update({{"model_type", "gemma2"},
                 {"query_pre_attn_scalar", 8},
                 {"attn_logit_softcapping", 50.0},
                 {"final_logit_softcapping", 30.0},
                 {"sliding_window", 8}});
  gemma3.update({{"model_type", "gemma3_text"},
                 {"query_pre_attn_scalar", 8},
                 {"sliding_window", 8},
                 {"rope_local_base_freq", 1000.0},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}});
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  const Json longrope = {{"type", "longrope"}, {"short_factor", {1.0, 1.5, 2, 3}}, {"long_factor", {1.0, 2.5, 4, 8}}};
  return {{"llama", Json::object()},
          {"llama", {{"rope_scaling", llama3}}},
          {"llama", {{"model_type", "mistral"}, {"sliding_window", nullptr}}},
          {"llama", {{"model_type", "mixtral"}, {"num_local_experts", 4}, {"num_experts_per_tok", 2}}},
          {"qwen2", {{"model_type", "qwen2"}}},
          {"qwen3", {{"model_type", "qwen3"}}},
          {"phi3", {{"model_type", "phi3"}, {"sliding_window", 8}}},
          {"phi3", {{"model_type", "phi3"}, {"rope_scaling", longrope}, {"original_max_position_embeddings", 16}}},
          {"gemma", gemma},
          {"gemma2", gemma2},
          {"gemma3", gemma3}};
}

Shapes layer_shapes(const std::string& type) {
  Shapes shapes = {{"input_layernorm.weight", {32}},
                   {"post_attention_layernorm.weight", {32}},
                   {"self_attn.o_proj.weight", {32, 32}}};
  const bool fused = type == "phi3";
  const Shapes attention = {
      {"self_attn.q_proj", {32, 32}}, {"self_attn.k_proj", {16, 32}}, {"self_attn.v_proj", {16, 32}}};
  if (fused)
    shapes.insert(shapes.end(), {{"self_attn.qkv_proj.weight", {64, 32}}, {"mlp.gate_up_proj.weight", {128, 32}}});
  for (const auto& [name, shape] : attention) {
    if (!fused) shapes.emplace_back(name + ".weight", shape);
    if (type == "qwen2") shapes.emplace_back(name + ".bias", std::vector{shape[0]});
  }
  if (type == "qwen3" || type == "gemma3_text") {
    shapes.insert(shapes.end(), {{"self_attn.q_norm.weight", {8}}, {"self_attn.k_norm.weight", {8}}});
  }
  if (type == "gemma2" || type == "gemma3_text") {
    shapes.insert(shapes.end(),
                  {{"pre_feedforward_layernorm.weight", {32}}, {"post_feedforward_layernorm.weight", {32}}});
  }
  if (type == "mixtral") {
    shapes.emplace_back("block_sparse_moe.gate.weight", std::vector<int64_t>{4, 32});
    for (int expert = 0; expert < 4; ++expert) {
      const std::string prefix = "block_sparse_moe.experts." + std::to_string(expert) + ".";
      shapes.insert(
          shapes.end(),
          {{prefix + "w1.weight", {64, 32}}, {prefix + "w2.weight", {32, 64}}, {prefix + "w3.weight", {64, 32}}});
    }
    return shapes;
  }
  if (!fused) shapes.insert(shapes.end(), {{"mlp.gate_proj.weight", {64, 32}}, {"mlp.up_proj.weight", {64, 32}}});
  shapes.emplace_back("mlp.down_proj.weight", std::vector<int64_t>{32, 64});
  return shapes;
}

/// Blocks of 32 weights k / 512, k a whole number from -127 to 127 and 127 in each block: Q8_0 rounds none of them.
std::vector<float> exact_weights(std::mt19937& random, size_t count) {
  std::normal_distribution<float> normal(0.0F, 60.0F);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const float code = i % 32 == 0 ? 127.0F : std::clamp(std::nearbyint(normal(random)), -127.0F, 127.0F);
    values[i] = code / 512.0F;
  }
  return values;
}

bool write_model(const fs::path& folder, const Json& settings) {
  Json config = models::tiny_llama_config();
  config["intermediate_size"] = 64;
  config.update(settings);
  fs::create_directories(folder);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) fs::copy_file(kDemo / name, folder / name);
  std::ofstream(folder / "config.json") << to_text(config);
  Shapes shapes = {{"model.embed_tokens.weight", {96, 32}}, {"model.norm.weight", {32}}};
  if (!config["tie_word_embeddings"].get<bool>()) shapes.push_back({"lm_head.weight", {96, 32}});
  for (int layer = 0; layer < 2; ++layer) {
    for (const auto& [name, shape] : layer_shapes(config["model_type"])) {
      shapes.emplace_back("model.layers." + std::to_string(layer) + "." + name, shape);
    }
  }
  std::mt19937 random(11);
  std::vector<std::vector<float>> values;
  for (const auto& [name, shape] : shapes) {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    values.push_back(exact_weights(random, count));
  }
  std::vector<TensorView> tensors;
  for (size_t i = 0; i < shapes.size(); ++i) {
    tensors.push_back({shapes[i].first, DType::f32, shapes[i].second, std::as_bytes(std::span(values[i]))});
  }
  return formats::write_safetensors(folder / "model.safetensors", tensors).ok();
}

Result<Json> converted(const fs::path& model, const fs::path& out) {
  Options options;
  options.model = model;
  options.out = out;
  options.target = "q8_0";
  options.held_sequences = 2;
  options.length = 24;  // beyond the windows and original contexts
  options.threads = 2;
  return quantize(options, {}, {});
}

TEST(GgufArchitectures, every_family_computes_what_its_folder_does) {
  const TemporaryFolder folder;
  int number = 0;
  for (const Family& family : families()) {
    const std::string label = std::string(family.name) + " " + to_text(family.settings);
    const fs::path model = folder.path() / std::to_string(number++), out = model.string() + ".gguf";
    ASSERT_TRUE(write_model(model, family.settings)) << label;
    const Result<Json> report = converted(model, out);
    ASSERT_TRUE(report.ok()) << label << ": " << report.error().message;
    EXPECT_LT(std::abs(report.value()["held"]["kl_divergence"].get<double>()), 1e-6) << label;
    EXPECT_EQ(report.value()["as_stored"].size(), family.settings.contains("num_local_experts") ? 2U : 0U) << label;
    const auto file = formats::GgufFile::open(out);
    ASSERT_TRUE(file.ok()) << label;
    EXPECT_EQ(*file.value()->string("general.architecture"), family.name) << label;
    EXPECT_EQ(file.value()->integer(std::string(family.name) + ".attention.key_length"), 8) << label;
  }
}

TEST(GgufArchitectures, routers_and_norms_stay_wide_and_experts_are_one_tensor) {
  const TemporaryFolder folder;
  const Json settings = {{"model_type", "mixtral"}, {"num_local_experts", 4}, {"num_experts_per_tok", 2}};
  ASSERT_TRUE(write_model(folder.path() / "model", settings));
  ASSERT_TRUE(converted(folder.path() / "model", folder.path() / "out.gguf").ok());
  const auto file = formats::GgufFile::open(folder.path() / "out.gguf");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value()->find("blk.1.ffn_gate_inp.weight")->dtype, DType::f32);
  EXPECT_EQ(file.value()->find("blk.1.ffn_norm.weight")->dtype, DType::f32);
  EXPECT_EQ(file.value()->find("blk.0.ffn_down_exps.weight")->shape, (std::vector<int64_t>{4, 32, 64}));
  EXPECT_EQ(file.value()->find("blk.0.ffn_down_exps.weight")->dtype, DType::q8_0);
}

TEST(GgufArchitectures, what_an_architecture_cannot_say_is_refused) {
  const TemporaryFolder folder;
  Json gemma2;
  for (const Family& family : families()) {
    if (std::string_view(family.name) == "gemma2") gemma2 = family.settings;
  }
  const auto with = [](Json settings, const Json& changes) {
    settings.update(changes);
    return settings;
  };
  const std::pair<Json, const char*> foreign[] = {
      {{{"model_type", "mistral"}, {"sliding_window", 8}}, "sliding window"},
      {{{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}, "rope scaling"},
      {{{"model_type", "qwen2"}, {"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}},
       "sliding window"},
      {with(gemma2, {{"query_pre_attn_scalar", 24}}), "attention scale"},
      {with(gemma2, {{"attn_logit_softcapping", nullptr}}), "soft capping"},
      {with(gemma2, {{"tie_word_embeddings", false}}), "output matrix"},
      {{{"hidden_act", "gelu"}}, "activation"}};
  int number = 0;
  for (const auto& [settings, reason] : foreign) {
    const fs::path model = folder.path() / std::to_string(number++);
    ASSERT_TRUE(write_model(model, settings));
    const auto report = converted(model, folder.path() / "out.gguf");
    ASSERT_FALSE(report.ok()) << reason;
    EXPECT_NE(report.error().message.find(reason), std::string::npos) << report.error().message;
    EXPECT_NE(report.error().message.find("GGUF's architecture"), std::string::npos) << report.error().message;
  }
}

}  // namespace
}  // namespace kedge::quantize
