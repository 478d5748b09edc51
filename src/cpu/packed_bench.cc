// Products of packed weights: GOP/s and the weights' GB/s, with a checksum, and the peak of 8-bit products beside them.
// Arguments: activation rows, outputs, columns. The weights of 8,192 outputs rotate over several copies, so that they
// come from memory as a model's do; those of 512 stay in the second-level cache. `taskset -c 0` gives one thread.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/aligned.h"
#include "cpu/bench_support.h"
#include "cpu/dispatch.h"
#include "cpu/packed.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr size_t kRotationBytes = size_t{200} << 20;

/// Packed random weights; copies of them one after the other.
class Copies {
 public:
  Copies(DType dtype, int64_t rows, int64_t columns, int64_t scale_columns) {
    const Weights stored(dtype, rows, columns, 1);
    WeightView view = stored.view();
    view.scale_columns = scale_columns;
    bytes_ = (packed_bytes(view) + 63) / 64 * 64;
    count_ = rows > 512 ? std::max<size_t>(1, kRotationBytes / bytes_) : 1;
    buffer_ = PageBuffer(bytes_ * count_);
    for (size_t i = 0; i < count_; ++i) view_ = pack(pool(), view, buffer_.data() + i * bytes_);
  }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  PackedView next() {
    PackedView view = view_;
    view.data = buffer_.data() + next_++ % count_ * bytes_;
    return view;
  }

 private:
  PageBuffer buffer_;
  PackedView view_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  size_t next_ = 0;
};

void run(benchmark::State& state, DType dtype, int64_t scale_columns, MatmulCompute compute) {
  const int64_t count = state.range(0), rows = state.range(1), columns = state.range(2);
  Copies weights(dtype, rows, columns, scale_columns);
  const auto x = random_floats(static_cast<size_t>(count * columns), 99);
  std::vector<float> y(static_cast<size_t>(count * rows));
  for (auto _ : state) {
    packed_matmul(pool(), weights.next(), {x.data(), columns, count}, {y.data(), rows}, nullptr, compute);
    benchmark::DoNotOptimize(y.data());
  }
  double checksum = 0.0;
  for (const float value : y) checksum += static_cast<double>(value);
  const auto calls = static_cast<double>(state.iterations());
  const auto rate = [&](double amount) {
    return benchmark::Counter(1e-9 * amount * calls, benchmark::Counter::kIsRate);
  };
  state.counters["GOP/s"] = rate(2.0 * static_cast<double>(count * rows * columns));
  state.counters["GB/s"] = rate(static_cast<double>(weights.bytes()));
  state.counters["checksum"] = checksum;
}

/// In tile registers where the CPU has them, and in vectors.
void peak(benchmark::State& state, Isa isa) {
  double products = 0.0;
  for (auto _ : state) products += kernels_of(isa).peak_int8(kPeakRoundsMax);
  state.counters["GOP/s"] = benchmark::Counter(2e-9 * products, benchmark::Counter::kIsRate);
}

int register_all() {
  for (const Isa isa : runnable_isas()) {
    benchmark::RegisterBenchmark(("packed/peak_int8_of_one_thread/" + std::string(name_of(isa))).c_str(),
                                 [=](benchmark::State& state) { peak(state, isa); })
        ->Unit(benchmark::kMicrosecond);
  }
  for (const Isa isa : runnable_isas()) {
    if (isa == Isa::scalar) continue;
    benchmark::RegisterBenchmark(("packed/q4_0/int8_of/" + std::string(name_of(isa))).c_str(),
                                 [=](benchmark::State& state) {
                                   const WithIsa capped(isa);
                                   run(state, DType::q4_0, 0, MatmulCompute::int8);
                                 })
        ->ArgsProduct({{1, 16}, {8192, 512}, {2048}})
        ->Unit(benchmark::kMicrosecond);
  }
  const auto add = [](const std::string& name, DType dtype, int64_t scale_columns) {
    for (const MatmulCompute compute : {MatmulCompute::int8, MatmulCompute::bf16_tiles}) {
      if (compute == MatmulCompute::bf16_tiles && kernels().tile_product == nullptr) continue;
      auto* const bench = benchmark::RegisterBenchmark(
          ("packed/" + name + (compute == MatmulCompute::int8 ? "/int8" : "/bf16_tiles")).c_str(),
          [=](benchmark::State& state) { run(state, dtype, scale_columns, compute); });
      for (const int64_t count : {1, 2, 4, 8, 16, 32, 128, 512})
        bench->Args({count, 8192, 2048})->Args({count, 512, 2048});
      bench->Unit(benchmark::kMicrosecond);
    }
  };
  add("q4_0", DType::q4_0, 0);
  add("q8_0", DType::q8_0, 0);
  add("q4_k", DType::q4_k, 0);
  add("q6_k", DType::q6_k, 0);
  add("q5_k", DType::q5_k, 0);
  add("iq4_xs", DType::iq4_xs, 0);
  add("q3_k", DType::q3_k, 0);
  add("q2_k", DType::q2_k, 0);
  add("int4_g128", DType::int4_scaled, 128);
  add("int8_row", DType::int8_scaled, 2048);
  return 0;
}
const int registered = register_all();

}  // namespace
}  // namespace kedge::cpu
