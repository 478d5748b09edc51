// What a step costs beside its forward passes: planning 64 sequences with hosts that answer at once, and a whole engine
// whose step time is compared with the time of the same passes alone.

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/decoder_engine.h"
#include "engine/ngram_guess.h"
#include "engine/scheduler.h"
#include "kedge/engine.h"

namespace kedge::engine {
namespace {

/// Every sequence decodes for ever; pages never run out.
class EndlessHost final : public SchedulerHost {
 public:
  Demand demand(SequenceKey key) override { return computed[key] == 0 ? Demand{.prefill = 1} : Demand{.decode = 1}; }
  bool admit(SequenceKey, bool) override { return true; }
  int64_t draft(SequenceKey, int64_t, int64_t) override { return 0; }
  bool reserve(SequenceKey key, int64_t count) override {
    computed[key] += count;
    return true;
  }
  void preempt(SequenceKey) override {}
  bool reclaim() override { return false; }

  std::unordered_map<SequenceKey, int64_t> computed;
};

void plan_a_step(benchmark::State& state) {
  const int64_t sequences = state.range(0);
  EndlessHost host;
  Scheduler scheduler({.sequences = sequences, .outputs = sequences}, host);
  for (int64_t i = 0; i < sequences; ++i) {
    scheduler.add({static_cast<SequenceKey>(i + 1), 0, std::to_string(i % 8)});
  }
  size_t planned = 0;
  for (auto _ : state) planned += scheduler.plan().decode.size();
  state.counters["sequences"] = static_cast<double>(planned) / static_cast<double>(state.iterations());
}
BENCHMARK(plan_a_step)->Arg(1)->Arg(64)->Arg(256)->Unit(benchmark::kMicrosecond);

/// A guess in a text of 4096 tokens that goes on.
void guess_ahead(benchmark::State& state) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < 4096; ++i) tokens.push_back((i * i) % 401);
  NgramIndex index;
  std::vector<TokenId> guess;
  size_t matched = 0;
  for (auto _ : state) {
    tokens.push_back((static_cast<TokenId>(tokens.size()) * 7) % 401);
    matched += index.guess(tokens, 8, guess);
  }
  benchmark::DoNotOptimize(matched);
}
BENCHMARK(guess_ahead)->Unit(benchmark::kMicrosecond)->Iterations(4096);

/// The built-in model's steps with 64 sequences, less the time within forward passes: planning, sampling, text,
/// callbacks.
void step_of_64_beside_its_passes(benchmark::State& state) {
  constexpr uint32_t kSequences = 64, kTokens = 256;
  EngineOptions options{.sequences_max = kSequences};
  options.speculation = state.range(0) == 0 ? Speculation::off : Speculation::ngram;
  const auto opened = Engine::open(std::string(KEDGE_SOURCE_DIR) + "/demo/model", options);
  const auto* const engine = opened.ok() ? dynamic_cast<DecoderEngine*>(opened.value().get()) : nullptr;
  if (engine == nullptr) {
    state.SkipWithError("the built-in model did not open");
    return;
  }
  for (auto _ : state) {
    const EngineStats before = engine->stats();
    const double passes_before = engine->counters().pass_seconds;
    std::atomic<uint32_t> left = kSequences;
    for (uint32_t i = 0; i < kSequences; ++i) {
      Request request{.prompt_tokens = std::vector<TokenId>(8, static_cast<TokenId>(i + 5)),
                      .new_tokens_max = kTokens,
                      .ignore_eos = true};
      request.sampling.temperature = 0;
      const auto done = [&](const RequestTimings&) {
        --left;
        left.notify_one();
      };
      if (!opened.value()->submit(std::move(request), [](const TokenEvent&) {}, done).ok()) std::abort();
    }
    for (uint32_t now = left; now > 0; now = left) left.wait(now);
    const EngineStats after = engine->stats();
    const double steps =
        static_cast<double>(after.step_seconds.cumulative_counts.back() - before.step_seconds.cumulative_counts.back());
    const double seconds = after.step_seconds.sum - before.step_seconds.sum;
    state.counters["step_us"] = 1e6 * seconds / steps;
    state.counters["beside_us"] = 1e6 * (seconds - (engine->counters().pass_seconds - passes_before)) / steps;
    state.counters["steps"] = steps;
  }
}
BENCHMARK(step_of_64_beside_its_passes)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace kedge::engine
