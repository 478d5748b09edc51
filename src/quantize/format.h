#pragma once
// How a matrix is stored in few bits, and the grid of values that the codes of one group stand for.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace kedge::quantize {

struct Format {
  int bits = 4;         // 4 or 8
  int64_t group = 128;  // columns that share a scale (and a zero point); 0: all of a row
  bool symmetric = true;

  bool operator==(const Format&) const = default;
  [[nodiscard]] int64_t group_columns(int64_t columns) const { return group == 0 ? columns : group; }
  [[nodiscard]] bool fits(int64_t columns) const { return columns % group_columns(columns) == 0; }
};

/// "int4-g64", "int8", "int4-g64-symmetric": 4 bits have zero points and 8 bits none, unless the name says so.
std::string name_of(const Format& format);

/// Codes, scales of 16 bits and zero points, for each weight of a matrix with so many columns.
double bits_per_weight(const Format& format, int64_t columns);

/// value = scale * (code - zero), codes from 0 to code_max.
struct Grid {
  float scale = 1.0F;
  int32_t zero = 0;
  int32_t code_max = 15;

  /// The code of the nearest value (ties to even).
  [[nodiscard]] uint8_t code(float value) const {
    const float steps = std::nearbyint(value / scale) + static_cast<float>(zero);
    return static_cast<uint8_t>(std::clamp(steps, 0.0F, static_cast<float>(code_max)));
  }
  [[nodiscard]] float value(uint8_t code) const {
    return scale * static_cast<float>(static_cast<int32_t>(code) - zero);
  }
  [[nodiscard]] float rounded(float value) const { return this->value(code(value)); }
};

/// The grid that reaches from `smallest` to `largest` (symmetric: to the larger magnitude on both sides), with a scale
/// that `scale_type` (F16 or BF16) holds exactly. The middle code is 0 for symmetric formats, as compressed-tensors has
/// it: int4 codes stand for -8 to 7 steps.
Grid grid_between(const Format& format, DType scale_type, float smallest, float largest);

}  // namespace kedge::quantize
