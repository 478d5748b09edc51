#pragma once
// Norms, rotary embedding, activations and reductions. Include after vector.h and math.h. All of them stream: a few
// operations a float, so the cache that holds the row limits.

#include <cstdint>

#include "cpu/isa/flush_to_zero.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// Calls visit(i, count) over [0, size) in steps of kLanes; the last may have fewer.
template <typename Full, typename Tail>
[[gnu::always_inline]] inline void for_lanes(int64_t size, Full full, Tail tail) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) full(i);
  if (i < size) tail(i, size - i);
}

/// x[i] = f(x[i])
template <typename F>
[[gnu::always_inline]] inline void transform(const float* x, float* out, int64_t size, F f) {
  for_lanes(
      size, [&](int64_t i) { store(out + i, f(load(x + i))); },
      [&](int64_t i, int64_t n) { store_first(out + i, n, f(load_first(x + i, n))); });
}

template <typename F>
void map(float* x, int64_t size) {
  transform(x, x, size, [](Vector v) { return F::of(v); });
}

template <typename F>
void gate_map(const float* gate, const float* up, float* out, int64_t size) {
  for_lanes(
      size, [&](int64_t i) { store(out + i, multiply(F::of(load(gate + i)), load(up + i))); },
      [&](int64_t i, int64_t n) {
        store_first(out + i, n, multiply(F::of(load_first(gate + i, n)), load_first(up + i, n)));
      });
}

inline void add_scaled(float a, const float* x, float* y, int64_t size) {
  const Vector va = broadcast(a);
  for_lanes(
      size, [&](int64_t i) { store(y + i, add(load(y + i), multiply(va, load(x + i)))); },
      [&](int64_t i, int64_t n) {
        store_first(y + i, n, add(load_first(y + i, n), multiply(va, load_first(x + i, n))));
      });
}

inline void softcap(float cap, float* x, int64_t size) {
  const Vector va = broadcast(cap);
  transform(x, x, size, [va](Vector v) { return multiply(va, hyperbolic_tangent(divide(v, va))); });
}

inline void to_bf16(const float* x, int64_t size, uint16_t* out) {
  for_lanes(
      size, [&](int64_t i) { store_bf16(out + i, load(x + i)); },
      [&](int64_t i, int64_t n) { store_bf16_first(out + i, n, load_first(x + i, n)); });
}

inline void round_to_bf16(const float* x, int64_t size, float* out) {
  transform(x, out, size, [](Vector v) { return round_bf16(v); });
}

/// Sum of f(x) over a row; lanes past its end count as 0.
template <typename F>
[[gnu::always_inline]] inline float sum_over(const float* x, int64_t size, F f) {
  Vector sum = zero();
  for_lanes(
      size, [&](int64_t i) { sum = add(sum, f(load(x + i))); },
      [&](int64_t i, int64_t n) { sum = add(sum, select(lanes_between(0, n), f(load_first(x + i, n)), zero())); });
  return sum_of(sum);
}

inline void rms_norm(const NormTile& norm, const float* x, float* out) {
  const float squares = sum_over(x, norm.size, [](Vector v) { return multiply(v, v); });
  const Vector scale = broadcast(1.0F / __builtin_sqrtf(squares / static_cast<float>(norm.size) + norm.epsilon));
  if (norm.weight == nullptr) {
    transform(x, out, norm.size, [scale](Vector v) { return multiply(v, scale); });
    return;
  }
  const Vector offset = broadcast(norm.weight_offset);
  const float* weight = norm.weight;
  for_lanes(
      norm.size,
      [&](int64_t i) { store(out + i, multiply(multiply(load(x + i), scale), add(offset, load(weight + i)))); },
      [&](int64_t i, int64_t n) {
        store_first(out + i, n,
                    multiply(multiply(load_first(x + i, n), scale), add(offset, load_first(weight + i, n))));
      });
}

inline void layer_norm(const NormTile& norm, const float* x, float* out) {
  const auto size = static_cast<float>(norm.size);
  const float average = sum_over(x, norm.size, [](Vector v) { return v; }) / size;
  const Vector mean = broadcast(average);
  const float squares = sum_over(x, norm.size, [mean](Vector v) {
    const Vector centred = subtract(v, mean);
    return multiply(centred, centred);
  });
  const Vector scale = broadcast(1.0F / __builtin_sqrtf(squares / size + norm.epsilon));
  const auto scaled_row = [&](int64_t i, int64_t n) {
    Vector v = multiply(subtract(load_first(x + i, n), mean), scale);
    if (norm.weight != nullptr) v = multiply(v, load_first(norm.weight + i, n));
    if (norm.bias != nullptr) v = add(v, load_first(norm.bias + i, n));
    store_first(out + i, n, v);
  };
  for_lanes(norm.size, [&](int64_t i) { scaled_row(i, kLanes); }, scaled_row);
}

inline void rope_split(const RopeTile& rope, float* x) {
  for (int64_t head = 0; head < rope.heads; ++head, x += rope.head_size) {
    float* const second = x + rope.half;
    const auto rotate = [&](int64_t j, int64_t n) {
      const Vector cosine = load_first(rope.cosine + j, n);
      const Vector sine = load_first(rope.sine + j, n);
      const Vector a = load_first(x + j, n);
      const Vector b = load_first(second + j, n);
      store_first(x + j, n, negated_multiply_add(b, sine, multiply(a, cosine)));
      store_first(second + j, n, multiply_add(a, sine, multiply(b, cosine)));
    };
    for_lanes(rope.half, [&](int64_t j) { rotate(j, kLanes); }, rotate);
  }
}

inline void rope_interleaved(const RopeTile& rope, float* x) {
  constexpr int64_t kPairs = kLanes / 2;
  for (int64_t head = 0; head < rope.heads; ++head, x += rope.head_size) {
    for (int64_t j = 0; j < rope.half; j += kPairs) {
      const int64_t n = rope.half - j < kPairs ? rope.half - j : kPairs;
      const Vector cosine = load_pairs(rope.cosine + j, n);
      const Vector sine = load_pairs(rope.sine + j, n);
      const Vector v = load_first(x + 2 * j, 2 * n);
      store_first(x + 2 * j, 2 * n, multiply_alternating(v, cosine, multiply(swap_pairs(v), sine)));
    }
  }
}

inline float maximum(const float* x, int64_t size) {
  const Vector lowest = broadcast(-__builtin_inff());
  Vector largest = lowest;
  for_lanes(
      size, [&](int64_t i) { largest = larger(load(x + i), largest); },
      [&](int64_t i, int64_t n) {
        largest = larger(select(lanes_between(0, n), load_first(x + i, n), lowest), largest);
      });
  return largest_of(largest);
}

inline float exp_sum(const float* x, int64_t size, float shift) {
  const FlushToZero flush;
  const Vector offset = broadcast(shift);
  return sum_over(x, size, [offset](Vector v) { return exponential(subtract(v, offset)); });
}

inline float exp_in_place(float* x, int64_t size, float shift) {
  const FlushToZero flush;
  const Vector offset = broadcast(shift);
  Vector sum = zero();
  for_lanes(
      size,
      [&](int64_t i) {
        const Vector v = exponential(subtract(load(x + i), offset));
        store(x + i, v);
        sum = add(sum, v);
      },
      [&](int64_t i, int64_t n) {
        const Vector v = exponential(subtract(load_first(x + i, n), offset));
        store_first(x + i, n, v);
        sum = add(sum, select(lanes_between(0, n), v, zero()));
      });
  return sum_of(sum);
}

inline void scale(float factor, float* x, int64_t size) {
  const Vector va = broadcast(factor);
  transform(x, x, size, [va](Vector v) { return multiply(va, v); });
}

inline void block_maxima(const float* x, int64_t size, float* out) {
  static_assert(kMaximaBlock % kLanes == 0);
  int64_t i = 0;
  for (; i + kMaximaBlock <= size; i += kMaximaBlock) {
    Vector largest = broadcast(-__builtin_inff());
    for (int64_t j = 0; j < kMaximaBlock; j += kLanes) largest = larger(load(x + i + j), largest);
    *out++ = largest_of(largest);
  }
  if (i < size) *out = maximum(x + i, size - i);
}

/// Few elements are: four vectors are looked at together.
inline int64_t indices_at_least(const float* x, int64_t size, float least, int32_t* out) {
  const Vector bound = broadcast(least);
  int64_t count = 0;
  const auto take = [&](int64_t i, uint32_t found) {
    for (; found != 0; found &= found - 1) out[count++] = static_cast<int32_t>(i) + __builtin_ctz(found);
  };
  const auto at_least = [bound](Vector v) { return bits_of(less(bound, v)) | bits_of(equal(bound, v)); };
  int64_t i = 0;
  for (; i + 4 * kLanes <= size; i += 4 * kLanes) {
    const Vector a = larger(load(x + i), load(x + i + kLanes));
    const Vector b = larger(load(x + i + 2 * kLanes), load(x + i + 3 * kLanes));
    // Either operand of `larger` is lost beside one that is no number: such rows look at every vector.
    const uint32_t numbers = bits_of(equal(a, a)) & bits_of(equal(b, b));
    if (at_least(larger(a, b)) == 0 && numbers == (1U << kLanes) - 1U) continue;
    for (int64_t j = 0; j < 4; ++j) take(i + j * kLanes, at_least(load(x + i + j * kLanes)));
  }
  for (; i < size; i += kLanes) {
    const int64_t n = size - i < kLanes ? size - i : kLanes;
    take(i, at_least(load_first(x + i, n)) & ((1U << n) - 1U));
  }
  return count;
}

inline int64_t argmax(const float* x, int64_t size) {
  const Vector largest = broadcast(maximum(x, size));
  for (int64_t i = 0; i < size; i += kLanes) {
    const int64_t n = size - i < kLanes ? size - i : kLanes;
    const uint32_t found = bits_of(equal(load_first(x + i, n), largest)) & ((1U << n) - 1U);
    if (found != 0) return i + __builtin_ctz(found);
  }
  return 0;
}

}  // namespace
}  // namespace kedge::cpu
