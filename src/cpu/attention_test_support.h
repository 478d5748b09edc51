#pragma once
// What the tests of attention share: a small cache of keys and values, inputs, and a plain reference in double.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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
  DType dtype = DType::f32;
  int64_t window = 0;
  float softcap = 0.0F;
  bool causal = true;
  bool prompt = false;
  int64_t from = 0;  // the first query that is computed
};
inline constexpr float kAttentionScale = 0.3F;

inline std::ostream& operator<<(std::ostream& out, const AttentionShape& s) {
  return out << s.heads << "/" << s.kv_heads << " heads of " << s.head_size << ", pages of " << s.page_tokens
             << ", queries from " << s.from << ", context " << s.context << ", " << name_of(s.dtype) << ", window "
             << s.window << ", softcap " << s.softcap << ", causal " << s.causal << ", prompt " << s.prompt;
}

/// Keys and values of one layer in separate pages, poisoned where nothing was stored.
class AttentionCache {
 public:
  explicit AttentionCache(const AttentionShape& s) : shape_(s) {
    const int64_t pages = (s.context + s.page_tokens - 1) / s.page_tokens;
    const size_t bytes = static_cast<size_t>(s.kv_heads * s.page_tokens * s.head_size) * info_of(s.dtype).block_bytes;
    for (int64_t page = 0; page < 2 * pages; ++page) storage_.emplace_back(bytes, std::byte{0xff});  // NaNs
    for (int64_t page = 0; page < pages; ++page) {
      keys_.push_back(storage_[static_cast<size_t>(2 * page)].data());
      values_.push_back(storage_[static_cast<size_t>(2 * page + 1)].data());
    }
  }
  [[nodiscard]] KvView view() const {
    return {shape_.dtype, shape_.page_tokens, shape_.kv_heads, shape_.head_size, keys_, values_};
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

struct AttentionInputs {
  std::vector<float> q, k, v;
};

inline AttentionInputs attention_inputs(const AttentionShape& s, float size = 1.0F, uint32_t seed = 1) {
  return {random_floats(static_cast<size_t>(s.context * s.heads * s.head_size), seed, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), seed + 1, size),
          random_floats(static_cast<size_t>(s.context * s.kv_heads * s.head_size), seed + 2)};
}

/// One head of one query, and how far from it a result may lie.
struct AttentionReference {
  std::vector<double> out, bound;
};

/// `rounded`: queries and weights are rounded to bf16, so that each weight may be off by 2^-8 of itself.
inline AttentionReference attention_reference(const AttentionShape& s, const AttentionInputs& in, int64_t position,
                                              int64_t head, bool rounded) {
  const auto narrow = [](float value, bool narrows) {
    return static_cast<double>(narrows ? bf16_to_f32(f32_to_bf16(value)) : value);
  };
  const bool stored = s.dtype == DType::bf16;
  const int64_t kv_head = head / (s.heads / s.kv_heads);
  const int64_t begin = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
  const int64_t end = s.causal ? position + 1 : s.context;
  const float* q = in.q.data() + (position * s.heads + head) * s.head_size;
  std::vector<double> weights;
  for (int64_t p = begin; p < end; ++p) {
    const float* k = in.k.data() + (p * s.kv_heads + kv_head) * s.head_size;
    double score = 0.0;
    for (int64_t d = 0; d < s.head_size; ++d) score += narrow(q[d], rounded) * narrow(k[d], stored);
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
      const double term = weight * narrow(v[d], stored);
      reference.out[d] += term;
      if (rounded) reference.bound[d] += std::abs(term) * 0x1p-8;
    }
  }
  return reference;
}

/// `out`: rows of the queries from s.from on.
inline void expect_attention(const AttentionShape& s, const AttentionInputs& in, const std::vector<float>& out,
                             bool rounded) {
  for (int64_t position = s.from; position < s.context; ++position) {
    for (int64_t head = 0; head < s.heads; ++head) {
      const AttentionReference expected = attention_reference(s, in, position, head, rounded);
      const float* const found = out.data() + ((position - s.from) * s.heads + head) * s.head_size;
      for (int64_t d = 0; d < s.head_size; ++d) {
        const auto i = static_cast<size_t>(d);
        ASSERT_NEAR(static_cast<double>(found[d]), expected.out[i], expected.bound[i])
            << "position " << position << ", head " << head << ", element " << d;
      }
    }
  }
}

}  // namespace kedge::cpu
