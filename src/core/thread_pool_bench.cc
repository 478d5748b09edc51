// What it costs to wake the pool for nothing and wait for it: microseconds a parallel_for, by threads, where workers
// still spin from the call before and where a pause between two calls lets them sleep.

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/thread_pool.h"

namespace kedge {
namespace {

void barrier(benchmark::State& state) {
  WorkerPool pool(static_cast<unsigned>(state.range(0)), true);
  std::atomic<int64_t> sum{0};
  for (auto _ : state) {
    pool.parallel_for(state.range(0), 1, [&](int64_t begin, int64_t end, unsigned) { sum += end - begin; });
  }
  state.counters["checksum"] = static_cast<double>(sum) / static_cast<double>(state.iterations());
}
BENCHMARK(barrier)->DenseRange(1, 2)->Arg(4)->UseRealTime()->Unit(benchmark::kMicrosecond);

void barrier_of_parts(benchmark::State& state) {
  WorkerPool pool(static_cast<unsigned>(state.range(0)), true);
  std::atomic<int64_t> sum{0};
  for (auto _ : state) {
    pool.parallel_for_parts(1024, 1, [&](int64_t begin, int64_t end, unsigned) { sum += end - begin; });
  }
  state.counters["checksum"] = static_cast<double>(sum) / static_cast<double>(state.iterations());
}
BENCHMARK(barrier_of_parts)->Arg(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

/// Workers sleep after a while without work.
void wake(benchmark::State& state) {
  WorkerPool pool(2, true);
  std::atomic<int64_t> sum{0};
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(2, 1, [&](int64_t begin, int64_t end, unsigned) { sum += end - begin; });
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  state.counters["checksum"] = static_cast<double>(sum) / static_cast<double>(state.iterations());
}
BENCHMARK(wake)->UseManualTime()->Iterations(200)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace kedge
