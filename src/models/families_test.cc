// Goal: broken settings and tensors are refused with a message that names file, key or tensor, found and expected.
// Method: a small checkpoint, one thing wrong at a time.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>

#include "models/decoder.h"
#include "models/gguf_source.h"
#include "models/registry.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// The error of opening the tiny model after `change`, or "" when it opens.
std::string error_after(const std::function<void(Json&, Shapes&)>& change, DType dtype = DType::f32) {
  const TemporaryFolder folder;
  Json config = tiny_llama_config();
  Shapes shapes = tiny_llama_shapes();
  change(config, shapes);
  if (!write_checkpoint(folder.path(), config, shapes, dtype)) return "the checkpoint could not be written";
  const auto source = WeightSource::open(folder.path());
  if (!source.ok()) return source.error().message;
  const auto spec = build_spec(*source.value());
  if (!spec.ok()) return spec.error().message;
  WorkerPool pool(1);
  const auto decoder = Decoder::open(pool, std::get<DecoderSpec>(spec.value().network), source.value(),
                                     {.tokens_max = 16, .outputs_max = 4});
  return decoder.ok() ? "" : decoder.error().message;
}

void expect_error(const std::function<void(Json&, Shapes&)>& change, std::initializer_list<const char*> parts) {
  const std::string message = error_after(change);
  for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << "message: " << message;
}

TEST(Families, the_unchanged_checkpoint_opens) {
  EXPECT_EQ(error_after([](Json&, Shapes&) {}), "");
}

TEST(Families, broken_settings_are_named) {
  expect_error([](Json& c, Shapes&) { c.erase("hidden_size"); }, {"config.json", "hidden_size", "missing"});
  expect_error([](Json& c, Shapes&) { c["hidden_size"] = "32"; }, {"hidden_size", "\"32\"", "integer"});
  expect_error([](Json& c, Shapes&) { c["num_hidden_layers"] = 1e18; }, {"num_hidden_layers", "1024"});
  expect_error([](Json& c, Shapes&) { c["num_attention_heads"] = 0; }, {"num_attention_heads", "from 1"});
  expect_error([](Json& c, Shapes&) { c["num_key_value_heads"] = 3; },
               {"num_attention_heads 4", "num_key_value_heads 3"});
  expect_error([](Json& c, Shapes&) { c["model_type"] = "mamba"; }, {"mamba", "llama"});
  expect_error([](Json& c, Shapes&) { c["hidden_act"] = "mish"; }, {"mish", "silu"});
  expect_error([](Json& c, Shapes&) { c["rope_scaling"] = {{"type", "spiral"}}; }, {"spiral", "yarn"});
  expect_error([](Json& c, Shapes&) { c["rope_scaling"] = {{"type", "linear"}}; },
               {"rope_scaling", "factor", "missing"});
  expect_error([](Json& c, Shapes&) { c["rope_scaling"] = {{"type", "longrope"}, {"short_factor", {1.0}}}; },
               {"short_factor", "4 numbers"});
  expect_error([](Json& c, Shapes&) { c["rope_theta"] = 0; }, {"rope_theta"});
  expect_error(
      [](Json& c, Shapes&) {
        c["model_type"] = "mistral";
        c["layer_types"] = {"full_attention"};
      },
      {"layer_types", "1 entries", "2"});
  expect_error(
      [](Json& c, Shapes&) {
        c["model_type"] = "mistral";
        c["layer_types"] = {"linear_attention", "full_attention"};
      },
      {"linear_attention"});
}

TEST(Families, broken_tensors_are_named) {
  expect_error([](Json&, Shapes& s) { std::erase_if(s, [](auto& t) { return t.first == "model.norm.weight"; }); },
               {"model.norm.weight", "missing", "[32]"});
  expect_error([](Json&, Shapes& s) { s[0].second = {95, 32}; },
               {"model.embed_tokens.weight", "[95, 32]", "[96, 32]", "vocab_size"});
  expect_error([](Json&, Shapes& s) { std::erase_if(s, [](auto& t) { return t.first == "lm_head.weight"; }); },
               {"lm_head.weight"});
  expect_error([](Json& c, Shapes&) { c["num_hidden_layers"] = 3; }, {"model.layers.2", "missing"});
  expect_error([](Json& c, Shapes&) { c["attention_bias"] = true; }, {"q_proj.bias", "missing"});
  EXPECT_NE(error_after([](Json&, Shapes&) {}, DType::i8).find("I8"), std::string::npos);
}

TEST(Families, both_spellings_of_rope_read_the_same) {
  Json old_style = {{"max_position_embeddings", 256},
                    {"rope_theta", 5000.0},
                    {"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}}}};
  Json new_style = {
      {"max_position_embeddings", 256},
      {"rope_parameters",
       {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}, {"rope_theta", 5000.0}}}};
  const auto a = read_rope(ConfigReader(old_style, "a"), 16);
  const auto b = read_rope(ConfigReader(new_style, "b"), 16);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a.value().inverse_frequencies(100), b.value().inverse_frequencies(100));
  EXPECT_EQ(a.value().amplitude(100), b.value().amplitude(100));
  EXPECT_NE(a.value().amplitude(100), 1.0F);
}

TEST(Families, su_is_the_old_name_of_longrope) {
  const Json config = {
      {"max_position_embeddings", 256},
      {"original_max_position_embeddings", 64},
      {"rope_scaling", {{"type", "su"}, {"short_factor", {1, 1, 1, 1}}, {"long_factor", {2, 2, 2, 2}}}}};
  const auto rope = read_rope(ConfigReader(config, "c"), 8);
  ASSERT_TRUE(rope.ok()) << rope.error().message;
  EXPECT_EQ(rope.value().regime(64), 0);
  EXPECT_EQ(rope.value().regime(65), 1);
  EXPECT_FLOAT_EQ(rope.value().inverse_frequencies(65)[0], 0.5F);
}

TEST(Families, gguf_names_map_to_checkpoint_names) {
  EXPECT_EQ(checkpoint_name("token_embd.weight", "llama"), "model.embed_tokens.weight");
  EXPECT_EQ(checkpoint_name("output_norm.weight", "llama"), "model.norm.weight");
  EXPECT_EQ(checkpoint_name("output.weight", "llama"), "lm_head.weight");
  EXPECT_EQ(checkpoint_name("blk.12.attn_output.weight", "llama"), "model.layers.12.self_attn.o_proj.weight");
  EXPECT_EQ(checkpoint_name("blk.0.attn_q.bias", "qwen2"), "model.layers.0.self_attn.q_proj.bias");
  EXPECT_EQ(checkpoint_name("blk.0.ffn_norm.weight", "llama"), "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(checkpoint_name("blk.0.ffn_norm.weight", "gemma2"), "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(checkpoint_name("blk.0.ffn_up.weight", "phi3"), "model.layers.0.mlp.gate_up_proj.weight");
  EXPECT_EQ(checkpoint_name("blk.0.ffn_gate_inp.weight", "llama"), "model.layers.0.block_sparse_moe.gate.weight");
  EXPECT_EQ(checkpoint_name("rope_freqs.weight", "llama"), "");
  EXPECT_EQ(checkpoint_name("blk.", "llama"), "");
}

}  // namespace
}  // namespace kedge::models
