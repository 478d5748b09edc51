// Goal: quantized checkpoints compute what their own tools compute, with activations as they are and rounded.
// Method: the reference checkpoints' logits, in f32 within the bounds that their README states, and with 8-bit and bf16
// products within bounds relative to the logits' spread.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "cpu/isa.h"
#include "formats/safetensors.h"
#include "kedge/engine.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

const fs::path kQuant = fs::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "quant";

std::vector<fs::path> checkpoints() {
  std::vector<fs::path> found;
  if (!fs::is_directory(kQuant)) return found;
  for (const auto& entry : fs::directory_iterator(kQuant)) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::vector<float> floats(const formats::SafetensorsFile& file, const std::string& name) {
  const TensorView* const tensor = file.find(name);
  if (tensor == nullptr) {
    ADD_FAILURE() << "no expected tensor " << name;
    return {};
  }
  std::vector<float> values(tensor->data.size() / sizeof(float));
  std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
  return values;
}

double log_sum_exp(const float* row, int64_t size) {
  const double top = *std::max_element(row, row + size);
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += std::exp(row[i] - top);
  return top + std::log(sum);
}

/// Differences between computed and recorded logits over all prompts of a variant.
struct Deviation {
  double largest = 0;           // of the last position's logits and of every position's log-sum-exp
  double root_mean_square = 0;  // of the last position's logits
};

Deviation deviation(Engine& engine, const fs::path& folder, const std::string& variant) {
  const auto expected = formats::SafetensorsFile::open(folder / "expected.safetensors");
  const auto record = read_json_file(folder / "expected.json");
  EXPECT_TRUE(expected.ok() && record.ok());
  Deviation result;
  double squares = 0;
  size_t count = 0;
  for (size_t j = 0; j < record.value()["prompts"].size(); ++j) {
    const auto prompt = record.value()["prompts"][j].get<std::vector<TokenId>>();
    const auto output = engine.forward(prompt, 0, false);
    EXPECT_TRUE(output.ok()) << output.error().message;
    const std::string prefix = variant + "." + std::to_string(j) + ".";
    const std::vector<float> last = floats(*expected.value(), prefix + "logits_last");
    const std::vector<float> sums = floats(*expected.value(), prefix + "logsumexp");
    const int64_t vocabulary = output.value().vocabulary_size;
    for (size_t t = 0; t < sums.size(); ++t) {
      const float* const row = output.value().logits.data() + static_cast<int64_t>(t) * vocabulary;
      result.largest = std::max(result.largest, std::abs(log_sum_exp(row, vocabulary) - static_cast<double>(sums[t])));
    }
    const float* const row = output.value().logits.data() + (output.value().token_count - 1) * vocabulary;
    for (size_t i = 0; i < last.size(); ++i, ++count) {
      const double difference = std::abs(static_cast<double>(row[i]) - static_cast<double>(last[i]));
      result.largest = std::max(result.largest, difference);
      squares += difference * difference;
    }
  }
  result.root_mean_square = std::sqrt(squares / static_cast<double>(count));
  return result;
}

std::unique_ptr<Engine> open_engine(const fs::path& folder, EngineOptions options) {
  options.thread_count = 2;
  options.without_tokenizer = true;
  auto engine = Engine::open(folder, options);
  EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : engine.error().message);
  return engine.ok() ? std::move(engine).value() : nullptr;
}

TEST(QuantizedReference, weights_alone) {
  if (checkpoints().empty()) GTEST_SKIP() << kQuant << " is absent: quantized checkpoints are NOT TESTED";
  for (const fs::path& folder : checkpoints()) {
    SCOPED_TRACE(folder.filename().string());
    const auto engine = open_engine(folder, {.compute = Compute::f32});
    ASSERT_NE(engine, nullptr);
    EXPECT_LT(deviation(*engine, folder, "weight").largest, 1e-3);
  }
}

TEST(QuantizedReference, rounded_activations) {
  if (checkpoints().empty()) GTEST_SKIP() << kQuant << " is absent: quantized checkpoints are NOT TESTED";
  size_t compared = 0;
  for (const fs::path& folder : checkpoints()) {
    SCOPED_TRACE(folder.filename().string());
    const EngineOptions options{.compute = Compute::f32, .quantize_activations = true};
    const auto record = read_json_file(folder / "expected.json");
    const auto variants = record.value()["variants"].get<std::vector<std::string>>();
    if (variants.size() == 1) {  // "weight": the checkpoint says nothing of activations
      const auto refused = Engine::open(folder, options);
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
      continue;
    }
    const auto engine = open_engine(folder, options);
    ASSERT_NE(engine, nullptr);
    // Where there are two variants, "act" is not reproducible to the bound (a rounding tie by construction).
    EXPECT_LT(deviation(*engine, folder, variants.back()).largest, 2e-3);
    ++compared;
  }
  EXPECT_GE(compared, 6U);
}

TEST(QuantizedReference, narrow_products_stay_near) {
  if (checkpoints().empty()) GTEST_SKIP() << kQuant << " is absent: quantized checkpoints are NOT TESTED";
  for (const fs::path& folder : checkpoints()) {
    SCOPED_TRACE(folder.filename().string());
    for (const Compute compute : {Compute::bf16, Compute::automatic, Compute::int8}) {
      const auto engine = Engine::open(folder, {.compute = compute, .thread_count = 2, .without_tokenizer = true});
      if (!engine.ok()) {  // FP8 has no packed form
        EXPECT_EQ(compute, Compute::int8);
        EXPECT_NE(folder.string().find("fp8"), std::string::npos) << engine.error().message;
        continue;
      }
      SCOPED_TRACE(engine.value()->info().compute);
      // Logits spread by 2 to 3.5; bf16 rounds to 8 bits, groups of 32 activations to 7, where there are no tiles in
      // prompts too (largest seen there 0.088).
      EXPECT_LT(deviation(*engine.value(), folder, "weight").root_mean_square, 0.1);
    }
  }
}

}  // namespace
}  // namespace kedge
