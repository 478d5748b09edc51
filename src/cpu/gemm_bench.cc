// The providers of matrix products side by side: kedge's kernels and oneDNN's take turns, call by call, on the same
// pool; GFLOP/s of the median call of each, and their ratio. Arguments: activation rows, outputs, columns. Decoding
// rotates over copies of the weights, so that these come from memory as a model's do. `taskset -c 0` gives
// one thread, KEDGE_ISA and ONEDNN_MAX_CPU_ISA together cap the instruction set.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/aligned.h"
#include "cpu/bench_support.h"
#include "cpu/onednn.h"
#include "cpu/packed.h"
#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr size_t kRotationBytes = size_t{256} << 20;

struct Kind {
  const char* name;
  DType dtype;
  MatmulCompute compute;
};
constexpr Kind kKinds[] = {{"f32", DType::f32, MatmulCompute::f32},
                           {"bf16", DType::bf16, MatmulCompute::bf16},
                           {"int8", DType::int8_scaled, MatmulCompute::int8}};

/// One matrix as both providers keep it, and copies of each.
class Matrix {
 public:
  Matrix(const Kind& kind, int64_t rows, int64_t columns, bool rotated)
      : kind_(kind),
        stored_(kind.compute == MatmulCompute::int8 ? row_scaled_weights(rows, columns, 1)
                                                    : Weights(kind.dtype, rows, columns, 1)) {
    view_ = stored_.view();
    view_.scale_columns = columns;
    const size_t bytes = static_cast<size_t>(rows) * view_.row_stride;
    copies_ = rotated ? std::max<size_t>(1, kRotationBytes / bytes) : 1;
    own_bytes_ = Arena::padded(kind.compute == MatmulCompute::int8 ? packed_bytes(view_) : bytes);
    blocked_bytes_ = Arena::padded(blocked_bytes(view_, kind.compute));
    own_ = PageBuffer(own_bytes_ * copies_);
    blocked_ = PageBuffer(blocked_bytes_ * copies_);
    for (size_t i = 0; i < copies_; ++i) {
      if (kind.compute == MatmulCompute::int8) packed_ = pack(pool(), view_, own_.data() + i * own_bytes_);
      if (kind.compute != MatmulCompute::int8) std::memcpy(own_.data() + i * own_bytes_, view_.data, bytes);
      lay_out_blocked(pool(), view_, kind.compute, blocked_.data() + i * blocked_bytes_);
    }
  }

  void kedge(size_t turn, const InputRows& x, const OutputRows& y, bool prompt) const {
    const std::byte* const data = own_.data() + turn % copies_ * own_bytes_;
    const MatmulCompute compute = prompt ? for_many_tokens(kind_.compute) : kind_.compute;
    if (kind_.compute == MatmulCompute::int8) {
      PackedView packed = packed_;
      packed.data = data;
      packed_matmul(pool(), packed, x, y, nullptr, compute);
    } else {
      WeightView view = view_;
      view.data = data;
      matmul(pool(), view, x, y, nullptr, compute);
    }
  }
  void onednn(size_t turn, const InputRows& x, const OutputRows& y) const {
    const std::byte* const data = blocked_.data() + turn % copies_ * blocked_bytes_;
    blocked_matmul(pool(), blocked_view(view_, kind_.compute, data), x, y, nullptr);
  }

 private:
  const Kind& kind_;
  Weights stored_;
  WeightView view_;
  PackedView packed_;
  PageBuffer own_, blocked_;
  size_t own_bytes_ = 0, blocked_bytes_ = 0, copies_ = 1;
};

/// The last one is kept: its shape is measured with several numbers of rows.
const Matrix& matrix_of(const Kind& kind, int64_t rows, int64_t columns, bool rotated) {
  using Key = std::tuple<const Kind*, int64_t, int64_t, bool>;
  static Key made;
  static std::unique_ptr<Matrix> matrix;
  const Key wanted{&kind, rows, columns, rotated};
  if (matrix == nullptr || made != wanted) {
    matrix.reset();
    matrix = std::make_unique<Matrix>(kind, rows, columns, rotated);
    made = wanted;
  }
  return *matrix;
}

template <typename Call>
double seconds_of(Call call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double>& values) {
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void run(benchmark::State& state, const Kind& kind, bool prompt) {
  const int64_t count = state.range(0), rows = state.range(1), columns = state.range(2);
  const Matrix& matrix = matrix_of(kind, rows, columns, !prompt);
  const auto x = random_floats(static_cast<size_t>(count * columns), 99);
  std::vector<float> y(static_cast<size_t>(count * rows)), z(y.size());
  const InputRows in{x.data(), columns, count};
  std::vector<double> kedge, onednn;
  size_t turn = 0;
  for (auto _ : state) {
    kedge.push_back(seconds_of([&] { matrix.kedge(turn, in, {y.data(), rows}, prompt); }));
    onednn.push_back(seconds_of([&] { matrix.onednn(turn, in, {z.data(), rows}); }));
    ++turn;
  }
  double difference = 0.0, size = 0.0;
  for (size_t i = 0; i < y.size(); ++i) {
    difference += static_cast<double>(y[i] - z[i]) * static_cast<double>(y[i] - z[i]);
    size += static_cast<double>(y[i]) * static_cast<double>(y[i]);
  }
  const double work = 2e-9 * static_cast<double>(count * rows * columns);
  const double kedge_seconds = median(kedge), onednn_seconds = median(onednn);
  state.counters["kedge"] = work / kedge_seconds;
  state.counters["onednn"] = work / onednn_seconds;
  state.counters["ratio"] = onednn_seconds / kedge_seconds;
  state.counters["apart"] = std::sqrt(difference / size);
}

int register_all() {
  if (const char* const name = std::getenv("KEDGE_ISA")) {
    if (const auto isa = isa_from_name(name)) cap_isa(*isa);
  }
  if (!load_onednn().ok()) return 0;
  for (const Kind& kind : kKinds) {
    for (const bool prompt : {false, true}) {
      auto* const bench =
          benchmark::RegisterBenchmark((std::string("gemm/") + kind.name + (prompt ? "/prompt" : "/decode")).c_str(),
                                       [&kind, prompt](benchmark::State& state) { run(state, kind, prompt); });
      for (const auto& [rows, columns] : {std::pair{2048, 2048}, {8192, 2048}, {2048, 8192}, {14336, 4096}}) {
        for (const int64_t count : prompt ? std::vector<int64_t>{32, 128, 512} : std::vector<int64_t>{1, 4, 16, 32}) {
          bench->Args({count, rows, columns});
        }
      }
      bench->UseRealTime()->Unit(benchmark::kMicrosecond);
    }
  }
  return 0;
}
const int registered = register_all();

}  // namespace
}  // namespace kedge::cpu
