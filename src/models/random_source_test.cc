// Goal: any decoder's config.json is a model with made-up weights: complete, finite, within limits, and honest about
// memory: what a pass reads lies apart.
// Method: small configs of several families and odd ones; every tensor is dequantized and looked at.

#include "models/random_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "cpu/packed.h"
#include "models/decoder_weights.h"
#include "models/registry.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

using Source = std::shared_ptr<const WeightSource>;

class RandomSourceTest : public testing::Test {
 protected:
  Result<Source> open(const Json& config, std::string_view weights) {
    std::ofstream(folder_.path() / "config.json") << to_text(config);
    return open_random_source(folder_.path() / "config.json", weights);
  }
  static ErrorKind kind_of(const Result<Source>& source) {
    EXPECT_FALSE(source.ok());
    return source.ok() ? ErrorKind::internal : source.error().kind;
  }

  TemporaryFolder folder_;
};

/// Whole blocks of 256 in every row.
Json wide_config(const char* type) {
  Json config = tiny_llama_config();
  config.update({{"model_type", type}, {"hidden_size", 256}, {"intermediate_size", 512}, {"head_dim", 64}});
  return config;
}

TEST_F(RandomSourceTest, every_type_is_finite_and_spread_as_checkpoints_are) {
  for (const std::string_view name : random_weight_names()) {
    SCOPED_TRACE(std::string(name));
    const Result<Source> source = open(wide_config("llama"), name);
    ASSERT_TRUE(source.ok()) << source.error().message;
    WorkerPool pool(2);
    ASSERT_TRUE(source.value()->materialize(pool, false).ok());
    const auto view = source.value()->matrix("model.layers.1.mlp.down_proj.weight", 256, 512, "the test");
    ASSERT_TRUE(view.ok()) << view.error().message;
    std::vector<float> row(512);
    double squares = 0;
    for (int64_t i = 0; i < 256; ++i) {
      cpu::dequantize_row(view.value(), i, row.data());
      for (const float value : row) squares += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(std::sqrt(squares / (256 * 512)), 0.02, 0.006);  // not a number would not be near
  }
}

TEST_F(RandomSourceTest, families_have_all_their_tensors) {
  for (const char* type :
       {"llama", "mistral", "mixtral", "gemma", "gemma2", "gemma3_text", "phi3", "phimoe", "qwen3"}) {
    SCOPED_TRACE(type);
    Json config = wide_config(type);
    config.update({{"num_local_experts", 3}, {"sliding_window", 64}, {"lm_head_bias", true}});
    const Result<Source> source = open(config, "int4-g32");
    ASSERT_TRUE(source.ok()) << source.error().message;
    const auto spec = build_spec(*source.value());
    ASSERT_TRUE(spec.ok());
    const auto weights = load_decoder_weights(std::get<DecoderSpec>(spec.value().network), *source.value());
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights.value().head.weight.data == weights.value().embedding.data,
              std::get<DecoderSpec>(spec.value().network).tied_embeddings);
  }
}

TEST_F(RandomSourceTest, rows_that_are_no_whole_blocks_are_bf16) {
  const Result<Source> source = open(tiny_llama_config(), "q8_0");  // hidden 32, intermediate 48
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source.value()->find("model.layers.0.mlp.up_proj.weight")->dtype, DType::q8_0);
  EXPECT_EQ(source.value()->find("model.layers.0.mlp.down_proj.weight")->dtype, DType::bf16);
  EXPECT_EQ(source.value()->find("model.norm.weight")->dtype, DType::f32);
}

TEST_F(RandomSourceTest, only_matrices_that_are_packed_share_their_bytes) {
  for (const bool packed : {false, true}) {
    const Result<Source> source = open(tiny_llama_config(), "q8_0");
    ASSERT_TRUE(source.ok()) << source.error().message;
    WorkerPool pool(2);
    ASSERT_TRUE(source.value()->materialize(pool, packed).ok());
    std::set<const std::byte*> shareable, others;
    size_t shareable_count = 0, other_count = 0;
    for (const TensorView* tensor : source.value()->tensors()) {
      const bool may_share = cpu::has_packed_form(tensor->dtype);
      (may_share ? shareable : others).insert(tensor->data.data());
      ++(may_share ? shareable_count : other_count);
    }
    EXPECT_EQ(others.size(), other_count);
    EXPECT_EQ(shareable.size() == shareable_count, !packed);
  }
}

TEST_F(RandomSourceTest, the_language_part_of_a_multimodal_config_counts) {
  Json config = {{"model_type", "gemma3"}, {"architectures", {"Gemma3ForConditionalGeneration"}}};
  config["text_config"] = wide_config("gemma3_text");
  const Result<Source> source = open(config, "bf16");
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source.value()->config()["hidden_size"], 256);
}

TEST_F(RandomSourceTest, failures_have_kinds) {
  EXPECT_EQ(kind_of(open_random_source(folder_.path() / "none.json", "bf16")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(open_random_source(folder_.path(), "bf16")), ErrorKind::not_found);  // config.json in it
  EXPECT_EQ(kind_of(open(tiny_llama_config(), "int3")), ErrorKind::invalid_input);
  EXPECT_EQ(kind_of(open(Json::array(), "bf16")), ErrorKind::corrupt_data);
  EXPECT_EQ(kind_of(open(Json::object(), "bf16")), ErrorKind::unsupported);
  Json config = tiny_llama_config();
  config["hidden_size"] = "wide";
  EXPECT_EQ(kind_of(open(config, "bf16")), ErrorKind::corrupt_data);
}

TEST_F(RandomSourceTest, sizes_beyond_any_machine_are_refused_and_take_no_memory) {
  Json large = tiny_llama_config();
  large.update({{"hidden_size", 1 << 24}, {"intermediate_size", 1 << 24}});
  EXPECT_EQ(kind_of(open(large, "bf16")), ErrorKind::unsupported);
  Json heads = tiny_llama_config();
  heads.update({{"num_attention_heads", 1 << 24}, {"num_key_value_heads", 1 << 24}, {"head_dim", 1 << 16}});
  EXPECT_EQ(kind_of(open(heads, "bf16")), ErrorKind::unsupported);
  Json experts = tiny_llama_config();
  experts.update({{"model_type", "mixtral"}, {"num_local_experts", 1024}, {"num_hidden_layers", 1024}});
  EXPECT_EQ(kind_of(open(experts, "bf16")), ErrorKind::unsupported);
}

}  // namespace
}  // namespace kedge::models
