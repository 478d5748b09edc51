// Goal: what a sequence gets does not depend on the batch around it.
// Method: runs of several sequences in one forward pass against each of them alone, bit for bit.

#include "models/decoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "models/registry.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

constexpr int64_t kPage = 16;

/// A cache of plain vectors, 8 pages a layer.
class TestCache final : public SequenceCache {
 public:
  explicit TestCache(const DecoderSpec& spec) : spec_(spec) {
    const auto floats = static_cast<size_t>(kPage * spec.kv_heads * spec.head_size);
    for (int64_t i = 0; i < spec.layer_count * 16; ++i) pages_.emplace_back(floats);
  }
  cpu::KvView layer(int64_t index) override {
    keys_.clear();
    values_.clear();
    for (int64_t page = 0; page < 8; ++page) {
      keys_.push_back(reinterpret_cast<std::byte*>(pages_[static_cast<size_t>(index * 16 + page)].data()));
      values_.push_back(reinterpret_cast<std::byte*>(pages_[static_cast<size_t>(index * 16 + 8 + page)].data()));
    }
    return {cpu::KvType::f32, kPage, spec_.kv_heads, spec_.head_size, keys_, values_};
  }

 private:
  const DecoderSpec& spec_;
  std::vector<std::vector<float>> pages_;
  std::vector<std::byte*> keys_, values_;
};

struct Model {
  explicit Model(Json config) {
    std::vector<std::pair<std::string, std::vector<int64_t>>> shapes = tiny_llama_shapes();
    if (config["model_type"] == "mixtral") use_experts(shapes);
    EXPECT_TRUE(write_checkpoint(folder.path(), config, shapes));
    const auto source = WeightSource::open(folder.path());
    EXPECT_TRUE(source.ok());
    const auto built = build_spec(*source.value());
    EXPECT_TRUE(built.ok());
    spec = std::get<DecoderSpec>(built.value().network);
    auto opened = Decoder::open(pool, spec, source.value(), {.tokens_max = 128, .outputs_max = 128});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    decoder = std::move(opened).value();
  }

  static void use_experts(std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes) {
    std::erase_if(shapes, [](const auto& shape) { return shape.first.find("mlp.") != std::string::npos; });
    for (int layer = 0; layer < 2; ++layer) {
      const std::string moe = "model.layers." + std::to_string(layer) + ".block_sparse_moe.";
      shapes.push_back({moe + "gate.weight", {4, 32}});
      for (int expert = 0; expert < 4; ++expert) {
        const std::string prefix = moe + "experts." + std::to_string(expert) + ".";
        shapes.push_back({prefix + "w1.weight", {48, 32}});
        shapes.push_back({prefix + "w2.weight", {32, 48}});
        shapes.push_back({prefix + "w3.weight", {48, 32}});
      }
    }
  }

  TemporaryFolder folder;
  WorkerPool pool{1};
  DecoderSpec spec;
  std::unique_ptr<Decoder> decoder;
};

std::vector<float> run_alone(Model& model, WorkerPool& pool, const std::vector<int32_t>& tokens) {
  TestCache cache(model.spec);
  const TokenRun run{.tokens = tokens, .length = static_cast<int64_t>(tokens.size()), .cache = &cache};
  const auto logits = model.decoder->forward(pool, Phase::prefill, {&run, 1});
  return {logits.begin(), logits.end()};
}

void check_batch(Model& model) {
  WorkerPool one(1), two(2);
  const std::vector<std::vector<int32_t>> sequences = {
      {1}, {5, 6, 7, 8, 9, 10, 11}, {20, 21, 22}, {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}};
  std::vector<std::unique_ptr<TestCache>> caches;
  std::vector<TokenRun> runs;
  std::vector<float> alone;
  for (const std::vector<int32_t>& tokens : sequences) {
    const std::vector<float> logits = run_alone(model, one, tokens);
    alone.insert(alone.end(), logits.begin(), logits.end());
    caches.push_back(std::make_unique<TestCache>(model.spec));
    runs.push_back({.tokens = tokens, .length = static_cast<int64_t>(tokens.size()), .cache = caches.back().get()});
  }
  for (WorkerPool* pool : {&one, &two}) {
    const auto together = model.decoder->forward(*pool, Phase::prefill, runs);
    EXPECT_EQ(std::vector<float>(together.begin(), together.end()), alone) << pool->size() << " threads";
  }
}

TEST(Decoder, a_batch_changes_no_sequence) {
  Model model(tiny_llama_config());
  check_batch(model);
}

TEST(Decoder, a_batch_changes_no_sequence_with_experts) {
  Json config = tiny_llama_config();
  config["model_type"] = "mixtral";
  config["num_local_experts"] = 4;
  Model model(config);
  check_batch(model);
}

}  // namespace
}  // namespace kedge::models
