#pragma once
// What the tests of attention share: a small cache of keys and values, inputs, and a plain reference in double.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <vector>

#include "cpu/test_support.h"

namespace kedge::cpu {

struct AttentionShape {
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t head_size = 16;
  int64_t page_tokens = 16;
  int64_t context = 50;
  KvType type = KvType::f32;
  int64_t window = 0;
  float softcap = 0.0F;
  bool causal = true;
  bool prompt = false;
  int64_t from = 0;  // the first query that is computed
};
inline constexpr float kAttentionScale = 0.3F;

inline std::ostream& operator<<(std::ostream& out, const AttentionShape& s) {
  return out << s.heads << "/" << s.kv_heads << " heads of " << s.head_size << ", pages of " << s.page_tokens
             << ", queries from " << s.from << ", context " << s.context << ", " << name_of(s.type) << ", window "
             << s.window << ", softcap " << s.softcap << ", causal " << s.causal << ", prompt " << s.prompt;
}

/// Keys and values of one layer in separate pages, poisoned where nothing was stored.
class AttentionCache {
 public:
  explicit AttentionCache(const AttentionShape& s) : shape_(s) {
    const int64_t pages = (s.context + s.page_tokens - 1) / s.page_tokens;
    const auto bytes = static_cast<size_t>(s.kv_heads * kv_head_shape(s.type, s.page_tokens, s.head_size).bytes);
    for (int64_t page = 0; page < 2 * pages; ++page) storage_.emplace_back(bytes, std::byte{0xff});  // NaNs
    for (int64_t page = 0; page < pages; ++page) {
      keys_.push_back(storage_[static_cast<size_t>(2 * page)].data());
      values_.push_back(storage_[static_cast<size_t>(2 * page + 1)].data());
    }
  }
  [[nodiscard]] KvView view() const {
    return {shape_.type, shape_.page_tokens, shape_.kv_heads, shape_.head_size, keys_, values_};
  }
  /// Frees the pages before the one that holds `position`.
  void drop_before(int64_t position) {
    for (int64_t page = 0; page < position / shape_.page_tokens; ++page) {
      keys_[static_cast<size_t>(page)] = nullptr;
      values_[static_cast<size_t>(page)] = nullptr;
    }
  }

 private:
  AttentionShape shape_;
  std::vector<std::vector<std::byte>> storage_;
  std::vector<std::byte*> keys_, values_;
};

/// Rows of keys and values at positions [first, first + k.count) of one sequence.
inline void store_rows(WorkerPool& pool, const KvView& kv, int64_t first, const InputRows& k, const float* v) {
  const AttentionRun run{.kv = kv, .first = first, .count = k.count};
  store_kv(pool, {&run, 1}, k, v);
}

/// Element d of a stored row as cpu/kv_layout.h says, `scale` being the row's.
inline float kept_element(KvType type, const std::byte* row, float scale, int64_t d) {
  const auto half_at = [](const std::byte* at) {
    uint16_t half = 0;
    std::memcpy(&half, at, sizeof(half));
    return bf16_to_f32(half);
  };
  float single = 0.0F;
  switch (type) {
    case KvType::f32:
      std::memcpy(&single, row + 4 * d, sizeof(single));
      return single;
    case KvType::bf16:
      return half_at(row + 2 * d);
    case KvType::int8:
      return scale * static_cast<float>(static_cast<int8_t>(row[d]));
    case KvType::int4:
      break;
  }
  const std::byte* const group = row + d / 32 * 20;
  const int pair = std::to_integer<int>(group[4 + d % 16]);
  const int code = d % 32 < 16 ? pair & 15 : pair >> 4;
  return std::fma(half_at(group), static_cast<float>(code), half_at(group + 2));
}

/// Element d of one position and head of a page.
inline float kept_element(const KvView& kv, const std::byte* page, int64_t head, int64_t slot, int64_t d) {
  const KvHeadShape shape = kv_head_shape(kv.type, kv.page_tokens, kv.head_size);
  const std::byte* const rows = page + head * shape.bytes;
  float scale = 0.0F;
  if (kv.type == KvType::int8) std::memcpy(&scale, rows + shape.scales_offset + 4 * slot, sizeof(scale));
  return kept_element(kv.type, rows + slot * shape.row_bytes, scale, d);
}

struct AttentionInputs {
  std::vector<float> q, k, v;
};

/// What a cache keeps of rows of head_size elements, and products in bf16 (`rounded`) make of it.
inline std::vector<float> kept_of(const AttentionShape& s, const std::vector<float>& x, bool rounded) {
  const KernelTable& scalar = kernels_of(Isa::scalar);
  std::vector<float> kept(x);
  std::vector<std::byte> row(static_cast<size_t>(kv_head_shape(s.type, 1, s.head_size).row_bytes));
  for (size_t at = 0; at < x.size(); at += static_cast<size_t>(s.head_size)) {
    float scale = 0.0F;
    if (s.type == KvType::int8) scalar.quantize_kv_int8(x.data() + at, s.head_size, row.data(), &scale);
    if (s.type == KvType::int4) scalar.quantize_kv_int4(x.data() + at, s.head_size, row.data());
    for (int64_t d = 0; d < s.head_size; ++d) {
      float& element = kept[at + static_cast<size_t>(d)];
      if (s.type == KvType::int8 || s.type == KvType::int4) element = kept_element(s.type, row.data(), scale, d);
      if (s.type == KvType::bf16 || rounded) element = bf16_to_f32(f32_to_bf16(element));
    }
  }
  return kept;
}

inline AttentionInputs kept_inputs(const AttentionShape& s, const AttentionInputs& in, bool rounded) {
  AttentionInputs kept{in.q, kept_of(s, in.k, rounded), kept_of(s, in.v, rounded)};
  if (!rounded) return kept;
  for (float& q : kept.q) q = bf16_to_f32(f32_to_bf16(q));
  return kept;
}

inline AttentionInputs attention_inputs(const AttentionShape& s, float size = 1.0F, uint32_t seed = 1) {
  return {random_floats(static_cast<size_t>(s.context * s.heads * s.head_size), seed, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), seed + 1, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), seed + 2)};
}

/// One head of one query, and how far from it a result may lie.
struct AttentionReference {
  std::vector<double> out, bound;
};

/// `rounded`: weights are rounded to bf16, so that each may be off by 2^-8 of itself.
inline AttentionReference attention_reference(const AttentionShape& s, const AttentionInputs& in, int64_t position,
                                              int64_t head, bool rounded) {
  const int64_t kv_head = head / (s.heads / s.kv_heads);
  const int64_t begin = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
  const int64_t end = s.causal ? position + 1 : s.context;
  const float* q = in.q.data() + (position * s.heads + head) * s.head_size;
  std::vector<double> weights;
  for (int64_t p = begin; p < end; ++p) {
    const float* k = in.k.data() + (p * s.kv_heads + kv_head) * s.head_size;
    double score = 0.0;
    for (int64_t d = 0; d < s.head_size; ++d) score += static_cast<double>(q[d]) * static_cast<double>(k[d]);
    score *= static_cast<double>(kAttentionScale);
    if (s.softcap > 0.0F) score = static_cast<double>(s.softcap) * std::tanh(score / static_cast<double>(s.softcap));
    weights.push_back(score);
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  double total = 0.0;
  for (double& weight : weights) total += weight = std::exp(weight - largest);
  const auto size = static_cast<size_t>(s.head_size);
  AttentionReference reference{std::vector<double>(size, 0.0), std::vector<double>(size, rounded ? 1e-5 : 4e-6)};
  for (int64_t p = begin; p < end; ++p) {
    const float* v = in.v.data() + (p * s.kv_heads + kv_head) * s.head_size;
    const double weight = weights[static_cast<size_t>(p - begin)] / total;
    for (size_t d = 0; d < size; ++d) {
      const double term = weight * static_cast<double>(v[d]);
      reference.out[d] += term;
      if (rounded) reference.bound[d] += std::abs(term) * 0x1p-8;
    }
  }
  return reference;
}

/// `out`: rows of the queries from s.from on.
inline void expect_attention(const AttentionShape& s, const AttentionInputs& in, const std::vector<float>& out,
                             bool rounded) {
  const AttentionInputs kept = kept_inputs(s, in, rounded);
  // Where codes are multiplied in whole numbers, queries and weights are rounded to 16 bits.
  const bool in_words = !rounded && s.type == KvType::int8 && active_isa() >= Isa::avx512_vnni;
  for (int64_t position = s.from; position < s.context; ++position) {
    for (int64_t head = 0; head < s.heads; ++head) {
      const AttentionReference expected = attention_reference(s, kept, position, head, rounded);
      const float* const found = out.data() + ((position - s.from) * s.heads + head) * s.head_size;
      for (int64_t d = 0; d < s.head_size; ++d) {
        const auto i = static_cast<size_t>(d);
        ASSERT_NEAR(static_cast<double>(found[d]), expected.out[i], expected.bound[i] + (in_words ? 1e-3 : 0.0))
            << "position " << position << ", head " << head << ", element " << d;
      }
    }
  }
}

/// Whether the active instruction set rounds queries and weights.
inline bool rounds(const AttentionShape& s) {
  return s.prompt && s.type != KvType::f32 && kernels().attention_prompt_bf16 != nullptr;
}

inline Attention attention_of(const AttentionShape& s) {
  return {.heads = s.heads,
          .scale = kAttentionScale,
          .softcap = s.softcap,
          .window = s.window,
          .causal = s.causal,
          .prompt = s.prompt};
}

/// Feeds the sequence in chunks of `chunk` tokens, as an engine does.
inline std::vector<float> attended(WorkerPool& pool, const AttentionShape& s, const AttentionInputs& in,
                                   int64_t chunk) {
  AttentionCache cache(s);
  const int64_t q_size = s.heads * s.head_size;
  const int64_t kv_size = s.kv_heads * s.head_size;
  std::vector<float> out(static_cast<size_t>((s.context - s.from) * q_size), NAN);
  const int64_t stored = s.causal ? s.from : s.context;
  store_rows(pool, cache.view(), 0, {in.k.data(), kv_size, stored}, in.v.data());
  for (int64_t first = s.from; first < s.context; first += chunk) {
    const int64_t count = std::min(chunk, s.context - first);
    if (s.causal) {
      store_rows(pool, cache.view(), first, {in.k.data() + first * kv_size, kv_size, count},
                 in.v.data() + first * kv_size);
    }
    if (s.window > 0) cache.drop_before(std::max<int64_t>(0, first - s.window + 1));
    const AttentionRun queries{cache.view(), first, count, s.causal ? first + count : s.context};
    attention(pool, attention_of(s), {&queries, 1}, {in.q.data() + first * q_size, q_size, count},
              {out.data() + (first - s.from) * q_size, q_size});
  }
  return out;
}

}  // namespace kedge::cpu
