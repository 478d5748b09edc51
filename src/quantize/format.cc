#include "quantize/format.h"

#include <fmt/format.h>

#include "core/half.h"

namespace kedge::quantize {
namespace {

constexpr float kF16Max = 65504.0F;
constexpr float kF16Min = 0x1p-24F;    // the smallest above 0
constexpr float kBf16Min = 0x1p-126F;  // the smallest normal one

/// `scale` as the checkpoint will hold it, above 0.
float stored_scale(float scale, DType type) {
  if (type == DType::f16) return std::max(kF16Min, f16_to_f32(f32_to_f16(std::min(scale, kF16Max))));
  return std::max(kBf16Min, bf16_to_f32(f32_to_bf16(scale)));
}

}  // namespace

std::string name_of(const Format& format) {
  const std::string group = format.group == 0 ? "" : fmt::format("-g{}", format.group);
  return fmt::format("int{}{}{}", format.bits, group,
                     format.symmetric == (format.bits == 8) ? ""
                     : format.symmetric                     ? "-symmetric"
                                                            : "-asymmetric");
}

double bits_per_weight(const Format& format, int64_t columns) {
  const double beside = 16.0 + (format.symmetric ? 0.0 : format.bits);
  return format.bits + beside / static_cast<double>(format.group_columns(columns));
}

Grid grid_between(const Format& format, DType scale_type, float smallest, float largest) {
  Grid grid;
  grid.code_max = (1 << format.bits) - 1;
  const auto steps = static_cast<float>(grid.code_max);
  if (format.symmetric) {
    grid.zero = 1 << (format.bits - 1);
    const float reach = std::max(std::abs(smallest), std::abs(largest));
    if (reach > 0) grid.scale = stored_scale(2.0F * reach / steps, scale_type);
    return grid;
  }
  smallest = std::min(smallest, 0.0F);  // 0 stays exact
  largest = std::max(largest, 0.0F);
  if (largest > smallest) grid.scale = stored_scale((largest - smallest) / steps, scale_type);
  grid.zero = static_cast<int32_t>(std::clamp(std::nearbyint(-smallest / grid.scale), 0.0F, steps));
  return grid;
}

}  // namespace kedge::quantize
