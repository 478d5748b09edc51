// Attention: GFLOP/s of prompts (arguments: queries, context, head size), GB/s of the cache while decoding (sequences,
// context, head size) and, beside it, of a loop that only reads the same bytes. With a checksum.

#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <vector>

#include "core/aligned.h"
#include "cpu/bench_support.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kHeads = 32;
constexpr int64_t kKvHeads = 8;
constexpr int64_t kPageTokens = 32;                  // the engine's
constexpr size_t kRotatedBytes = size_t{256} << 20;  // decoding walks over so many, so that they come from memory

/// One layer of one sequence, in pages as the engine lays them out.
class Cache {
 public:
  Cache(KvType type, int64_t context, int64_t head_size)
      : type_(type), head_size_(head_size), pages_((context + kPageTokens - 1) / kPageTokens) {
    const auto half = static_cast<size_t>(kKvHeads * kv_head_shape(type, kPageTokens, head_size).bytes);
    buffer_ = PageBuffer(static_cast<size_t>(2 * pages_) * half);
    for (size_t page = 0; page < static_cast<size_t>(pages_); ++page) {
      keys_.push_back(buffer_.data() + 2 * page * half);
      values_.push_back(keys_.back() + half);
    }
    const auto token = random_floats(static_cast<size_t>(kKvHeads * head_size) * 64, 1);
    for (int64_t first = 0; first < context; first += 64) {
      const AttentionRun run{.kv = view(), .first = first, .count = std::min<int64_t>(64, context - first)};
      store_kv(pool(), {&run, 1}, {token.data(), kKvHeads * head_size, run.count}, token.data());
    }
  }
  [[nodiscard]] KvView view() const { return {type_, kPageTokens, kKvHeads, head_size_, keys_, values_}; }
  [[nodiscard]] const PageBuffer& bytes() const { return buffer_; }

 private:
  KvType type_;
  int64_t head_size_;
  int64_t pages_;
  PageBuffer buffer_;
  std::vector<std::byte*> keys_, values_;
};

using Caches = std::vector<std::unique_ptr<Cache>>;

/// `count` caches or as many more as do not fit a processor's.
Caches rotated(KvType type, int64_t count, int64_t context, int64_t head_size) {
  Caches caches;
  size_t bytes = 0;
  while (bytes < kRotatedBytes || caches.size() % static_cast<size_t>(count) != 0) {
    caches.push_back(std::make_unique<Cache>(type, context, head_size));
    bytes += caches.back()->bytes().size();
  }
  return caches;
}

double sum_of(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum;
}

void prompt(benchmark::State& state, KvType type) {
  const int64_t count = state.range(0);
  const int64_t context = state.range(1);
  const int64_t head_size = state.range(2);
  const Cache cache(type, context, head_size);
  const auto q = random_floats(static_cast<size_t>(count * kHeads * head_size), 2);
  std::vector<float> out(q.size());
  const AttentionRun run{cache.view(), context - count, count, context};
  const Attention attention_of{.heads = kHeads, .scale = 0.1F, .prompt = true};
  for (auto _ : state) {
    attention(pool(), attention_of, {&run, 1}, {q.data(), kHeads * head_size, count}, {out.data(), kHeads * head_size});
    benchmark::DoNotOptimize(out.data());
  }
  const auto calls = static_cast<double>(state.iterations());
  const double pairs = static_cast<double>(count) * (static_cast<double>(context) - static_cast<double>(count - 1) / 2);
  state.counters["GFLOP/s"] =
      benchmark::Counter(4e-9 * pairs * static_cast<double>(kHeads * head_size) * calls, benchmark::Counter::kIsRate);
  state.counters["checksum"] = sum_of(out);
}

void count_bytes(benchmark::State& state, size_t bytes_a_call) {
  state.counters["GB/s"] = benchmark::Counter(
      1e-9 * static_cast<double>(bytes_a_call) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void decode(benchmark::State& state, KvType type) {
  const int64_t count = state.range(0);
  const int64_t context = state.range(1);
  const int64_t head_size = state.range(2);
  const Caches caches = rotated(type, count, context, head_size);
  const auto q = random_floats(static_cast<size_t>(count * kHeads * head_size), 2);
  std::vector<float> out(q.size());
  const Attention attention_of{.heads = kHeads, .scale = 0.1F};
  std::vector<AttentionRun> runs(static_cast<size_t>(count));
  size_t next = 0;
  for (auto _ : state) {
    for (AttentionRun& run : runs) run = {caches[next++ % caches.size()]->view(), context - 1, 1, context};
    attention(pool(), attention_of, runs, {q.data(), kHeads * head_size, count}, {out.data(), kHeads * head_size});
    benchmark::DoNotOptimize(out.data());
  }
  count_bytes(state, caches.front()->bytes().size() * runs.size());
  state.counters["checksum"] = sum_of(out);
}

void read(benchmark::State& state, KvType type) {
  const int64_t count = state.range(0);
  const Caches caches = rotated(type, count, state.range(1), state.range(2));
  const size_t words = caches.front()->bytes().size() / sizeof(uint64_t);
  std::atomic<uint64_t> checksum = 0;
  size_t next = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < count; ++i) {
      const auto* const data = reinterpret_cast<const uint64_t*>(caches[next++ % caches.size()]->bytes().data());
      pool().parallel_for(static_cast<int64_t>(words), 512, [&](int64_t begin, int64_t end, unsigned) {
        uint64_t sums[8] = {};
        for (int64_t at = begin; at < end; at += 8) {
          for (int64_t lane = 0; lane < 8; ++lane) sums[lane] += data[at + lane];
        }
        for (const uint64_t sum : sums) checksum += sum;
      });
    }
  }
  count_bytes(state, words * sizeof(uint64_t) * static_cast<size_t>(count));
  state.counters["checksum"] = static_cast<double>(checksum);
}

void prompts(benchmark::internal::Benchmark* bench) {
  bench->Args({512, 512, 64})->Args({512, 2048, 128})->Args({512, 8192, 64})->Args({512, 8192, 128})->UseRealTime();
}
void depths(benchmark::internal::Benchmark* bench) {
  bench->Args({1, 8192, 64})->Args({1, 8192, 128})->Args({16, 1024, 64})->Args({16, 1024, 128})->UseRealTime();
}
BENCHMARK_CAPTURE(prompt, f32, KvType::f32)->Args({512, 512, 64})->Args({512, 2048, 128})->UseRealTime();
BENCHMARK_CAPTURE(prompt, bf16, KvType::bf16)->Apply(prompts);
BENCHMARK_CAPTURE(prompt, int8, KvType::int8)->Apply(prompts);
BENCHMARK_CAPTURE(prompt, int4, KvType::int4)->Args({512, 2048, 128})->UseRealTime();
BENCHMARK_CAPTURE(decode, f32, KvType::f32)->Args({1, 8192, 64})->UseRealTime();
BENCHMARK_CAPTURE(decode, bf16, KvType::bf16)->Apply(depths);
BENCHMARK_CAPTURE(decode, int8, KvType::int8)->Apply(depths);
BENCHMARK_CAPTURE(decode, int4, KvType::int4)->Apply(depths);
BENCHMARK_CAPTURE(read, bf16, KvType::bf16)->Apply(depths);
BENCHMARK_CAPTURE(read, int8, KvType::int8)->Apply(depths);
BENCHMARK_CAPTURE(read, int4, KvType::int4)->Apply(depths);

}  // namespace
}  // namespace kedge::cpu
