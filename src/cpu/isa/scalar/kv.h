#pragma once
// The definition of keys and values in 8 and 4 bits: cpu/kv_layout.h.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/kv_codes.h"
#include "cpu/kernel_table.h"
#include "cpu/kv_layout.h"

namespace kedge::cpu {
namespace {

/// One position's key or value.
struct KvRow {
  const std::byte* elements;
  const std::byte* stored_scale;
  [[nodiscard]] float scale() const {
    float value = 0.0F;
    __builtin_memcpy(&value, stored_scale, sizeof(value));
    return value;
  }
};

inline KvRow row_at(const AttentionTile& t, const std::byte* const* pages, int64_t position) {
  const std::byte* const head = pages[position / t.page_tokens] + t.head_offset;
  const auto slot = static_cast<size_t>(position % t.page_tokens);
  return {head + slot * t.row_bytes, head + t.scales_offset + slot * sizeof(float)};
}

/// Without its scale, which is the row's.
inline float int8_code(const std::byte* row, int64_t index) {
  return static_cast<float>(static_cast<int8_t>(row[index]));
}

inline float int4_element(const std::byte* row, int64_t index) {
  const std::byte* const group = row + index / kKvGroup * kKvGroupBytes;
  uint32_t stored = 0;
  __builtin_memcpy(&stored, group, sizeof(stored));
  const uint32_t parts[2] = {stored << 16, stored & 0xffff0000U};
  float scale[2] = {};  // and the minimum
  __builtin_memcpy(scale, parts, sizeof(scale));
  const auto codes = static_cast<uint32_t>(group[4 + index % 16]);
  const uint32_t code = index % kKvGroup < 16 ? codes & 15U : codes >> 4;
  return __builtin_fmaf(static_cast<float>(code), scale[0], scale[1]);
}

struct KvSpan {
  float smallest;
  float largest;
  bool finite;
};

inline KvSpan span_of(const float* x, int64_t size) {
  KvSpan span{x[0], x[0], true};
  for (int64_t i = 0; i < size; ++i) {
    span.finite = span.finite && __builtin_fabsf(x[i]) <= 3.402823466e38F;
    span.smallest = x[i] < span.smallest ? x[i] : span.smallest;
    span.largest = x[i] > span.largest ? x[i] : span.largest;
  }
  return span;
}

inline void quantize_kv_int8(const float* x, int64_t size, std::byte* codes, float* scale) {
  const KvSpan span = span_of(x, size);
  const float magnitude = -span.smallest > span.largest ? -span.smallest : span.largest;
  const Int8Scale s = int8_scale(magnitude, span.finite);
  *scale = s.scale;
  for (int64_t i = 0; i < size; ++i) {
    codes[i] = s.inverse == 0.0F ? std::byte{0} : static_cast<std::byte>(__builtin_lrintf(x[i] * s.inverse));
  }
}

inline uint32_t int4_code(float x, const Int4Scale& s) {
  if (s.inverse == 0.0F) return 0;
  const float code = (x - s.minimum) * s.inverse;
  return static_cast<uint32_t>(__builtin_lrintf(code < 0.0F ? 0.0F : code > 15.0F ? 15.0F : code));
}

inline void quantize_kv_int4(const float* x, int64_t size, std::byte* row) {
  for (int64_t first = 0; first < size; first += kKvGroup, row += kKvGroupBytes) {
    const int64_t count = size - first < kKvGroup ? size - first : kKvGroup;
    const KvSpan span = span_of(x + first, count);
    const Int4Scale s = int4_scale(span.smallest, span.largest, span.finite);
    __builtin_memcpy(row, &s.stored, sizeof(s.stored));
    // Elements that are missing are filled up with the group's first.
    const auto code = [&](int64_t i) { return int4_code(x[first + (i < count ? i : 0)], s); };
    for (int64_t i = 0; i < 16; ++i) row[4 + i] = static_cast<std::byte>(code(i) | code(i + 16) << 4);
  }
}

}  // namespace
}  // namespace kedge::cpu
