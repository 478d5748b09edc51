// Norms, rotary embedding, activations and reductions: one pass over memory each, shared out by rows.

#include <algorithm>
#include <cmath>

#include "cpu/dispatch.h"
#include "cpu/ops.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kElementGrain = 16384;  // fewer elements are not worth waking a worker

int64_t row_grain(int64_t size) {
  return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, size));
}

}  // namespace

MapKernel map_kernel(const KernelTable& table, Activation act) {
  switch (act) {
    case Activation::silu:
      return table.silu;
    case Activation::gelu_erf:
      return table.gelu_erf;
    case Activation::gelu_tanh:
      return table.gelu_tanh;
    case Activation::relu:
      break;
  }
  return table.relu;
}

GateKernel gate_kernel(const KernelTable& table, Activation act) {
  switch (act) {
    case Activation::silu:
      return table.gate_silu;
    case Activation::gelu_erf:
      return table.gate_gelu_erf;
    case Activation::gelu_tanh:
      return table.gate_gelu_tanh;
    case Activation::relu:
      break;
  }
  return table.gate_relu;
}

void rms_norm(WorkerPool& pool, const RmsNorm& norm, const InputRows& x, const OutputRows& out) {
  const auto kernel = kernels().rms_norm;
  const NormTile tile{norm.weight, nullptr, norm.size, norm.epsilon, norm.weight_offset};
  pool.parallel_for(x.count, row_grain(norm.size), [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) kernel(tile, x.data + i * x.stride, out.data + i * out.stride);
  });
}

void layer_norm(WorkerPool& pool, const LayerNorm& norm, const InputRows& x, const OutputRows& out) {
  const auto kernel = kernels().layer_norm;
  const NormTile tile{norm.weight, norm.bias, norm.size, norm.epsilon, 0.0F};
  pool.parallel_for(x.count, row_grain(norm.size), [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) kernel(tile, x.data + i * x.stride, out.data + i * out.stride);
  });
}

void apply_rope(WorkerPool& pool, const Rope& rope, float* x, int64_t x_stride, int64_t count) {
  const auto kernel = rope.interleaved ? kernels().rope_interleaved : kernels().rope_split;
  const int64_t half = rope.rotary / 2;
  pool.parallel_for(count, row_grain(rope.heads * rope.head_size), [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      kernel({rope.cosine + i * half, rope.sine + i * half, half, rope.heads, rope.head_size}, x + i * x_stride);
    }
  });
}

void gated_activation(WorkerPool& pool, Activation act, const InputRows& gate, const float* up, int64_t size,
                      const OutputRows& out) {
  const GateKernel kernel = gate_kernel(kernels(), act);
  pool.parallel_for(gate.count, row_grain(size), [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      kernel(gate.data + i * gate.stride, up + i * gate.stride, out.data + i * out.stride, size);
    }
  });
}

void activation(WorkerPool& pool, Activation act, float* x, int64_t size) {
  const MapKernel kernel = map_kernel(kernels(), act);
  pool.parallel_for(size, kElementGrain, [&](int64_t begin, int64_t end, unsigned) { kernel(x + begin, end - begin); });
}

void add_scaled(WorkerPool& pool, float a, const float* x, float* y, int64_t size) {
  const auto kernel = kernels().add_scaled;
  pool.parallel_for(size, kElementGrain,
                    [&](int64_t begin, int64_t end, unsigned) { kernel(a, x + begin, y + begin, end - begin); });
}

void softcap(WorkerPool& pool, float cap, float* x, int64_t size) {
  const auto kernel = kernels().softcap;
  pool.parallel_for(size, kElementGrain,
                    [&](int64_t begin, int64_t end, unsigned) { kernel(cap, x + begin, end - begin); });
}

void softmax(float* x, int64_t size) {
  if (size <= 0) return;
  const KernelTable& table = kernels();
  const float total = table.exp_in_place(x, size, table.maximum(x, size));
  for (int64_t i = 0; i < size; ++i) x[i] /= total;
}

float log_sum_exp(const float* x, int64_t size) {
  const KernelTable& table = kernels();
  const float largest = table.maximum(x, size);
  return largest + std::log(table.exp_sum(x, size, largest));
}

int64_t argmax(const float* x, int64_t size) {
  return kernels().argmax(x, size);
}

float maximum(const float* x, int64_t size) {
  return kernels().maximum(x, size);
}

float exp_in_place(float* x, int64_t size, float shift) {
  return kernels().exp_in_place(x, size, shift);
}

float exp_sum(const float* x, int64_t size, float shift) {
  return kernels().exp_sum(x, size, shift);
}

void scale(float factor, float* x, int64_t size) {
  kernels().scale(factor, x, size);
}

void block_maxima(const float* x, int64_t size, float* out) {
  static_assert(kMaximaElements == kMaximaBlock);
  kernels().block_maxima(x, size, out);
}

int64_t indices_at_least(const float* x, int64_t size, float least, int32_t* out) {
  return kernels().indices_at_least(x, size, least, out);
}

}  // namespace kedge::cpu
