// Goal: an adapter gives what the model with merged weights gives, and a broken one is refused with a message that
// names file, key or tensor, found and expected. Method: a small checkpoint beside a copy of it whose weights have the
// updates in them (LoRA, rsLoRA, DoRA; biases, patterns, GGUF's order of rows), logits of prompts and of decoding
// compared; then an adapter with one thing wrong at a time.

#include "models/adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "models/adapter_config.h"
#include "models/adapter_test_support.h"
#include "models/decoder.h"
#include "models/registry.h"

namespace kedge::models {
namespace {

namespace fs = std::filesystem;
using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

constexpr int64_t kPage = 64;

/// A page for each layer.
class OnePage final : public SequenceCache {
 public:
  explicit OnePage(const DecoderSpec& spec) : spec_(spec) {
    for (int64_t i = 0; i < 2 * spec.layer_count; ++i) {
      pages_.emplace_back(static_cast<size_t>(kPage * spec.kv_heads * spec.head_size));
    }
  }
  cpu::KvView layer(int64_t index) override {
    keys_ = reinterpret_cast<std::byte*>(pages_[static_cast<size_t>(2 * index)].data());
    values_ = reinterpret_cast<std::byte*>(pages_[static_cast<size_t>(2 * index + 1)].data());
    return {cpu::KvType::f32, kPage, spec_.kv_heads, spec_.head_size, {&keys_, 1}, {&values_, 1}};
  }

 private:
  const DecoderSpec& spec_;
  std::vector<std::vector<float>> pages_;
  std::byte *keys_ = nullptr, *values_ = nullptr;
};

struct Model {
  explicit Model(const fs::path& folder, bool interleaved = false) {
    const auto source = WeightSource::open(folder);
    EXPECT_TRUE(source.ok());
    const auto built = build_spec(*source.value());
    EXPECT_TRUE(built.ok()) << built.error().message;
    spec = std::get<DecoderSpec>(built.value().network);
    spec.interleaved_rope = interleaved;
    auto opened = Decoder::open(pool, spec, source.value(), {.tokens_max = 64, .outputs_max = 64});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    decoder = std::move(opened).value();
  }

  [[nodiscard]] Result<std::shared_ptr<const Adapter>> load(const fs::path& folder, int64_t rank_max = 64,
                                                            DType dtype = DType::f32) const {
    const auto files = read_adapter_files(folder);
    if (!files.ok()) return files.error();
    return Adapter::load(files.value(), spec, decoder->weights(), {rank_max, dtype});
  }

  /// Logits of a prompt, and of two tokens decoded behind it.
  std::vector<float> logits(const Adapter* adapter) {
    OnePage cache(spec);
    std::vector<float> all;
    const std::vector<int32_t> tokens = {5, 17, 3, 90, 41, 8, 8, 60, 2};
    const auto run = [&](Phase phase, int64_t first, int64_t count) {
      const TokenRun one{.tokens = std::span(tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                         .first = first,
                         .length = first + count,
                         .cache = &cache,
                         .adapter = adapter};
      const auto rows = decoder->forward(pool, phase, {&one, 1});
      all.insert(all.end(), rows.begin(), rows.end());
    };
    run(Phase::prefill, 0, 7);
    run(Phase::decode, 7, 1);
    run(Phase::decode, 8, 1);
    return all;
  }

  WorkerPool pool{2};
  DecoderSpec spec;
  std::unique_ptr<Decoder> decoder;
};

/// A checkpoint's tensors, to be changed and written again.
class Checkpoint {
 public:
  explicit Checkpoint(const fs::path& folder) : config_(read_json_file(folder / "config.json").value()) {
    const auto file = formats::SafetensorsFile::open(folder / "model.safetensors").value();
    for (const TensorView& tensor : file->tensors()) {
      std::vector<float> values(tensor.data.size() / sizeof(float));
      std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
      tensors[tensor.name] = {tensor.shape, std::move(values)};
    }
  }
  void write(const fs::path& folder) const {
    std::ofstream(folder / "config.json") << to_text(config_);
    std::vector<TensorView> views;
    for (const auto& [name, tensor] : tensors) {
      views.push_back({name, DType::f32, tensor.first, std::as_bytes(std::span(tensor.second))});
    }
    ASSERT_TRUE(formats::write_safetensors(folder / "model.safetensors", views).ok());
  }

  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors;

 private:
  Json config_;
};

struct Kind {
  const char* name;
  Json changes = Json::object();  // of adapter_config.json
  int64_t rank = 4;
  double scale = 2.0;  // what B A is multiplied by
  bool decomposed = false;
};

/// W + scale * B A, each row of it with the length that the magnitudes say where there are some.
void merge(Checkpoint& model, const AdapterTensors& tensors,
           const std::function<double(const std::string&)>& scale_of) {
  std::map<std::string, std::vector<float>> values;
  for (size_t i = 0; i < tensors.size(); ++i) values[tensors[i].first] = adapter_values(i, tensors[i].second, 1);
  for (auto& [name, tensor] : model.tensors) {
    const std::string path = "base_model.model." + name.substr(0, name.rfind(".weight"));
    if (!values.contains(path + ".lora_A.weight")) continue;
    const std::vector<float>& a = values[path + ".lora_A.weight"];
    const std::vector<float>& b = values[path + ".lora_B.weight"];
    const auto rows = static_cast<size_t>(tensor.first[0]), columns = static_cast<size_t>(tensor.first[1]);
    const size_t rank = a.size() / columns;
    for (size_t n = 0; n < rows; ++n) {
      double squares = 0;
      for (size_t k = 0; k < columns; ++k) {
        double sum = 0;
        for (size_t r = 0; r < rank; ++r) {
          sum += static_cast<double>(b[n * rank + r]) * static_cast<double>(a[r * columns + k]);
        }
        float& w = tensor.second[n * columns + k];
        w = static_cast<float>(static_cast<double>(w) + scale_of(path.substr(17)) * sum);
        squares += static_cast<double>(w) * static_cast<double>(w);
      }
      const auto magnitude = values.find(path + ".lora_magnitude_vector");
      if (magnitude == values.end()) continue;
      const double gain = static_cast<double>(magnitude->second[n]) / std::sqrt(squares);
      for (size_t k = 0; k < columns; ++k) {
        tensor.second[n * columns + k] = static_cast<float>(static_cast<double>(tensor.second[n * columns + k]) * gain);
      }
    }
  }
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected, float error_max) {
  ASSERT_EQ(found.size(), expected.size());
  float worst = 0;
  for (size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i]));
  EXPECT_LT(worst, error_max);
}

class AdapterTest : public testing::Test {
 protected:
  /// Queries, keys and values have biases, so that a gain which scales them too is seen.
  void SetUp() override {
    Json config = tiny_llama_config();
    config["model_type"] = "qwen2";
    config["architectures"] = {"Qwen2ForCausalLM"};
    shapes_ = tiny_llama_shapes();
    for (int layer = 0; layer < 2; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".self_attn.";
      shapes_.insert(shapes_.end(),
                     {{prefix + "q_proj.bias", {32}}, {prefix + "k_proj.bias", {16}}, {prefix + "v_proj.bias", {16}}});
    }
    ASSERT_TRUE(write_checkpoint(base_.path(), config, shapes_));
  }

  void expect_merged(const Kind& kind) {
    SCOPED_TRACE(kind.name);
    const AdapterTensors tensors = adapter_shapes(shapes_, kind.rank, kind.decomposed);
    Json config = tiny_adapter_config();
    config.update(kind.changes);
    ASSERT_TRUE(write_adapter(adapter_.path(), config, tensors));
    Checkpoint merged(base_.path());
    merge(merged, tensors, [&](const std::string&) { return kind.scale; });
    const TemporaryFolder merged_folder;
    merged.write(merged_folder.path());
    Model model(base_.path()), expected(merged_folder.path());
    const auto adapter = model.load(adapter_.path());
    ASSERT_TRUE(adapter.ok()) << adapter.error().message;
    EXPECT_EQ(adapter.value()->rank(), kind.rank);
    EXPECT_EQ(adapter.value()->modules().size(), 7U);
    const auto with_adapter = model.logits(adapter.value().get());
    expect_near(with_adapter, expected.logits(nullptr), 2e-4F);
    float effect = 0;
    const auto without = model.logits(nullptr);
    for (size_t i = 0; i < without.size(); ++i) effect = std::max(effect, std::abs(with_adapter[i] - without[i]));
    EXPECT_GT(effect, 0.5F);
  }

  /// The error of loading an adapter after `change`, or "" when it loads.
  std::string error_after(const std::function<void(Json&, AdapterTensors&)>& change) {
    Json config = tiny_adapter_config();
    AdapterTensors tensors = adapter_shapes(shapes_, 4);
    change(config, tensors);
    EXPECT_TRUE(write_adapter(adapter_.path(), config, tensors));
    const Model model(base_.path());
    const auto adapter = model.load(adapter_.path(), 8);
    return adapter.ok() ? "" : adapter.error().message;
  }
  void expect_error(const std::function<void(Json&, AdapterTensors&)>& change,
                    std::initializer_list<const char*> parts) {
    const std::string message = error_after(change);
    for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << "message: " << message;
  }

  Shapes shapes_;
  TemporaryFolder base_, adapter_;
};

TEST_F(AdapterTest, gives_what_merged_weights_give) {
  expect_merged({.name = "LoRA"});
  expect_merged({.name = "rsLoRA", .changes = {{"use_rslora", true}}, .scale = 4.0});
  expect_merged({.name = "DoRA", .changes = {{"use_dora", true}}, .decomposed = true});
  expect_merged({.name = "DoRA and rsLoRA",
                 .changes = {{"use_dora", true}, {"use_rslora", true}},
                 .scale = 4.0,
                 .decomposed = true});
  expect_merged({.name = "rank 1", .changes = {{"r", 1}}, .rank = 1, .scale = 8.0});
  expect_merged({.name = "all-linear", .changes = {{"target_modules", "all-linear"}, {"fan_in_fan_out", true}}});
}

TEST_F(AdapterTest, patterns_choose_ranks_and_scales) {
  AdapterTensors tensors;
  for (auto& [name, shape] : adapter_shapes(shapes_, 4)) {
    if (name.find("layers.1.mlp") != std::string::npos)
      (name.find("lora_A") != std::string::npos ? shape[0] : shape[1]) = 2;
    if (name.find("layers.1.self_attn.q_proj") != std::string::npos) continue;  // only in layer 0
    tensors.emplace_back(name, shape);
  }
  Json config = tiny_adapter_config();
  config["rank_pattern"] = {{"layers\\.1\\.mlp.*", 2}};
  config["alpha_pattern"] = {{"^model.layers.0.self_attn.q_proj$", 2}, {"v_proj", 12}};
  ASSERT_TRUE(write_adapter(adapter_.path(), config, tensors));
  Checkpoint merged(base_.path());
  merge(merged, tensors, [](const std::string& path) {
    if (path == "model.layers.0.self_attn.q_proj") return 0.5;
    if (path.ends_with("v_proj")) return 3.0;
    return path.find("layers.1.mlp") != std::string::npos ? 4.0 : 2.0;
  });
  const TemporaryFolder merged_folder;
  merged.write(merged_folder.path());
  Model model(base_.path()), expected(merged_folder.path());
  const auto adapter = model.load(adapter_.path());
  ASSERT_TRUE(adapter.ok()) << adapter.error().message;
  expect_near(model.logits(adapter.value().get()), expected.logits(nullptr), 2e-4F);
}

TEST_F(AdapterTest, fits_rows_in_the_order_of_gguf) {
  // Queries and keys as GGUF's llama has them: rows of a head interleaved, rope in pairs. The logits stay.
  Checkpoint reordered(base_.path());
  for (auto& [name, tensor] : reordered.tensors) {
    if (name.find("q_proj") == std::string::npos && name.find("k_proj") == std::string::npos) continue;
    const size_t columns = tensor.first.size() == 2 ? static_cast<size_t>(tensor.first[1]) : 1;
    const std::vector<float> old = tensor.second;
    for (size_t row = 0; row < old.size() / columns; ++row) {  // Hugging Face's row
      const size_t head = row / 8 * 8, half = row % 8 / 4, j = row % 4;
      std::copy_n(old.begin() + static_cast<std::ptrdiff_t>(row * columns), columns,
                  tensor.second.begin() + static_cast<std::ptrdiff_t>((head + 2 * j + half) * columns));
    }
  }
  const TemporaryFolder folder;
  reordered.write(folder.path());
  Model model(base_.path()), other(folder.path(), true);
  expect_near(other.logits(nullptr), model.logits(nullptr), 1e-4F);
  for (const bool decomposed : {false, true}) {
    Json config = tiny_adapter_config();
    config["use_dora"] = decomposed;
    ASSERT_TRUE(write_adapter(adapter_.path(), config, adapter_shapes(shapes_, 4, decomposed)));
    const auto here = model.load(adapter_.path());
    const auto there = other.load(adapter_.path());
    ASSERT_TRUE(here.ok() && there.ok());
    expect_near(other.logits(there.value().get()), model.logits(here.value().get()), 1e-4F);
  }
}

TEST_F(AdapterTest, in_sixteen_bits_is_near) {
  ASSERT_TRUE(write_adapter(adapter_.path(), tiny_adapter_config(), adapter_shapes(shapes_, 4)));
  Model model(base_.path());
  const auto exact = model.load(adapter_.path()), narrow = model.load(adapter_.path(), 64, DType::bf16);
  ASSERT_TRUE(exact.ok() && narrow.ok());
  EXPECT_LT(narrow.value()->bytes(), exact.value()->bytes() * 2 / 3);
  expect_near(model.logits(narrow.value().get()), model.logits(exact.value().get()), 0.2F);
  const auto codes = model.load(adapter_.path(), 64, DType::q8_0);  // down_proj's 48 inputs are no whole blocks
  ASSERT_TRUE(codes.ok());
  EXPECT_LT(codes.value()->bytes(), narrow.value()->bytes());
  expect_near(model.logits(codes.value().get()), model.logits(exact.value().get()), 0.4F);
}

TEST_F(AdapterTest, rows_of_a_batch_get_their_own) {
  const TemporaryFolder second;
  ASSERT_TRUE(write_adapter(adapter_.path(), tiny_adapter_config(), adapter_shapes(shapes_, 4), 1));
  Json config = tiny_adapter_config();
  config["target_modules"] = {"q_proj", "v_proj"};
  AdapterTensors few = adapter_shapes(shapes_, 4);
  std::erase_if(few, [](const auto& tensor) {
    return tensor.first.find("q_proj") == std::string::npos && tensor.first.find("v_proj") == std::string::npos;
  });
  ASSERT_TRUE(write_adapter(second.path(), config, few, 2));
  Model model(base_.path());
  const auto all = model.load(adapter_.path()), some = model.load(second.path());
  ASSERT_TRUE(all.ok() && some.ok());
  const Adapter* const adapters[] = {nullptr, all.value().get(),  all.value().get(),
                                     nullptr, some.value().get(), all.value().get()};
  const std::vector<int32_t> tokens = {5, 17, 3, 90, 41, 8};
  std::vector<std::unique_ptr<OnePage>> caches;
  std::vector<TokenRun> runs;
  std::vector<float> alone;
  for (size_t i = 0; i < std::size(adapters); ++i) {
    OnePage cache(model.spec);
    TokenRun run{.tokens = std::span(tokens).first(1 + i),
                 .length = static_cast<int64_t>(1 + i),
                 .cache = &cache,
                 .adapter = adapters[i]};
    const auto logits = model.decoder->forward(model.pool, Phase::prefill, {&run, 1});
    alone.insert(alone.end(), logits.begin(), logits.end());
    run.cache = caches.emplace_back(std::make_unique<OnePage>(model.spec)).get();
    runs.push_back(run);
  }
  const auto together = model.decoder->forward(model.pool, Phase::prefill, runs);
  EXPECT_EQ(std::vector<float>(together.begin(), together.end()), alone);
}

TEST_F(AdapterTest, broken_settings_are_refused_by_name) {
  const auto set = [](const char* key, const Json& value) {
    return [=](Json& config, AdapterTensors&) { config[key] = value; };
  };
  expect_error(set("peft_type", "IA3"), {"adapter_config.json", "'peft_type' is 'IA3', expected LORA"});
  expect_error(set("r", nullptr), {"'r' is missing"});
  expect_error(set("r", 0), {"'r' is 0, expected an integer from 1"});
  expect_error(set("r", "4"), {"'r' is \"4\""});
  expect_error(set("lora_alpha", nullptr), {"'lora_alpha' is missing"});
  expect_error(set("bias", "all"), {"'bias' is 'all', expected none"});
  expect_error(set("modules_to_save", {"lm_head"}), {"'modules_to_save' is set"});
  expect_error(set("lora_bias", true), {"'lora_bias' is set"});
  expect_error(set("init_lora_weights", "pissa"), {"'init_lora_weights' is \"pissa\"", "convert it"});
  expect_error(set("rank_pattern", {{"q_(proj|x)", 2}}), {"'rank_pattern' has the key 'q_(proj|x)'"});
  expect_error(set("alpha_pattern", {{"q_proj", "2"}}), {"'q_proj' is \"2\", expected a number"});
  expect_error(set("use_dora", "yes"), {"'use_dora' is \"yes\", expected true or false"});
  EXPECT_EQ(error_after(set("init_lora_weights", "gaussian")), "");
  EXPECT_EQ(error_after(set("modules_to_save", Json::array())), "");
  EXPECT_EQ(error_after(set("layers_to_transform", {0, 1})), "");
}

TEST_F(AdapterTest, broken_tensors_are_refused_by_name) {
  const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
  const auto find = [](AdapterTensors& tensors, const std::string& name) -> auto& {
    return *std::ranges::find(tensors, name, [](const auto& tensor) { return tensor.first; });
  };
  expect_error([&](Json&, AdapterTensors& t) { find(t, q + "lora_A.weight").second = {4, 33}; },
               {"adapter_model.safetensors: tensor '", "q_proj.lora_A.weight' has shape [4, 33], expected [4, 32]"});
  expect_error([&](Json&, AdapterTensors& t) { find(t, q + "lora_B.weight").second = {31, 4}; },
               {"q_proj.lora_B.weight' has shape [31, 4], expected [32, 4]"});
  expect_error([](Json& c, AdapterTensors&) { c["r"] = 3; }, {"has shape [4, ", "], expected [3, "});
  expect_error(
      [&](Json&, AdapterTensors& t) {
        std::erase_if(t, [&](const auto& x) { return x.first == q + "lora_B.weight"; });
      },
      {"'model.layers.0.self_attn.q_proj' has no lora_B.weight"});
  expect_error(
      [&](Json&, AdapterTensors& t) { find(t, q + "lora_A.weight").first = "base_model.model.lm_head.lora_A.weight"; },
      {"is of module 'lm_head', expected one of the model's layers: q_proj, k_proj"});
  expect_error(
      [&](Json&, AdapterTensors& t) { t.push_back({"base_model.model.model.embed_tokens.lora_embedding_A", {4, 96}}); },
      {"'base_model.model.model.embed_tokens.lora_embedding_A' is none of lora_A.weight"});
  expect_error(
      [&](Json&, AdapterTensors& t) {
        find(t, q + "lora_A.weight").first = "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight";
      },
      {"is of layer 7, and the model has 2"});
  expect_error(
      [&](Json&, AdapterTensors& t) {
        find(t, q + "lora_A.weight").first = "base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight";
      },
      {"is of module 'model.layers.0.self_attn.qkv_proj'"});
  expect_error([](Json& c, AdapterTensors&) { c["use_dora"] = true; }, {"has no lora_magnitude_vector"});
  expect_error([&](Json&, AdapterTensors& t) { t.push_back({q + "lora_magnitude_vector", {32}}); },
               {"has a lora_magnitude_vector, and adapter_config.json says no use_dora"});
  expect_error([](Json&, AdapterTensors& t) { t.clear(); }, {"it holds no tensors"});
  expect_error(
      [](Json&, AdapterTensors& t) {
        std::erase_if(t, [](const auto& x) { return x.first.find("o_proj") != std::string::npos; });
      },
      {"'target_modules' lists 'o_proj'", "holds no tensor of it"});
  expect_error(
      [&](Json& c, AdapterTensors& t) {
        c["r"] = 9;
        t = adapter_shapes(shapes_, 9);
      },
      {"has rank 9, and --max-lora-rank allows 8"});
}

TEST_F(AdapterTest, broken_files_are_refused_by_name) {
  const Model model(base_.path());
  const auto message = [&] {
    const auto adapter = model.load(adapter_.path() / "a");
    return adapter.ok() ? std::string() : adapter.error().message;
  };
  EXPECT_NE(message().find("no such folder"), std::string::npos) << message();
  fs::create_directory(adapter_.path() / "a");
  std::ofstream(adapter_.path() / "a" / "adapter_model.bin") << "x";
  EXPECT_NE(message().find("adapter_model.bin: a pickle"), std::string::npos) << message();
  ASSERT_TRUE(write_adapter(adapter_.path() / "a", tiny_adapter_config(), adapter_shapes(shapes_, 4)));
  EXPECT_EQ(message(), "");
  fs::resize_file(adapter_.path() / "a" / "adapter_model.safetensors", 3000);
  EXPECT_NE(message().find("adapter_model.safetensors"), std::string::npos) << message();
  std::ofstream(adapter_.path() / "a" / "adapter_config.json") << "{";
  EXPECT_NE(message().find("adapter_config.json"), std::string::npos) << message();
}

TEST_F(AdapterTest, numbers_that_are_not_finite_are_refused) {
  const AdapterTensors tensors = {{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", {4, 32}},
                                  {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", {32, 4}}};
  std::vector<float> a(128, 1.0F), b(128, 1.0F);
  b[77] = NAN;
  const std::vector<TensorView> views = {
      {tensors[0].first, DType::f32, tensors[0].second, std::as_bytes(std::span(a))},
      {tensors[1].first, DType::f32, tensors[1].second, std::as_bytes(std::span(b))}};
  Json config = tiny_adapter_config();
  config["target_modules"] = {"q_proj"};
  ASSERT_TRUE(write_adapter(adapter_.path(), config, {}));
  ASSERT_TRUE(formats::write_safetensors(adapter_.path() / "adapter_model.safetensors", views).ok());
  const auto adapter = Model(base_.path()).load(adapter_.path());
  ASSERT_FALSE(adapter.ok());
  EXPECT_NE(adapter.error().message.find("lora_B.weight' holds numbers that are not finite"), std::string::npos)
      << adapter.error().message;
}

TEST(AdapterConfig, keys_of_patterns_match_as_peft_matches_them) {
  const std::string_view module = "model.layers.1.self_attn.q_proj";
  for (const char* key :
       {"q_proj", "self_attn.q_proj", "model.layers.1.self_attn.q_proj", "^model.layers.1.self_attn.q_proj$",
        ".*q_proj", "layers.1.*", "layers\\.1\\.self_attn\\.q_proj", "l.yers.*proj", ".*"}) {
    EXPECT_TRUE(matches_module(key, module)) << key;
  }
  for (const char* key :
       {"proj", "k_proj", "^q_proj", "layers.1", "layers\\.1\\.self_attnxq_proj", "^layers.*", "q_proj.*x"}) {
    EXPECT_FALSE(matches_module(key, module)) << key;
  }
}

}  // namespace
}  // namespace kedge::models
