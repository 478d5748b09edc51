// Matrix products: GFLOP/s and the weights' GB/s, with a checksum. Arguments: activation rows, outputs, columns.
// Weights rotate over several copies, so that a single row's come from memory.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "cpu/bench_support.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr size_t kRotationBytes = size_t{256} << 20;

void run(benchmark::State& state, DType dtype, MatmulCompute compute) {
  const int64_t count = state.range(0);
  const int64_t rows = state.range(1);
  const int64_t columns = state.range(2);
  const size_t bytes = *row_bytes(dtype, static_cast<uint64_t>(columns)) * static_cast<size_t>(rows);
  const size_t copies = count <= 8 ? std::max<size_t>(1, kRotationBytes / bytes) : 1;
  std::vector<Weights> weights;
  for (size_t i = 0; i < copies; ++i) weights.emplace_back(dtype, rows, columns, static_cast<uint32_t>(i));
  const auto x = random_floats(static_cast<size_t>(count * columns), 99);
  std::vector<float> y(static_cast<size_t>(count * rows));
  size_t next = 0;
  for (auto _ : state) {
    matmul(pool(), weights[next++ % copies].view(), {x.data(), columns, count}, {y.data(), rows}, nullptr, compute);
    benchmark::DoNotOptimize(y.data());
  }
  double checksum = 0.0;
  for (const float value : y) checksum += static_cast<double>(value);
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(count * rows * columns) * calls, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(bytes) * calls, benchmark::Counter::kIsRate);
  state.counters["checksum"] = checksum;
}

/// What the same pool reads from memory per second: the ceiling of the rows with one activation.
void read_memory(benchmark::State& state) {
  const std::vector<uint64_t> data(kRotationBytes / sizeof(uint64_t), 3);
  uint64_t checksum = 0;
  for (auto _ : state) {
    std::array<uint64_t, 64> sums{};
    pool().parallel_for(static_cast<int64_t>(data.size()), 4096, [&](int64_t begin, int64_t end, unsigned worker) {
      uint64_t a = 0, b = 0, c = 0, d = 0;
      for (int64_t i = begin; i < end; i += 8) {  // one word a cache line: the line is what costs
        a += data[static_cast<size_t>(i)];
        if ((i += 8) < end) b += data[static_cast<size_t>(i)];
        if ((i += 8) < end) c += data[static_cast<size_t>(i)];
        if ((i += 8) < end) d += data[static_cast<size_t>(i)];
      }
      sums[worker % 64] = a + b + c + d;
    });
    for (const uint64_t sum : sums) checksum += sum;
  }
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(kRotationBytes) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
  state.counters["checksum"] = static_cast<double>(checksum);
}
BENCHMARK(read_memory)->UseRealTime()->Unit(benchmark::kMicrosecond);

int register_all() {
  const auto add = [](DType dtype, MatmulCompute compute) {
    constexpr const char* kComputes[] = {"/f32", "/bf16", "/bf16_tiles"};
    const std::string name = "matmul/" + std::string(name_of(dtype)) + kComputes[static_cast<size_t>(compute)];
    auto* const bench =
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run(state, dtype, compute); });
    for (const int64_t count : {1, 4, 16, 128, 512}) bench->Args({count, 2048, 2048});
    bench->Args({1, 8192, 2048})->Args({512, 2048, 8192})->UseRealTime()->Unit(benchmark::kMicrosecond);
  };
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::q8_0, DType::q4_0, DType::q4_k, DType::q6_k}) {
    add(dtype, MatmulCompute::f32);
    add(dtype, MatmulCompute::bf16);
    add(dtype, MatmulCompute::bf16_tiles);
  }
  return 0;
}
const int registered = register_all();

}  // namespace
}  // namespace kedge::cpu
