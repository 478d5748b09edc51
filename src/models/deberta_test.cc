// Goal: DeBERTa-v2 bodies and heads say what transformers' do, and what is not supported is refused by its name.
// Method: small bodies whose weights follow from their names, each way of attention and each layout of heads
// (tests/golden/make_deberta.py); broken settings one at a time.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/registry.h"
#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

constexpr double kTolerance = 2e-5;  // largest seen 6e-6

const Json& golden() {
  static const Json kGolden = [] {
    auto json = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/deberta.json");
    EXPECT_TRUE(json.ok());
    return json.ok() ? std::move(json).value() : Json::object();
  }();
  return kGolden;
}

/// As make_deberta.py's: SplitMix64 from the name's FNV-1a.
std::vector<float> values_of(const std::string& name, size_t count) {
  uint64_t state = 14695981039346656037U;
  for (const char byte : name) state = (state ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) {
    uint64_t z = state += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    const float value = (static_cast<float>(z >> 40) * 0x1p-24F - 0.5F) * 0.6F;
    values.push_back(name.ends_with("LayerNorm.weight") ? value + 1.0F : value);
  }
  return values;
}

Json config_of(const Json& settings) {
  Json config = golden()["config"];
  for (const auto& [key, value] : settings.items()) config[key] = value;
  return config;
}

bool write_model(const std::filesystem::path& folder, const Json& config, const Json& shapes) {
  std::ofstream(folder / "config.json") << to_text(config);
  std::vector<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const auto& [name, shape] : shapes.items()) {
    size_t count = 1;
    for (const Json& size : shape) count *= size.get<size_t>();
    values.push_back(values_of(name, count));
    tensors.push_back({name, DType::f32, shape.get<std::vector<int64_t>>(), std::as_bytes(std::span(values.back()))});
  }
  return formats::write_safetensors(folder / "model.safetensors", tensors).ok();
}

Result<std::unique_ptr<Encoder>> open_model(WorkerPool& pool, const Json& config, const Json& shapes) {
  const TemporaryFolder folder;
  EXPECT_TRUE(write_model(folder.path(), config, shapes));
  KEDGE_ASSIGN(const auto source, WeightSource::open(folder.path()));
  KEDGE_ASSIGN(const ModelSpec spec, build_spec(*source));
  return Encoder::open(pool, std::get<EncoderSpec>(spec.network), source, {});
}

void expect_near(std::span<const float> got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], kTolerance) << "element " << i;
}

void expect_sequence(WorkerPool& pool, Encoder& encoder, const Json& sequence) {
  const auto ids = sequence["ids"].get<std::vector<int32_t>>();
  std::vector<int32_t> types;
  if (sequence.contains("types")) types = sequence["types"].get<std::vector<int32_t>>();
  const std::span<const float> states = encoder.forward(pool, ids, types);
  const auto hidden = static_cast<size_t>(encoder.spec().hidden_size);
  ASSERT_EQ(states.size(), ids.size() * hidden);
  if (sequence.contains("scores")) {
    return expect_near(encoder.head_scores(pool), sequence["scores"].get<std::vector<float>>());
  }
  std::vector<float> rows;
  for (const Json& row : sequence["rows"]) {
    const auto state = states.subspan(row.get<size_t>() * hidden, hidden);
    rows.insert(rows.end(), state.begin(), state.end());
  }
  expect_near(rows, sequence["states"].get<std::vector<float>>());
}

TEST(Deberta, distances_share_rows_as_in_transformers) {
  ASSERT_EQ(golden()["buckets"].size(), 5U);
  for (const Json& table : golden()["buckets"]) {
    const RelativeAttentionSpec spec{.buckets = table["buckets"].get<int64_t>(),
                                     .distance_max = table["distance_max"].get<int64_t>()};
    const auto context = table["context"].get<int64_t>();
    const auto starts = table["starts"].get<std::vector<int64_t>>();
    const RelativeRows rows(spec, context);
    int64_t row = spec.buckets;
    for (int64_t distance = 0, next = 0; distance < context; ++distance) {
      const bool starts_here = next < std::ssize(starts) && starts[static_cast<size_t>(next)] == distance;
      if (starts_here) row = table["rows"][static_cast<size_t>(next++)].get<int64_t>();
      if (distance <= spec.buckets / 2) row = spec.buckets + distance;
      row = std::min(row, 2 * spec.buckets - 1);
      ASSERT_EQ(rows.row(distance), row) << spec.buckets << ", distance " << distance;
      if (row < 2 * spec.buckets - 1) {
        ASSERT_EQ(rows.row(-distance), 2 * spec.buckets - row) << spec.buckets << ", distance -" << distance;
      }
    }
  }
}

TEST(Deberta, states_and_scores_are_those_of_transformers) {
  ASSERT_EQ(golden()["cases"].size(), 13U);
  for (const Json& one : golden()["cases"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    WorkerPool pool(1);
    const auto encoder = open_model(pool, config_of(one["settings"]), one["tensors"]);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message;
    for (const Json& sequence : one["sequences"]) expect_sequence(pool, *encoder.value(), sequence);
  }
}

TEST(Deberta, threads_do_not_change_a_bit) {
  const Json& one = golden()["cases"][6];
  const auto ids = one["sequences"][0]["ids"].get<std::vector<int32_t>>();
  std::vector<float> states[2];
  for (unsigned threads = 1; threads <= 2; ++threads) {
    WorkerPool pool(threads == 1 ? 1 : 3);
    const auto encoder = open_model(pool, config_of(one["settings"]), one["tensors"]);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message;
    const std::span<const float> found = encoder.value()->forward(pool, ids);
    states[threads - 1].assign(found.begin(), found.end());
  }
  EXPECT_EQ(states[0], states[1]);
}

/// The error of the case's model with a setting changed.
void expect_error(size_t index, const Json& change, std::initializer_list<const char*> parts) {
  const Json& one = golden()["cases"][index];
  Json config = config_of(one["settings"]);
  for (const auto& [key, value] : change.items()) config[key] = value;
  WorkerPool pool(1);
  const auto encoder = open_model(pool, config, one["tensors"]);
  ASSERT_FALSE(encoder.ok()) << to_text(change);
  for (const char* const part : parts) {
    EXPECT_NE(encoder.error().message.find(part), std::string::npos) << encoder.error().message;
  }
}

TEST(Deberta, what_is_not_supported_is_named) {
  expect_error(0, {{"conv_kernel_size", 3}}, {"config.json", "conv_kernel_size 3", "xlarge"});
  expect_error(0, {{"embedding_size", 16}}, {"embedding_size 16", "hidden_size 32"});
  expect_error(0, {{"attention_head_size", 16}}, {"4 heads of 16", "32"});
  expect_error(0, {{"pos_att_type", "p2c|p2p"}}, {"pos_att_type", "'p2p'", "c2p"});
  expect_error(0, {{"norm_rel_ebd", "rms"}}, {"norm_rel_ebd", "'rms'"});
  expect_error(0, {{"position_buckets", 1}}, {"position_buckets 1"});
  expect_error(0, {{"max_relative_positions", 5}}, {"position_buckets 8", "up to 4"});
  expect_error(0, {{"position_buckets", 16}}, {"encoder.rel_embeddings.weight", "[16, 32]", "[32, 32]"});
  expect_error(0, {{"share_att_key", false}}, {"pos_key_proj.weight", "missing"});
  expect_error(0, {{"num_attention_heads", 5}}, {"hidden_size 32", "num_attention_heads 5"});
  expect_error(10, {{"pooler_hidden_act", "mish"}}, {"mish"});
  expect_error(10, {{"id2label", {{"0", "a"}, {"1", "b"}}}}, {"classifier.weight", "[3, 32]", "[2, 32]"});
}

class SettingsOnly final : public WeightSource {
 public:
  explicit SettingsOnly(Json config) : config_(std::move(config)) {}
  [[nodiscard]] const Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return name_; }
  [[nodiscard]] std::string_view format() const override { return "safetensors"; }
  [[nodiscard]] const TensorView* find(std::string_view) const override { return nullptr; }
  [[nodiscard]] std::vector<const TensorView*> tensors() const override { return {}; }
  [[nodiscard]] std::string file_of(std::string_view) const override { return "model.safetensors"; }

 private:
  Json config_;
  std::string name_ = "config.json";
};

TEST(Deberta, a_classifier_that_names_its_body_alone_has_the_bodys_sizes) {
  for (const char* const type : {"", "deberta-v2"}) {
    Json config = {{"base_model", "microsoft/deberta-v3-base"}, {"fc_dropout", 0.2}};
    if (*type != '\0') config["model_type"] = type;
    const auto found = build_spec(SettingsOnly(config));
    ASSERT_TRUE(found.ok()) << found.error().message;
    const auto& spec = std::get<EncoderSpec>(found.value().network);
    EXPECT_EQ(spec.hidden_size, 768);
    EXPECT_EQ(spec.vocabulary_size, 128100);
    EXPECT_EQ(spec.context_tokens(), 1024);
    EXPECT_EQ(spec.relative.span(), 256);
    EXPECT_TRUE(spec.relative.shared_projections && spec.relative.norm && spec.relative.used());
    EXPECT_EQ(spec.token_types, 0);
    EXPECT_FLOAT_EQ(spec.attention_scale, 1.0F / std::sqrt(64.0F * 3));
  }
  const auto many = build_spec(SettingsOnly(Json{{"base_model", "microsoft/mdeberta-v3-base"}}));
  ASSERT_TRUE(many.ok()) << many.error().message;
  EXPECT_EQ(std::get<EncoderSpec>(many.value().network).vocabulary_size, 251000);
  const auto other = build_spec(SettingsOnly(Json{{"base_model", "org/other"}}));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("base_model 'org/other', expected microsoft/deberta-v3-base"), std::string::npos)
      << other.error().message;
  const auto bare = build_spec(SettingsOnly(Json{{"base_model", "org/other"}, {"model_type", "deberta-v2"}}));
  ASSERT_FALSE(bare.ok());
  EXPECT_NE(bare.error().message.find("hidden_size"), std::string::npos) << bare.error().message;
}

}  // namespace
}  // namespace kedge::models
