// Low-rank updates: GB/s of A and B and GFLOP/s, with a checksum. Arguments: groups, rows of each, outputs, columns;
// all of rank 16, in bf16 or 8 bits. The updates of eight groups and more come from memory or the last-level cache, as
// a model's do.

#include <benchmark/benchmark.h>

#include <vector>

#include "core/aligned.h"
#include "cpu/bench_support.h"
#include "cpu/low_rank.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kRank = 16;
constexpr size_t kRotationBytes = size_t{200} << 20;

/// Updates that lie one after the other.
struct Updates {
  Updates(DType dtype, int64_t outputs, int64_t columns) : a(dtype, kRank, columns, 1) {
    panel_bytes = low_rank_bytes(dtype, outputs, kRank);
    bytes = panel_bytes + static_cast<size_t>(kRank) * a.view().row_stride;
    count = kRotationBytes / bytes;
    memory = PageBuffer(bytes * count);
    const auto b = random_floats(static_cast<size_t>(outputs * kRank), 2, 0.01F);
    parts.resize(count);
    for (size_t i = 0; i < count; ++i) {
      std::byte* const at = memory.data() + i * bytes;
      pack_low_rank(b, kRank, dtype, at);
      std::memcpy(at + panel_bytes, a.view().data, bytes - panel_bytes);
      parts[i] = {.count = outputs, .rank = kRank, .panels = at};
      WeightView view = a.view();
      view.data = at + panel_bytes;
      all.push_back({view, {&parts[i], 1}});
    }
  }
  const LowRank* next() { return &all[index++ % count]; }

  Weights a;
  size_t panel_bytes = 0, bytes = 0, count = 0, index = 0;
  PageBuffer memory;
  std::vector<LowRankOutputs> parts;
  std::vector<LowRank> all;
};

void low_rank(benchmark::State& state, DType dtype) {
  const int64_t groups = state.range(0), each = state.range(1), outputs = state.range(2), columns = state.range(3);
  Updates updates(dtype, outputs, columns);
  const int64_t rows = groups * each;
  const auto x = random_floats(static_cast<size_t>(rows * columns), 99);
  std::vector<float> y(static_cast<size_t>(rows * outputs));
  std::vector<LowRankRows> list(static_cast<size_t>(groups));
  for (auto _ : state) {
    for (int64_t g = 0; g < groups; ++g) list[static_cast<size_t>(g)] = {updates.next(), g * each, each};
    low_rank_add(pool(), list, {x.data(), columns, rows}, {y.data(), outputs});
    benchmark::DoNotOptimize(y.data());
  }
  double checksum = 0.0;
  for (const float value : y) checksum += static_cast<double>(value);
  const auto rate = [&](double amount) {
    return benchmark::Counter(1e-9 * amount * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  };
  state.counters["GB/s"] = rate(static_cast<double>(groups) * static_cast<double>(updates.bytes));
  state.counters["GFLOP/s"] = rate(2.0 * static_cast<double>(rows * kRank * (outputs + columns)));
  state.counters["checksum"] = checksum;
}
void arguments(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"groups", "rows", "outputs", "columns"})
      ->Args({8, 1, 2048, 2048})
      ->Args({8, 1, 16384, 2048})
      ->Args({8, 1, 2048, 8192})
      ->Args({1, 512, 16384, 2048})
      ->Args({8, 64, 2048, 2048})
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime();
}
BENCHMARK_CAPTURE(low_rank, bf16, DType::bf16)->Apply(arguments);
BENCHMARK_CAPTURE(low_rank, int8, DType::q8_0)->Apply(arguments);

}  // namespace
}  // namespace kedge::cpu
