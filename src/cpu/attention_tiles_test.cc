// Goal: attention in tile registers computes what is defined, on machines without such registers too. Method: the loops
// run on emulations of the registers and of the vectors in plain C++, compared with a reference in double; where the
// CPU has the registers, both give the same bits.

#include <cmath>

#include "cpu/attention_test_support.h"
#include "cpu/plain_vector_test_support.h"
#include "cpu/scratch.h"
// The order matters: each header is written in terms of those before it.
// clang-format off
#include "cpu/isa/vector/math.h"
#include "cpu/isa/tiles/attention.h"
#include "cpu/tile_emulation_test_support.h"
// clang-format on

namespace kedge::cpu {
namespace {

std::vector<float> run(void (*kernel)(const AttentionTile&), const AttentionShape& s, const AttentionInputs& in,
                       const AttentionCache& cache) {
  const int64_t q_size = s.heads * s.head_size;
  const int64_t group = s.heads / s.kv_heads;
  const int64_t tokens = s.context - s.from;
  std::vector<float> out(static_cast<size_t>(tokens * q_size), NAN);
  Scratch scratch;
  const KvView kv = cache.view();
  const KvHeadShape head = kv_head_shape(s.type, s.page_tokens, s.head_size);
  for (int64_t kv_head = 0; kv_head < s.kv_heads; ++kv_head) {
    kernel({.q = in.q.data() + s.from * q_size + kv_head * group * s.head_size,
            .q_stride = q_size,
            .out = out.data() + kv_head * group * s.head_size,
            .out_stride = q_size,
            .tokens = tokens,
            .group = group,
            .head_size = s.head_size,
            .keys = kv.keys.data(),
            .values = kv.values.data(),
            .head_offset = static_cast<size_t>(kv_head * head.bytes),
            .row_bytes = static_cast<size_t>(head.row_bytes),
            .scales_offset = static_cast<size_t>(head.scales_offset),
            .page_tokens = s.page_tokens,
            .first = s.from,
            .context = s.context,
            .window = s.window,
            .causal = s.causal,
            .scale = kAttentionScale,
            .softcap = s.softcap,
            .scratch = reinterpret_cast<float*>(scratch.take(4 << 20))});
  }
  return out;
}

template <typename Rows>
void expect_defined(const AttentionShape& s, AttentionKernel in_registers) {
  SCOPED_TRACE(testing::Message() << s);
  WorkerPool pool(1);
  const AttentionInputs in = attention_inputs(s);
  const AttentionCache cache(s);
  const int64_t kv_size = s.kv_heads * s.head_size;
  store_rows(pool, cache.view(), 0, {in.k.data(), kv_size, s.context}, in.v.data());
  const std::vector<float> emulated = run(prompt_attention<TileProducts<EmulatedTiles>, Rows>, s, in, cache);
  expect_attention(s, in, emulated, true);
  if (detected_isa() >= Isa::amx) expect_same(run(in_registers, s, in, cache), emulated);
}

void expect_defined(AttentionShape s) {
  const KernelTable& table = kernels_of(Isa::amx);
  s.type = KvType::bf16;
  expect_defined<Bf16Rows>(s, table.attention_prompt_bf16);
  s.type = KvType::int8;
  expect_defined<Int8Rows>(s, table.attention_prompt_int8);
  s.type = KvType::int4;
  expect_defined<Int4Rows>(s, table.attention_prompt_int4);
}

TEST(TileAttention, computes_the_definition_around_every_edge) {
  if (detected_isa() < Isa::amx) {
    std::cout << "[ SKIPPED  ] this CPU has no tile registers; only their emulation is TESTED\n";
  }
  for (const int64_t head_size : {1, 16, 31, 32, 33, 64, 80}) expect_defined({.head_size = head_size, .context = 40});
  for (const int64_t context : {1, 31, 32, 33, 128, 255, 256, 257, 290}) {
    expect_defined({.heads = 1, .kv_heads = 1, .context = context});
    expect_defined({.heads = 1, .kv_heads = 1, .context = context, .causal = false});
  }
  for (const int64_t page_tokens : {1, 7, 32, 48, 64, 256}) {
    expect_defined({.heads = 2, .kv_heads = 1, .page_tokens = page_tokens, .context = 140, .from = 100});
    expect_defined({.head_size = 32, .page_tokens = page_tokens, .context = 70, .window = 40, .from = 50});
  }
  for (const int64_t heads : {1, 2, 3, 5, 40}) expect_defined({.heads = heads, .kv_heads = 1, .context = 20});
  for (const int64_t window : {1, 2, 20, 31, 33, 100, 130}) {
    expect_defined({.heads = 1, .kv_heads = 1, .context = 300, .window = window});
  }
  expect_defined({.context = 40, .softcap = 2.0F});
}

}  // namespace
}  // namespace kedge::cpu
