// Goal: the cost of a pass is what its products read and multiply, no less and no more.
// Method: small models with made-up weights whose bytes and products are counted by hand.

#include "models/pass_cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <memory>

#include "models/random_source.h"
#include "models/registry.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

// tiny_llama_config: 2 layers, hidden 32, inner 48, 4 heads over 2 KV heads of 8, vocabulary 96.
constexpr double kAttentionWeights = 32 * 32 + 2 * 16 * 32 + 32 * 32;
constexpr double kExpertWeights = 3 * 48 * 32;
constexpr double kHeadWeights = 96 * 32;
constexpr double kLayers = 2;

class PassCostTest : public testing::Test {
 protected:
  void open(const Json& config, std::string_view weights, cpu::MatmulCompute compute) {
    std::ofstream(folder_.path() / "config.json") << to_text(config);
    const auto source = open_random_source(folder_.path(), weights);
    ASSERT_TRUE(source.ok()) << source.error().message;
    const auto spec = build_spec(*source.value());
    ASSERT_TRUE(spec.ok());
    ASSERT_TRUE(source.value()->materialize(pool_, compute == cpu::MatmulCompute::int8).ok());
    auto decoder = Decoder::open(pool_, std::get<DecoderSpec>(spec.value().network), source.value(),
                                 {.compute = compute, .tokens_max = 8, .outputs_max = 8});
    ASSERT_TRUE(decoder.ok()) << decoder.error().message;
    decoder_ = std::move(decoder).value();
  }

  TemporaryFolder folder_;
  WorkerPool pool_{2};
  std::unique_ptr<Decoder> decoder_;
};

TEST_F(PassCostTest, a_step_reads_weights_once_and_the_keys_of_every_sequence) {
  open(tiny_llama_config(), "f32", cpu::MatmulCompute::f32);
  const double weights = kLayers * (kAttentionWeights + kExpertWeights) + kHeadWeights;
  for (const double sequences : {1.0, 5.0}) {
    const PassCost cost = pass_cost(*decoder_, {.phase = Phase::decode,
                                                .sequences = static_cast<int64_t>(sequences),
                                                .first = 99,
                                                .outputs = static_cast<int64_t>(sequences),
                                                .kv_type = cpu::KvType::f32});
    const double keys = kLayers * 100 * 16;  // and as many values
    EXPECT_EQ(cost.read_bytes, 4 * (weights + sequences * (2 * keys + 32)));
    EXPECT_EQ(cost.f32_operations, sequences * (2 * weights + kLayers * 4 * 100 * 32));
    EXPECT_EQ(cost.bf16_operations, 0);
    EXPECT_EQ(cost.int8_operations, 0);
  }
}

TEST_F(PassCostTest, a_prompt_sees_more_with_every_token_and_has_one_row_of_logits) {
  open(tiny_llama_config(), "f32", cpu::MatmulCompute::f32);
  const PassCost cost = pass_cost(
      *decoder_, {.phase = Phase::prefill, .tokens = 4, .first = 10, .outputs = 1, .kv_type = cpu::KvType::f32});
  const double layers = kLayers * (kAttentionWeights + kExpertWeights);
  EXPECT_EQ(cost.read_bytes, 4 * (layers + kHeadWeights + kLayers * 14 * 2 * 16 + 4 * 32));
  EXPECT_EQ(cost.f32_operations, 2 * (4 * layers + kHeadWeights) + kLayers * 4 * (11 + 12 + 13 + 14) * 32);
}

TEST_F(PassCostTest, windows_end_what_a_token_sees) {
  Json config = tiny_llama_config();
  config.update({{"model_type", "mistral"}, {"sliding_window", 8}});
  open(config, "f32", cpu::MatmulCompute::f32);
  const PassCost near = pass_cost(*decoder_, {.tokens = 3, .first = 5, .kv_type = cpu::KvType::f32});
  const PassCost far = pass_cost(*decoder_, {.tokens = 3, .first = 1000, .kv_type = cpu::KvType::f32});
  EXPECT_EQ(far.read_bytes - near.read_bytes, 4 * kLayers * 2 * 16 * (10 - 8));
  EXPECT_EQ(far.f32_operations - near.f32_operations, kLayers * 4 * 32 * (3 * 8 - (6 + 7 + 8)));
}

TEST_F(PassCostTest, a_mixture_reads_the_experts_that_are_chosen) {
  Json config = tiny_llama_config();
  config.update({{"model_type", "mixtral"}, {"num_local_experts", 4}, {"num_experts_per_tok", 1}});
  open(config, "f32", cpu::MatmulCompute::f32);
  const double dense = kLayers * (kAttentionWeights + 4 * 32) + kHeadWeights;  // the router too
  for (const int64_t tokens : {1, 2}) {
    const PassCost cost =
        pass_cost(*decoder_, {.sequences = tokens, .first = 0, .outputs = tokens, .kv_type = cpu::KvType::f32});
    const double chosen = 4 * (1 - std::pow(0.75, static_cast<double>(tokens)));
    const auto count = static_cast<double>(tokens);
    EXPECT_NEAR(cost.read_bytes, 4 * (dense + kLayers * chosen * kExpertWeights + count * (kLayers * 32 + 32)), 1e-6);
    EXPECT_NEAR(cost.f32_operations, count * (2 * (dense + kLayers * kExpertWeights) + kLayers * 4 * 32), 1e-6);
  }
}

TEST_F(PassCostTest, packed_weights_count_as_they_are_packed) {
  Json config = tiny_llama_config();
  config["intermediate_size"] = 64;
  open(config, "q8_0", cpu::MatmulCompute::int8);
  const PassCost cost = pass_cost(*decoder_, {.first = 0, .kv_type = cpu::KvType::bf16});
  const double weights = kLayers * (kAttentionWeights + 3 * 64 * 32) + kHeadWeights;
  EXPECT_EQ(cost.int8_operations, 2 * weights);
  EXPECT_EQ(cost.read_bytes, weights / 32 * 34 + 2 * kLayers * 32 + 34);  // 32 codes and a scale; KV; an embedding
  EXPECT_EQ(cost.bf16_operations, kLayers * 4 * 32);
}

TEST_F(PassCostTest, keys_and_values_count_with_their_scales) {
  open(tiny_llama_config(), "f32", cpu::MatmulCompute::f32);
  const auto bytes_of = [&](cpu::KvType type) {
    const PassShape near{.first = 0, .kv_type = type}, far{.first = 1000, .kv_type = type};
    return (pass_cost(*decoder_, far).read_bytes - pass_cost(*decoder_, near).read_bytes) / (kLayers * 2 * 2 * 1000);
  };
  EXPECT_EQ(bytes_of(cpu::KvType::f32), 4 * 8);
  EXPECT_EQ(bytes_of(cpu::KvType::bf16), 2 * 8);
  EXPECT_EQ(bytes_of(cpu::KvType::int8), 8 + 4);
  EXPECT_EQ(bytes_of(cpu::KvType::int4), 20);  // a group is 32 elements at least
}

}  // namespace
}  // namespace kedge::models
