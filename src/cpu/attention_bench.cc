// Attention: GFLOP/s (prefill) and the cache's GB/s (decode), with a checksum. Arguments: queries, context, head size.

#include <benchmark/benchmark.h>

#include <vector>

#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kHeads = 32;
constexpr int64_t kKvHeads = 8;
constexpr int64_t kPageTokens = 64;

WorkerPool& pool() {
  static WorkerPool workers(0, true);
  return workers;
}

void run(benchmark::State& state, DType dtype) {
  const int64_t count = state.range(0);
  const int64_t context = state.range(1);
  const int64_t head_size = state.range(2);
  const int64_t pages = (context + kPageTokens - 1) / kPageTokens;
  const size_t page_bytes = static_cast<size_t>(kKvHeads * kPageTokens * head_size) * info_of(dtype).block_bytes;
  std::vector<std::vector<std::byte>> storage(static_cast<size_t>(2 * pages), std::vector<std::byte>(page_bytes));
  std::vector<std::byte*> keys, values;
  for (size_t page = 0; page < static_cast<size_t>(pages); ++page) {
    keys.push_back(storage[2 * page].data());
    values.push_back(storage[2 * page + 1].data());
  }
  const KvView kv{dtype, kPageTokens, kKvHeads, head_size, keys, values};
  const auto token = random_floats(static_cast<size_t>(kKvHeads * head_size) * 64, 1);
  for (int64_t first = 0; first < context; first += 64) {
    store_kv(pool(), kv, first, {token.data(), kKvHeads * head_size, std::min<int64_t>(64, context - first)},
             token.data());
  }
  const auto q = random_floats(static_cast<size_t>(count * kHeads * head_size), 2);
  std::vector<float> out(q.size());
  const Attention attention_of{.heads = kHeads, .scale = 0.1F, .first = context - count, .context = context};
  for (auto _ : state) {
    attention(pool(), attention_of, kv, {q.data(), kHeads * head_size, count}, {out.data(), kHeads * head_size});
    benchmark::DoNotOptimize(out.data());
  }
  double checksum = 0.0;
  for (const float value : out) checksum += static_cast<double>(value);
  const auto calls = static_cast<double>(state.iterations());
  const double pairs = static_cast<double>(count) * (static_cast<double>(context) - static_cast<double>(count - 1) / 2);
  state.counters["GFLOP/s"] =
      benchmark::Counter(4e-9 * pairs * static_cast<double>(kHeads * head_size) * calls, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(
      1e-9 * static_cast<double>(2 * context * kKvHeads * head_size * info_of(dtype).block_bytes) * calls,
      benchmark::Counter::kIsRate);
  state.counters["checksum"] = checksum;
}

void f32(benchmark::State& state) {
  run(state, DType::f32);
}
void bf16(benchmark::State& state) {
  run(state, DType::bf16);
}
BENCHMARK(f32)->Name("attention/f32")->Args({1, 8192, 64})->Args({512, 512, 64})->Args({512, 2048, 128})->UseRealTime();
BENCHMARK(bf16)
    ->Name("attention/bf16")
    ->Args({1, 8192, 64})
    ->Args({1, 8192, 128})
    ->Args({512, 512, 64})
    ->Args({512, 2048, 128})
    ->UseRealTime();

}  // namespace
}  // namespace kedge::cpu
