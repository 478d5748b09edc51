// Choosing a token: microseconds a token for each way of sampling, with the sum of the tokens chosen. Argument: the
// vocabulary. Logits are random as a model's are: normal, of deviation 3, with some far above.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "engine/sampler.h"

namespace kedge::engine {
namespace {

std::vector<float> random_logits(size_t size) {
  std::mt19937 rng(11);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(rng);
  for (size_t i = 0; i < 20; ++i) logits[rng() % size] = 16.0F + normal(rng);
  return logits;
}

void sample(benchmark::State& state, const SamplingOptions& options) {
  const std::vector<float> logits = random_logits(static_cast<size_t>(state.range(0)));
  std::vector<float> row(logits.size());
  std::vector<TokenId> prompt(4096);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(i * 7 % 30000);
  Sampler sampler(options, 5, prompt);
  int64_t sum = 0;
  for (auto _ : state) {
    row = logits;  // a sampler changes its row
    sum += sampler.sample(row);
  }
  state.counters["checksum"] = static_cast<double>(sum) / static_cast<double>(state.iterations());
}

void list_likeliest(benchmark::State& state) {
  const std::vector<float> logits = random_logits(static_cast<size_t>(state.range(0)));
  double sum = 0;
  for (auto _ : state) sum += static_cast<double>(top_logprobs(logits, 20).back().logprob);
  state.counters["checksum"] = sum / static_cast<double>(state.iterations());
}

int register_all() {
  const auto add = [](const char* name, const SamplingOptions& options) {
    benchmark::RegisterBenchmark(("sampler/" + std::string(name)).c_str(),
                                 [options](benchmark::State& state) { sample(state, options); })
        ->Arg(128256)
        ->Arg(262144)
        ->Unit(benchmark::kMicrosecond);
  };
  add("greedy", {.temperature = 0.0F});
  add("all", {});
  add("temperature", {.temperature = 0.7F});
  add("top_k_40", {.top_k = 40});
  add("top_p", {.top_p = 0.95F});
  add("top_k_p_min_p", {.temperature = 0.8F, .top_k = 50, .top_p = 0.9F, .min_p = 0.05F});
  add("min_p", {.min_p = 0.05F});
  add("typical", {.typical_p = 0.9F});
  add("hot_top_p", {.temperature = 4.0F, .top_p = 0.95F});
  add("penalties", {.top_k = 40, .repetition_penalty = 1.1F, .presence_penalty = 0.5F, .frequency_penalty = 0.5F});
  benchmark::RegisterBenchmark("sampler/top_logprobs_20", list_likeliest)
      ->Arg(128256)
      ->Arg(262144)
      ->Unit(benchmark::kMicrosecond);
  return 0;
}
const int registered = register_all();

}  // namespace
}  // namespace kedge::engine
