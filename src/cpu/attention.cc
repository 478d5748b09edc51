#include <algorithm>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/ops.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// Queries that pass over a block of keys together: enough to reuse it from the cache, few enough that their scores and
// sums (64 * (64 + head_size) floats) stay in the second-level cache beside it.
constexpr int64_t kTileRows = 64;

size_t element_bytes(DType dtype) {
  return info_of(dtype).block_bytes;
}

/// Scores of one key block, accumulators, queries, and three numbers a row.
size_t scratch_floats(int64_t rows, int64_t head_size) {
  const auto padded = static_cast<size_t>((head_size + 15) / 16 * 16);
  return static_cast<size_t>(rows) * (static_cast<size_t>(kKeyBlock) + 2 * padded + 16);
}

/// The order in which tiles are dealt: first, last, second, last but one, ..., so that contiguous ranges cost alike
/// although later tiles see more keys.
int64_t folded(int64_t index, int64_t count) {
  return index % 2 == 0 ? index / 2 : count - 1 - index / 2;
}

}  // namespace

void attention(WorkerPool& pool, const Attention& attention, const KvView& kv, const InputRows& q,
               const OutputRows& out) {
  if (q.count <= 0) return;
  KEDGE_DCHECK(attention.heads % kv.kv_heads == 0);
  KEDGE_DCHECK(kv.dtype == DType::f32 || kv.dtype == DType::bf16);
  const KernelTable& table = kernels();
  const auto kernel = kv.dtype == DType::f32 ? table.attention_f32 : table.attention_bf16;
  const int64_t group = attention.heads / kv.kv_heads;
  const int64_t tile_tokens = std::max<int64_t>(1, kTileRows / group);
  const int64_t tiles = (q.count + tile_tokens - 1) / tile_tokens;
  const size_t head_bytes = static_cast<size_t>(kv.page_tokens * kv.head_size) * element_bytes(kv.dtype);

  pool.parallel_for(kv.kv_heads * tiles, 1, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const size_t floats = scratch_floats(tile_tokens * group, kv.head_size);
    auto* const working = reinterpret_cast<float*>(scratch.take(floats * sizeof(float)));
    for (int64_t index = begin; index < end; ++index) {
      const int64_t kv_head = index / tiles;
      const int64_t first = folded(index % tiles, tiles) * tile_tokens;
      const int64_t head_column = kv_head * group * kv.head_size;
      kernel({.q = q.data + first * q.stride + head_column,
              .q_stride = q.stride,
              .out = out.data + first * out.stride + head_column,
              .out_stride = out.stride,
              .tokens = std::min(tile_tokens, q.count - first),
              .group = group,
              .head_size = kv.head_size,
              .keys = kv.keys.data(),
              .values = kv.values.data(),
              .head_offset = static_cast<size_t>(kv_head) * head_bytes,
              .page_tokens = kv.page_tokens,
              .first = attention.first + first,
              .context = attention.context,
              .window = attention.window,
              .causal = attention.causal,
              .scale = attention.scale,
              .softcap = attention.softcap,
              .scratch = working});
    }
  });
}

void store_kv(WorkerPool& pool, const KvView& kv, int64_t first, const InputRows& k, const float* v) {
  const KernelTable& table = kernels();
  const size_t row_bytes = static_cast<size_t>(kv.head_size) * element_bytes(kv.dtype);
  const auto store = [&](std::byte* page, int64_t row, const float* source) {
    std::byte* const target = page + static_cast<size_t>(row) * row_bytes;
    if (kv.dtype == DType::f32) {
      std::copy_n(source, kv.head_size, reinterpret_cast<float*>(target));
    } else {
      table.to_bf16(source, kv.head_size, reinterpret_cast<uint16_t*>(target));
    }
  };
  pool.parallel_for(k.count, 64, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const auto page = static_cast<size_t>((first + i) / kv.page_tokens);
      const int64_t slot = (first + i) % kv.page_tokens;
      for (int64_t head = 0; head < kv.kv_heads; ++head) {
        const int64_t column = i * k.stride + head * kv.head_size;
        store(kv.keys[page], head * kv.page_tokens + slot, k.data + column);
        store(kv.values[page], head * kv.page_tokens + slot, v + column);
      }
    }
  });
}

}  // namespace kedge::cpu
