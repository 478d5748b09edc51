#include "cpu/input_rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/half.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

constexpr float kLargestF8 = 448.0F;

float largest_magnitude(const float* x, int64_t size) {
  float largest = 0.0F;
  for (int64_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(x[i]));
  return largest;
}

void round_to_int8(const float* x, int64_t size, float* out) {
  float scale = largest_magnitude(x, size) / 127.0F;
  if (scale == 0.0F) scale = std::numeric_limits<float>::epsilon();
  for (int64_t i = 0; i < size; ++i) out[i] = std::clamp(std::nearbyint(x[i] / scale), -128.0F, 127.0F) * scale;
}

void round_to_f8(const float* x, int64_t size, float scale, float* out) {
  for (int64_t i = 0; i < size; ++i) {
    const float value = std::clamp(x[i] / scale, -kLargestF8, kLargestF8);
    out[i] = f8_e4m3_to_f32(f32_to_f8_e4m3(value)) * scale;
  }
}

/// `if_zero`: the scale of nothing but zeros.
void round_group_to_f8(const float* x, int64_t size, float if_zero, float* out) {
  const float largest = largest_magnitude(x, size);
  round_to_f8(x, size, largest == 0.0F ? if_zero : largest / kLargestF8, out);
}

void round_row(const InputRounding& rounding, const float* x, int64_t columns, float* out) {
  switch (rounding.kind) {
    case InputRoundingKind::none:
      std::copy_n(x, columns, out);
      break;
    case InputRoundingKind::int8_token:
      round_to_int8(x, columns, out);
      break;
    case InputRoundingKind::fp8_token:
      round_group_to_f8(x, columns, std::numeric_limits<float>::epsilon(), out);
      break;
    case InputRoundingKind::fp8_groups:
      for (int64_t k = 0; k < columns; k += rounding.group) {
        round_group_to_f8(x + k, std::min(rounding.group, columns - k), 1.0F, out + k);
      }
      break;
    case InputRoundingKind::fp8_static:
      round_to_f8(x, columns, rounding.scale, out);
      break;
  }
}

}  // namespace

InputRows rounded_inputs(WorkerPool& pool, const InputRows& x, int64_t columns, const InputRounding& rounding) {
  thread_local Scratch scratch;
  auto* const rows = reinterpret_cast<float*>(scratch.take(static_cast<size_t>(x.count * columns) * sizeof(float)));
  pool.parallel_for(x.count, 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) round_row(rounding, x.data + i * x.stride, columns, rows + i * columns);
  });
  return {rows, columns, x.count};
}

}  // namespace kedge::cpu
