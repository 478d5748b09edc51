#pragma once
// What the tests and benchmarks of this folder share: every instruction set in turn, random rows of every stored type.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/half.h"
#include "cpu/dispatch.h"
#include "cpu/isa.h"
#include "cpu/ops.h"

namespace kedge::cpu {

inline constexpr DType kWeightTypes[] = {
    DType::f32,    DType::f16,    DType::bf16,        DType::f8_e4m3,     DType::q4_0,     DType::q4_1, DType::q5_0,
    DType::q5_1,   DType::q8_0,   DType::q2_k,        DType::q3_k,        DType::q4_k,     DType::q5_k, DType::q6_k,
    DType::iq4_nl, DType::iq4_xs, DType::int4_scaled, DType::int8_scaled, DType::f8_scaled};

/// Caps the instruction set for one scope.
class WithIsa {
 public:
  explicit WithIsa(Isa isa) { cap_isa(isa); }
  ~WithIsa() { cap_isa(Isa::amx); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;
};

/// Calls test(isa) for every set this CPU runs, and says which it lacks.
template <typename Test>
void for_every_isa(Test test) {
  const std::vector<Isa> runnable = runnable_isas();
  for (const Isa isa : kIsas) {
    const bool runs = can_run(isa);
    ASSERT_EQ(runs, std::find(runnable.begin(), runnable.end(), isa) != runnable.end());
    if (!runs) {
      std::cout << "[ SKIPPED  ] " << name_of(isa) << ": this CPU has no such instructions; NOT TESTED\n";
      continue;
    }
    SCOPED_TRACE(std::string(name_of(isa)));
    const WithIsa capped(isa);
    test(isa);
  }
}

inline std::vector<float> random_floats(size_t count, uint32_t seed, float size = 1.0F) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0F, size);
  std::vector<float> values(count);
  for (float& value : values) value = normal(rng);
  return values;
}

/// A weight matrix that owns its bytes, at an address aligned to nothing.
class Weights {
 public:
  Weights(DType dtype, int64_t rows, int64_t columns, uint32_t seed) {
    const size_t row = *row_bytes(dtype, static_cast<uint64_t>(columns));
    bytes_.resize(static_cast<size_t>(rows) * row + 1);
    view_ = {dtype, bytes_.data() + 1, rows, columns, row};
    std::mt19937 rng(seed);
    for (std::byte& byte : bytes_) byte = static_cast<std::byte>(rng());
    for (int64_t r = 0; r < rows; ++r) make_valid(bytes_.data() + 1 + static_cast<size_t>(r) * row, row, rng);
  }
  [[nodiscard]] const WeightView& view() const { return view_; }
  std::byte* row(int64_t index) { return bytes_.data() + 1 + static_cast<size_t>(index) * view_.row_stride; }

 private:
  /// Random codes are fine as they are; scales and plain numbers become numbers of ordinary size.
  void make_valid(std::byte* row, size_t size, std::mt19937& rng) const {
    std::normal_distribution<float> normal;
    const auto half_at = [&](std::byte* at) {
      const uint16_t half = f32_to_f16(0.02F * normal(rng));
      std::memcpy(at, &half, sizeof(half));
    };
    const auto scale_at = [&](std::byte* at) {
      const float scale = 0.02F * normal(rng);
      std::memcpy(at, &scale, sizeof(scale));
    };
    const DTypeInfo& info = info_of(view_.dtype);
    for (std::byte* block = row; block < row + size; block += info.block_bytes) {
      const float value = normal(rng);
      const uint16_t narrow = f32_to_bf16(value);
      switch (view_.dtype) {
        case DType::f32:
          std::memcpy(block, &value, sizeof(value));
          break;
        case DType::bf16:
          std::memcpy(block, &narrow, sizeof(narrow));
          break;
        case DType::f8_e4m3:
          if ((std::to_integer<int>(*block) & 0x78) == 0x78) *block &= std::byte{0x3f};
          break;
        case DType::q2_k:
          half_at(block + 80), half_at(block + 82);
          break;
        case DType::q3_k:
          half_at(block + 108);
          break;
        case DType::q6_k:
          half_at(block + 208);
          break;
        case DType::q4_1:
        case DType::q5_1:
        case DType::q4_k:
        case DType::q5_k:
          half_at(block), half_at(block + 2);
          break;
        case DType::int4_scaled:
          block[4] &= std::byte{15};
          scale_at(block);
          break;
        case DType::int8_scaled:
          scale_at(block);
          break;
        case DType::f8_scaled:
          for (std::byte* code = block + 4; code < block + 36; ++code) {
            if ((std::to_integer<int>(*code) & 0x78) == 0x78) *code &= std::byte{0x3f};
          }
          scale_at(block);
          break;
        default:
          half_at(block);
          break;
      }
    }
  }

  std::vector<std::byte> bytes_;
  WeightView view_;
};

/// INT8 weights with one scale and one zero a row, as their blocks repeat them.
inline Weights row_scaled_weights(int64_t rows, int64_t columns, uint32_t seed) {
  Weights weights(DType::int8_scaled, rows, columns, seed);
  const size_t bytes = info_of(DType::int8_scaled).block_bytes;
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t b = 1; b < columns / 32; ++b) {
      std::memcpy(weights.row(n) + static_cast<size_t>(b) * bytes, weights.row(n), sizeof(float) + 1);
    }
  }
  return weights;
}

/// Bit for bit.
inline void expect_same(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found[i], &expected[i], sizeof(float)) != 0) {
      FAIL() << "element " << i << " is " << found[i] << ", expected " << expected[i] << " bit for bit";
    }
  }
}

}  // namespace kedge::cpu
