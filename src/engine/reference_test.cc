// Goal: every family computes what the reference library computes.
// Method: walk the reference records (tiny checkpoints with expected logits, hidden states, greedy continuations,
// log-likelihoods, embeddings and rerank scores) and compare within the tolerance that each record states.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "formats/safetensors.h"
#include "kedge/engine.h"
#include "models/encoder.h"
#include "models/registry.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "models";

std::vector<fs::path> folders(const fs::path& root) {
  std::vector<fs::path> found;
  if (!fs::is_directory(root)) return found;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::unique_ptr<Engine> open_engine(const fs::path& path, Compute compute = Compute::f32) {
  Result<std::unique_ptr<Engine>> engine =
      Engine::open(path, {.compute = compute, .thread_count = 2, .without_tokenizer = true});
  EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : engine.error().message);
  return engine.ok() ? std::move(engine).value() : nullptr;
}

/// The expected tensors of one record.
class Expected {
 public:
  explicit Expected(const fs::path& path) {
    auto file = formats::SafetensorsFile::open(path);
    EXPECT_TRUE(file.ok()) << path;
    if (file.ok()) file_ = std::move(file).value();
  }
  [[nodiscard]] bool has(const std::string& name) const { return file_ && file_->find(name) != nullptr; }
  [[nodiscard]] std::vector<float> floats(const std::string& name) const { return values<float>(name); }
  [[nodiscard]] std::vector<int32_t> ints(const std::string& name) const { return values<int32_t>(name); }

 private:
  template <typename T>
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const TensorView* tensor = file_ ? file_->find(name) : nullptr;
    if (tensor == nullptr) {
      ADD_FAILURE() << "no expected tensor " << name;
      return {};
    }
    std::vector<T> result(tensor->data.size() / sizeof(T));
    std::memcpy(result.data(), tensor->data.data(), tensor->data.size());
    return result;
  }
  std::shared_ptr<const formats::SafetensorsFile> file_;
};

double log_sum_exp(const float* row, int64_t size) {
  const double top = *std::max_element(row, row + size);
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += std::exp(row[i] - top);
  return top + std::log(sum);
}

/// Largest difference between `output` and the record of prompt `prefix` ("prompt2.fp32.").
double logit_difference(const ForwardOutput& output, const Expected& expected, const std::string& prefix) {
  const int64_t vocabulary = output.vocabulary_size;
  const std::vector<int32_t> ids = expected.ints(prefix + "topk_ids");
  const std::vector<float> values = expected.floats(prefix + "topk_logits");
  const std::vector<float> sums = expected.floats(prefix + "logsumexp");
  const std::vector<float> last = expected.floats(prefix + "last_logits");
  double worst = 0;
  const size_t k = ids.size() / static_cast<size_t>(output.token_count);
  for (int64_t t = 0; t < output.token_count; ++t) {
    const float* row = output.logits.data() + t * vocabulary;
    for (size_t i = 0; i < k; ++i) {
      const size_t at = static_cast<size_t>(t) * k + i;
      worst = std::max(worst, std::abs(static_cast<double>(row[ids[at]]) - values[at]));
    }
    worst = std::max(worst, std::abs(log_sum_exp(row, vocabulary) - sums[static_cast<size_t>(t)]));
  }
  for (int64_t i = 0; i < vocabulary; ++i) {
    worst = std::max(
        worst,
        std::abs(static_cast<double>(output.logits[static_cast<size_t>((output.token_count - 1) * vocabulary + i)]) -
                 last[static_cast<size_t>(i)]));
  }
  return worst;
}

std::vector<TokenId> generate(Engine& engine, const std::vector<TokenId>& prompt, uint32_t count) {
  std::vector<TokenId> tokens;
  std::promise<void> done;
  Request request{.prompt_tokens = prompt, .new_tokens_max = count, .ignore_eos = true};
  request.sampling.temperature = 0;
  auto id = engine.submit(
      request,
      [&](const TokenEvent& event) {
        if (event.token) tokens.push_back(*event.token);
      },
      [&](const RequestTimings&) { done.set_value(); });
  EXPECT_TRUE(id.ok());
  if (id.ok()) done.get_future().wait();
  return tokens;
}

void check_greedy(Engine& engine, const Json& record, const std::vector<TokenId>& prompt, double tolerance) {
  const auto want = record["tokens"].get<std::vector<TokenId>>();
  const auto margins = record["margin_top1_top2"].get<std::vector<double>>();
  const std::vector<TokenId> got = generate(engine, prompt, static_cast<uint32_t>(want.size()));
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size() && margins[i] >= 4 * tolerance; ++i) ASSERT_EQ(got[i], want[i]) << "step " << i;
}

void check_score(Engine& engine, const Json& record, double tolerance) {
  const auto context = record["context"].get<std::vector<TokenId>>();
  const auto continuation = record["continuation"].get<std::vector<TokenId>>();
  const auto score = engine.score(context, continuation);
  ASSERT_TRUE(score.ok());
  const auto want = record["token_logprobs"].get<std::vector<double>>();
  ASSERT_EQ(score.value().token_logprobs.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(score.value().token_logprobs[i], want[i], 2 * tolerance);
  bool greedy = true;
  for (const Json& flag : record["is_greedy"]) greedy = greedy && flag.get<bool>();
  EXPECT_EQ(score.value().is_greedy, greedy);
}

void check_hidden(const ForwardOutput& output, const Expected& expected, const std::string& prefix, double tolerance) {
  for (size_t layer = 0; layer < output.hidden.size(); ++layer) {
    const std::vector<float> want = expected.floats(prefix + "hidden" + std::to_string(layer));
    ASSERT_EQ(output.hidden[layer].size(), want.size());
    double worst = 0, largest = 1;
    for (size_t i = 0; i < want.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(output.hidden[layer][i]) - want[i]));
      largest = std::max(largest, std::abs(static_cast<double>(want[i])));
    }
    EXPECT_LE(worst / largest, tolerance) << "layer " << layer;
  }
}

void check_checkpoint(const fs::path& folder, const Json& record, const Expected& expected, const std::string& tag) {
  const double tolerance = record["tolerance"]["fp32_compute_max_abs_logit"].get<double>();
  const std::unique_ptr<Engine> engine = open_engine(folder);
  ASSERT_NE(engine, nullptr);
  std::vector<std::vector<TokenId>> prompts;
  for (const Json& prompt : record["prompts"]) {
    const auto ids = prompt["token_ids"].get<std::vector<TokenId>>();
    prompts.push_back(ids);
    const std::string prefix = "prompt" + std::to_string(prompt["index"].get<int>()) + "." + tag + ".";
    SCOPED_TRACE(folder.string() + " " + prefix);
    const bool hidden = expected.has(prefix + "hidden0");
    const auto whole = engine->forward(ids, 0, hidden);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    EXPECT_LE(logit_difference(whole.value(), expected, prefix), tolerance);
    if (hidden) check_hidden(whole.value(), expected, prefix, tolerance);
    for (const uint32_t chunk : {1U, 5U, 32U}) {
      const auto pieces = engine->forward(ids, chunk, false);
      ASSERT_TRUE(pieces.ok());
      EXPECT_EQ(pieces.value().logits, whole.value().logits) << "chunks of " << chunk << " change the logits";
    }
  }
  for (const Json& greedy : record["greedy"]) {
    SCOPED_TRACE(folder.string() + " greedy");
    if (greedy.contains(tag)) check_greedy(*engine, greedy[tag], prompts[greedy["prompt"].get<size_t>()], tolerance);
  }
  for (const Json& loglik : record["loglik"]) {
    SCOPED_TRACE(folder.string() + " log-likelihood");
    if (loglik.contains(tag)) check_score(*engine, loglik[tag], tolerance);
  }
}

void check_bf16(const fs::path& folder, const Json& record, const Expected& expected) {
  const std::unique_ptr<Engine> engine = open_engine(folder, Compute::bf16);
  ASSERT_NE(engine, nullptr);
  std::vector<double> differences;
  for (const Json& prompt : record["prompts"]) {
    const auto output = engine->forward(prompt["token_ids"].get<std::vector<TokenId>>(), 0, false);
    ASSERT_TRUE(output.ok());
    const std::string prefix = "prompt" + std::to_string(prompt["index"].get<int>()) + ".bf16w.";
    const std::vector<int32_t> ids = expected.ints(prefix + "topk_ids");
    const std::vector<float> values = expected.floats(prefix + "topk_logits");
    const size_t k = ids.size() / static_cast<size_t>(output.value().token_count);
    for (size_t t = 0; t * k < ids.size(); ++t) {
      double worst = 0;
      for (size_t i = t * k; i < (t + 1) * k; ++i) {
        const size_t at = t * static_cast<size_t>(output.value().vocabulary_size) + static_cast<size_t>(ids[i]);
        worst = std::max(worst, std::abs(static_cast<double>(output.value().logits[at]) - values[i]));
      }
      differences.push_back(worst);
    }
  }
  std::ranges::sort(differences);
  const Json& bound = record["tolerance"]["bf16_compute_per_position_max_abs_logit"];
  EXPECT_LE(differences[differences.size() / 2], bound["median"].get<double>()) << folder;
  const bool mixture = folder.string().find("moe") != std::string::npos;  // a near-tie may pick another expert
  if (mixture) return;
  EXPECT_LE(differences[differences.size() * 9 / 10], bound["p90"].get<double>()) << folder;
}

void check_vectors(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

/// Sequences with token types go to the encoder itself: the engine derives types from a tokenizer.
void check_token_types(const fs::path& folder, const Json& sequence, const Expected& expected,
                       const std::string& prefix, double tolerance) {
  const auto source = models::WeightSource::open(folder);
  ASSERT_TRUE(source.ok());
  const auto spec = models::build_spec(*source.value());
  ASSERT_TRUE(spec.ok());
  WorkerPool pool(1);
  const auto encoder =
      models::Encoder::open(pool, std::get<models::EncoderSpec>(spec.value().network), source.value(), {});
  ASSERT_TRUE(encoder.ok());
  const auto states = encoder.value()->forward(pool, sequence["input_ids"].get<std::vector<TokenId>>(),
                                               sequence["token_type_ids"].get<std::vector<TokenId>>());
  check_vectors({states.begin(), states.end()}, expected.floats(prefix + "last_hidden"), tolerance);
}

void check_encoder(const fs::path& folder, const Json& record, const Expected& expected, const std::string& tag) {
  const double tolerance = record["tolerance"]["fp32_compute_max_abs"].get<double>();
  const std::unique_ptr<Engine> engine = open_engine(folder);
  ASSERT_NE(engine, nullptr);
  for (const Json& sequence : record["sequences"]) {
    const std::string prefix = "seq" + std::to_string(sequence["index"].get<int>()) + "." + tag + ".";
    SCOPED_TRACE(folder.string() + " " + prefix);
    const std::vector<std::vector<TokenId>> ids = {sequence["input_ids"].get<std::vector<TokenId>>()};
    const Json& types = sequence["token_type_ids"];
    if (types.is_array() && std::ranges::any_of(types, [](const Json& type) { return type != 0; })) {
      check_token_types(folder, sequence, expected, prefix, tolerance);
      continue;
    }
    if (engine->info().kind == ModelKind::reranker) {
      const auto scores = engine->rerank(ids);
      ASSERT_TRUE(scores.ok());
      check_vectors(scores.value(), expected.floats(prefix + "logits"), tolerance);
      continue;
    }
    const struct {
      Pooling pooling;
      bool normalize;
      const char* key;
    } kinds[] = {{Pooling::mean, true, "mean_pool_l2"},
                 {Pooling::mean, false, "mean_pool"},
                 {Pooling::cls, true, "cls_pool_l2"}};
    for (const auto& kind : kinds) {
      const auto vectors = engine->embed(ids, {.pooling = kind.pooling, .normalize = kind.normalize});
      ASSERT_TRUE(vectors.ok());
      check_vectors(vectors.value()[0], expected.floats(prefix + kind.key), tolerance);
    }
  }
}

class FamilyReference : public testing::TestWithParam<std::string> {};

TEST_P(FamilyReference, matches) {
  const fs::path folder = kModels / "models" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "NO REFERENCE DATA at " << kModels << ": nothing was checked";
  const auto record = read_json_file(folder / "expected.json");
  ASSERT_TRUE(record.ok());
  const Expected expected(folder / "expected.safetensors");
  const bool encoder = record.value().contains("head");
  for (const auto& [checkpoint, tag] : {std::pair<std::string, std::string>{"fp32", "fp32"}, {"bf16", "bf16w"}}) {
    if (!fs::is_directory(folder / checkpoint)) continue;
    if (encoder) {
      check_encoder(folder / checkpoint, record.value(), expected, tag);
    } else {
      check_checkpoint(folder / checkpoint, record.value(), expected, tag);
      if (checkpoint == "bf16") check_bf16(folder / checkpoint, record.value(), expected);
    }
  }
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const fs::path& folder : folders(kModels / "models")) names.push_back(folder.filename());
  if (names.empty()) names.emplace_back("reference-data-absent");
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Records, FamilyReference, testing::ValuesIn(family_names()), test_name);

// Goal: GGUF files of every type give the logits of their dequantized weights.
TEST(GgufReference, logits_match) {
  const std::vector<fs::path> found = folders(kModels / "gguf");
  if (found.empty()) GTEST_SKIP() << "NO REFERENCE DATA at " << kModels << ": nothing was checked";
  for (const fs::path& folder : found) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".gguf") continue;
      SCOPED_TRACE(entry.path().string());
      const std::string stem = (folder / entry.path().stem()).string();
      const auto record = read_json_file(stem + ".expected.json");
      ASSERT_TRUE(record.ok());
      const Expected expected(stem + ".expected.safetensors");
      const std::unique_ptr<Engine> engine = open_engine(entry.path());
      ASSERT_NE(engine, nullptr);
      for (const Json& prompt : record.value()["prompts"]) {
        const auto output = engine->forward(prompt["token_ids"].get<std::vector<TokenId>>(), 0, false);
        ASSERT_TRUE(output.ok());
        const std::string prefix = "prompt" + std::to_string(prompt["index"].get<int>()) + ".";
        EXPECT_LE(logit_difference(output.value(), expected, prefix), 5e-4) << prefix;
      }
    }
  }
}

struct Generated {
  std::vector<TokenId> tokens;
  std::vector<double> logprobs;
};

Generated generate_with_logprobs(Engine& engine, const std::vector<TokenId>& prompt, uint32_t count) {
  Generated generated;
  std::promise<void> done;
  Request request{.prompt_tokens = prompt, .new_tokens_max = count, .ignore_eos = true, .top_logprobs = 0};
  request.sampling.temperature = 0;
  auto id = engine.submit(
      request,
      [&](const TokenEvent& event) {
        if (!event.token || event.is_prompt) return;
        generated.tokens.push_back(*event.token);
        generated.logprobs.push_back(event.logprob.has_value() ? event.logprob->logprob : NAN);
      },
      [&](const RequestTimings&) { done.set_value(); });
  EXPECT_TRUE(id.ok());
  if (id.ok()) done.get_future().wait();
  return generated;
}

double spread(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto count = static_cast<double>(values.size());
  return std::sqrt(squares / count - sum / count * sum / count);
}

/// Activations of 8 bits move the logits of these random models by some per cent of their spread.
void check_int8(Engine& narrow, Engine& exact, const std::vector<TokenId>& prompt) {
  constexpr double kRelativeErrorMax = 0.045;  // largest seen 0.0406, where there are no tiles
  const auto want = exact.forward(prompt, 0, false);
  const auto got = narrow.forward(prompt, 0, false);
  ASSERT_TRUE(want.ok() && got.ok());
  std::vector<float> difference(want.value().logits.size());
  for (size_t i = 0; i < difference.size(); ++i) difference[i] = got.value().logits[i] - want.value().logits[i];
  const double scale = spread(want.value().logits);
  EXPECT_LE(spread(difference), kRelativeErrorMax * scale);
  for (const uint32_t chunk : {1U, 5U}) {
    const auto pieces = narrow.forward(prompt, chunk, false);
    ASSERT_TRUE(pieces.ok());
    EXPECT_EQ(pieces.value().logits, got.value().logits) << "chunks of " << chunk << " change the logits";
  }
  // Steps of decoding: what they think of their own tokens, and what exact weights think.
  const Generated generated = generate_with_logprobs(narrow, prompt, 8);
  const auto score = exact.score(prompt, generated.tokens);
  ASSERT_TRUE(score.ok());
  for (size_t i = 0; i < generated.tokens.size(); ++i) {
    EXPECT_NEAR(generated.logprobs[i], score.value().token_logprobs[i], 4 * kRelativeErrorMax * scale) << "step " << i;
  }
}

// Goal: packed weights give the logits of the stored ones but for the rounding of activations.
TEST(GgufReference, int8_stays_near) {
  const std::vector<fs::path> found = folders(kModels / "gguf");
  if (found.empty()) GTEST_SKIP() << "NO REFERENCE DATA at " << kModels << ": nothing was checked";
  int checked = 0;
  for (const fs::path& folder : found) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".gguf") continue;
      SCOPED_TRACE(entry.path().string());
      const auto record = read_json_file((folder / entry.path().stem()).string() + ".expected.json");
      ASSERT_TRUE(record.ok());
      auto narrow =
          Engine::open(entry.path(), {.compute = Compute::int8, .thread_count = 2, .without_tokenizer = true});
      if (entry.path().string().find("F16") != std::string::npos) {
        ASSERT_FALSE(narrow.ok()) << "there is nothing to pack";
        EXPECT_EQ(narrow.error().kind, ErrorKind::unsupported);
        continue;
      }
      ASSERT_TRUE(narrow.ok()) << narrow.error().message;
      EXPECT_GT(narrow.value()->plan().packed_bytes, 0U);
      const std::unique_ptr<Engine> exact = open_engine(entry.path());
      for (const Json& prompt : record.value()["prompts"]) {
        check_int8(*narrow.value(), *exact, prompt["token_ids"].get<std::vector<TokenId>>());
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace kedge
