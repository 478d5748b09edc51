#include <algorithm>
#include <cmath>

#include "cpu/dispatch.h"
#include "cpu/ops.h"

namespace kedge::cpu {
namespace {

// Rows that a thread takes at least: four of eight heads of 128 are 8192 elements and some 2 us, about what it costs to
// wake a thread.
constexpr int64_t kRowsAtLeast = 4;

/// Writes rows of one view shape.
class Store {
 public:
  explicit Store(const KvView& shape) : head_(kv_head_shape(shape.type, shape.page_tokens, shape.head_size)) {}

  /// Row `slot` of kv head `head`.
  void write(const KvView& kv, std::byte* page, int64_t head, int64_t slot, const float* x) const {
    std::byte* const first = page + head * head_.bytes;
    std::byte* const row = first + slot * head_.row_bytes;
    switch (kv.type) {
      case KvType::f32:
        std::copy_n(x, kv.head_size, reinterpret_cast<float*>(row));
        break;
      case KvType::bf16:
        table_.to_bf16(x, kv.head_size, reinterpret_cast<uint16_t*>(row));
        break;
      case KvType::int8:
        table_.quantize_kv_int8(x, kv.head_size, row, reinterpret_cast<float*>(first + head_.scales_offset) + slot);
        break;
      case KvType::int4:
        table_.quantize_kv_int4(x, kv.head_size, row);
        break;
    }
  }

 private:
  const KernelTable& table_ = kernels();
  KvHeadShape head_;
};

}  // namespace

std::string_view name_of(KvType type) {
  switch (type) {
    case KvType::f32:
      return "f32";
    case KvType::bf16:
      return "bf16";
    case KvType::int8:
      return "int8";
    case KvType::int4:
      break;
  }
  return "int4";
}

void store_kv(WorkerPool& pool, std::span<const AttentionRun> runs, const InputRows& k, const float* v) {
  if (k.count == 0) return;
  const Store store(runs.front().kv);
  pool.parallel_for(k.count, kRowsAtLeast, [&](int64_t begin, int64_t end, unsigned) {
    const AttentionRun* run = runs.data();
    int64_t before = 0;  // rows of the runs before
    for (int64_t i = begin; i < end; ++i) {
      while (i >= before + run->count) before += (run++)->count;
      const KvView& kv = run->kv;
      const int64_t position = run->first + i - before;
      const auto page = static_cast<size_t>(position / kv.page_tokens);
      for (int64_t head = 0; head < kv.kv_heads; ++head) {
        const int64_t column = i * k.stride + head * kv.head_size;
        store.write(kv, kv.keys[page], head, position % kv.page_tokens, k.data + column);
        store.write(kv, kv.values[page], head, position % kv.page_tokens, v + column);
      }
    }
  });
}

}  // namespace kedge::cpu
