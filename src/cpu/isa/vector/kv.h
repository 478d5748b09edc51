#pragma once
// Keys and values in every type (cpu/kv_layout.h): how attention reads them, a step of kParts vectors at a time, and
// how rows of 8 and 4 bits are written, to the bit as isa/scalar/kv.h defines. Include after vector.h and matmul.h.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/kv_codes.h"
#include "cpu/kv_layout.h"

namespace kedge::cpu {
namespace {

/// Elements side by side. kScaled: what is loaded is still to be multiplied by the token's scale. kFilled: rows hold
/// whole steps, so that there is no tail.
template <typename Row, bool kHasScales = false>
struct PlainKv {
  static constexpr int kParts = 1;
  static constexpr bool kScaled = kHasScales;
  static constexpr bool kFilled = false;
  static constexpr int64_t bytes_of(int64_t elements) { return elements * Row::kElementBytes; }
  static void load(const std::byte* row, int64_t k, Vector (&out)[1]) { out[0] = Row::load(row, k); }
  static void load_first(const std::byte* row, int64_t k, int64_t count, Vector (&out)[1]) {
    out[0] = Row::load_first(row, k, count);
  }
};
struct Int8Row {
  static constexpr int64_t kElementBytes = 1;
  static Vector load(const std::byte* row, int64_t k) { return load_i8(row + k); }
  static Vector load_first(const std::byte* row, int64_t k, int64_t count) { return load_i8_first(row + k, count); }
};
using F32Kv = PlainKv<F32Row>;
using Bf16Kv = PlainKv<Bf16Row>;
using Int8Kv = PlainKv<Int8Row, true>;
struct Int4Kv {
  static constexpr int kParts = static_cast<int>(kKvGroup / kLanes);
  static constexpr bool kScaled = false;
  static constexpr bool kFilled = true;
  static constexpr int64_t bytes_of(int64_t elements) { return elements / kKvGroup * kKvGroupBytes; }
  static void load(const std::byte* row, int64_t k, Vector (&out)[kParts]) { load_int4_group(row + bytes_of(k), out); }
};

constexpr uint32_t kAllLanes = (1U << kLanes) - 1U;

inline bool all_finite(Vector a) {
  return bits_of(less(magnitude(a), broadcast(__builtin_inff()))) == kAllLanes;
}

// Bound: rows come from the caches, where products left them; two passes of some four operations for each vector.
inline void quantize_kv_int8(const float* x, int64_t size, std::byte* codes, float* scale) {
  const int64_t whole = size / kLanes * kLanes;
  Vector largest = zero();
  bool finite = true;
  const auto look_at = [&](Vector a) {
    finite = finite && all_finite(a);
    largest = larger(magnitude(a), largest);
  };
  for (int64_t i = 0; i < whole; i += kLanes) look_at(load(x + i));
  if (whole < size) look_at(load_first(x + whole, size - whole));
  const Int8Scale s = int8_scale(finite ? largest_of(largest) : 0.0F, finite);
  *scale = s.scale;
  const Vector inverse = broadcast(s.inverse);
  const auto codes_of = [&](Vector a) { return s.inverse == 0.0F ? zero() : multiply(a, inverse); };
  for (int64_t i = 0; i < whole; i += kLanes) store_i8(codes + i, codes_of(load(x + i)));
  if (whole < size) store_i8_first(codes + whole, size - whole, codes_of(load_first(x + whole, size - whole)));
}

/// One group of 32.
inline void quantize_int4_group(const float* x, std::byte* out) {
  Vector codes[Int4Kv::kParts];
  Vector largest = load(x), smallest = largest;
  bool finite = true;
  for (int part = 0; part < Int4Kv::kParts; ++part) {
    codes[part] = load(x + part * kLanes);
    finite = finite && all_finite(codes[part]);
    largest = larger(codes[part], largest);
    smallest = smaller(codes[part], smallest);
  }
  const Int4Scale s = int4_scale(-largest_of(subtract(zero(), smallest)), largest_of(largest), finite);
  __builtin_memcpy(out, &s.stored, sizeof(s.stored));
  for (Vector& code : codes) {
    code = multiply(subtract(code, broadcast(s.minimum)), broadcast(s.inverse));
    code = s.inverse == 0.0F ? zero() : smaller(larger(code, zero()), broadcast(15.0F));
  }
  store_int4_codes(out + 4, codes);
}

// Bound: as above, once for each group.
inline void quantize_kv_int4(const float* x, int64_t size, std::byte* row) {
  for (; size >= kKvGroup; size -= kKvGroup, x += kKvGroup, row += kKvGroupBytes) quantize_int4_group(x, row);
  if (size == 0) return;
  float filled[kKvGroup];
  for (int64_t i = 0; i < kKvGroup; ++i) filled[i] = x[i < size ? i : 0];
  quantize_int4_group(filled, row);
}

}  // namespace
}  // namespace kedge::cpu
