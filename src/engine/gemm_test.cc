// Goal: with oneDNN's products a model says what it says with kedge's, and what a request says depends on nothing
// around it. Method: the demo model in bf16 and a made-up checkpoint in f32 beside the same in kedge's products; chunks
// and threads compared exactly. What oneDNN cannot do is refused by name.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "cpu/onednn.h"
#include "kedge/engine.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

const std::string kDemo = std::string(KEDGE_SOURCE_DIR) + "/demo/model";

class GemmTest : public testing::Test {
 protected:
  void SetUp() override {
    const Status loaded = cpu::load_onednn();
    if (!loaded.ok()) GTEST_SKIP() << "NOT TESTED: " << loaded.error().message;
  }

  static std::unique_ptr<Engine> open(const std::string& model, EngineOptions options, Gemm gemm) {
    options.gemm = gemm;
    auto engine = Engine::open(model, options);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    return engine.ok() ? std::move(engine).value() : nullptr;
  }

  static std::vector<float> logits(Engine& engine, uint32_t chunk) {
    std::vector<TokenId> prompt;
    for (TokenId token = 3; token < 90; token += 2) prompt.push_back(token);
    const auto output = engine.forward(prompt, chunk, false);
    EXPECT_TRUE(output.ok());
    return output.ok() ? output.value().logits : std::vector<float>();
  }

  /// Root mean square of the difference, of that of `expected`.
  static double difference(const std::vector<float>& found, const std::vector<float>& expected) {
    EXPECT_EQ(found.size(), expected.size());
    double apart = 0.0, size = 0.0;
    for (size_t i = 0; i < found.size(); ++i) {
      const double d = static_cast<double>(found[i]) - static_cast<double>(expected[i]);
      apart += d * d;
      size += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    }
    return std::sqrt(apart / size);
  }

  void expect_like_kedge(const std::string& model, EngineOptions options, double bound) {
    const auto kedge = open(model, options, Gemm::kedge), onednn = open(model, options, Gemm::onednn);
    ASSERT_TRUE(kedge != nullptr && onednn != nullptr);
    EXPECT_EQ(kedge->info().gemm, "kedge");
    EXPECT_EQ(onednn->info().gemm, cpu::onednn_version());
    const std::vector<float> all = logits(*onednn, 0);
    EXPECT_LT(difference(all, logits(*kedge, 0)), bound);
    options.thread_count = 3;
    const auto threads = open(model, options, Gemm::onednn);
    ASSERT_NE(threads, nullptr);
    for (const uint32_t chunk : {1, 7, 40}) EXPECT_EQ(logits(*threads, chunk), all) << "chunks of " << chunk;
  }

  models::TemporaryFolder folder_;
};

TEST_F(GemmTest, bf16) {
  if (!Engine::open(kDemo, {.compute = Compute::bf16, .gemm = Gemm::onednn, .plan_only = true}).ok())
    GTEST_SKIP() << "NOT TESTED: " << cpu::onednn_version() << " has no block kernels for bf16";
  expect_like_kedge(kDemo, {.compute = Compute::bf16, .thread_count = 2}, 0.01);
}

TEST_F(GemmTest, f32) {
  ASSERT_TRUE(models::write_checkpoint(folder_.path(), models::tiny_llama_config(), models::tiny_llama_shapes()));
  if (!Engine::open(folder_.path(), {.compute = Compute::f32, .gemm = Gemm::onednn, .plan_only = true}).ok())
    GTEST_SKIP() << "NOT TESTED: " << cpu::onednn_version() << " has no block kernels for f32";
  expect_like_kedge(folder_.path(), {.compute = Compute::f32, .thread_count = 2}, 1e-5);
}

/// Shapes of a BERT of one layer.
std::vector<std::pair<std::string, std::vector<int64_t>>> tiny_bert_shapes() {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes = {
      {"embeddings.word_embeddings.weight", {96, 32}},
      {"embeddings.position_embeddings.weight", {64, 32}},
      {"embeddings.token_type_embeddings.weight", {2, 32}}};
  const auto linear = [&](const std::string& name, int64_t rows, int64_t columns) {
    shapes.push_back({name + ".weight", {rows, columns}});
    shapes.push_back({name + ".bias", {rows}});
  };
  const auto norm = [&](const std::string& name) {
    shapes.push_back({name + ".weight", {32}});
    shapes.push_back({name + ".bias", {32}});
  };
  norm("embeddings.LayerNorm");
  const std::string layer = "encoder.layer.0.";
  for (const char* name : {"query", "key", "value"}) linear(layer + "attention.self." + name, 32, 32);
  linear(layer + "attention.output.dense", 32, 32);
  norm(layer + "attention.output.LayerNorm");
  linear(layer + "intermediate.dense", 64, 32);
  linear(layer + "output.dense", 32, 64);
  norm(layer + "output.LayerNorm");
  return shapes;
}

TEST_F(GemmTest, encoders) {
  const Json config = {
      {"architectures", {"BertModel"}}, {"model_type", "bert"},   {"vocab_size", 96},         {"hidden_size", 32},
      {"intermediate_size", 64},        {"num_hidden_layers", 1}, {"num_attention_heads", 4}, {"hidden_act", "gelu"},
      {"max_position_embeddings", 64},  {"type_vocab_size", 2},   {"layer_norm_eps", 1e-12}};
  ASSERT_TRUE(models::write_checkpoint(folder_.path(), config, tiny_bert_shapes()));
  EngineOptions options{.compute = Compute::f32, .thread_count = 2, .without_tokenizer = true};
  const EngineOptions plan{.compute = Compute::f32, .gemm = Gemm::onednn, .plan_only = true, .without_tokenizer = true};
  if (!Engine::open(folder_.path(), plan).ok())
    GTEST_SKIP() << "NOT TESTED: " << cpu::onednn_version() << " has no block kernels for f32";
  const auto kedge = open(folder_.path(), options, Gemm::kedge), onednn = open(folder_.path(), options, Gemm::onednn);
  ASSERT_TRUE(kedge != nullptr && onednn != nullptr);
  EXPECT_GT(onednn->plan().packed_bytes, 0U);
  std::vector<std::vector<TokenId>> sequences;
  for (const TokenId length : {1, 5, 40}) {
    for (TokenId token = 3; token < 3 + length; ++token) {
      if (token == 3) sequences.emplace_back();
      sequences.back().push_back(token);
    }
  }
  const auto expected = kedge->embed(sequences, {Pooling::mean, {}});
  const auto found = onednn->embed(sequences, {Pooling::mean, {}});
  ASSERT_TRUE(expected.ok() && found.ok());
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_LT(difference(found.value()[i], expected.value()[i]), 1e-5) << "sequence " << i;
  }
}

TEST_F(GemmTest, weights_that_onednn_does_not_take_are_refused) {
  const auto f32 = Engine::open(kDemo, {.compute = Compute::f32, .gemm = Gemm::onednn, .plan_only = true});
  ASSERT_FALSE(f32.ok());  // bf16 weights in f32 products
  EXPECT_EQ(f32.error().kind, ErrorKind::unsupported);
  EXPECT_NE(f32.error().message.find("--gemm onednn takes weights of type"), std::string::npos) << f32.error().message;
}

}  // namespace
}  // namespace kedge
