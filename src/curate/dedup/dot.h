#pragma once

#include <array>
#include <cstddef>
#include <numeric>

namespace kedge::curate {

/// Sixteen sums side by side, so that it is vector code whose order of additions is fixed.
inline float dot(const float* a, const float* b, size_t count) {
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float sum = std::accumulate(sums.begin(), sums.end(), 0.0F);
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace kedge::curate
