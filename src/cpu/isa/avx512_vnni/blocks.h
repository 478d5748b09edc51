#pragma once
// Products of packed weights with VPDPBUSD for many tokens: some panels are unpacked into the first-level cache, a
// block of columns at a time, and multiplied with six tokens at once. Adds up in the order of products.h, and so with
// its bits. Include after it.

#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr int kBlockPanels = 4;  // times six tokens: 24 sums, 4 lines of codes and a token's quad fill 29 registers
constexpr int kBlockTokens = 6;
constexpr int kBlockGroups = 8;         // 256 columns
constexpr int64_t kBlockCountMin = 12;  // fewer tokens do not make up for the way through the cache

/// As an instruction of its own: with the intrinsic, gcc 12 moves loads so far up that sums are spilled.
[[gnu::always_inline]] inline void add_products(__m512i& sum, __m512i codes, __m512i token) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(token));
}

/// kBlockPanels panels, some groups of each.
template <typename Group>
struct UnpackedBlock {
  Group at[kBlockGroups][kBlockPanels];
  int64_t groups = 0;
};

/// The groups from `column` on of as many panels.
template <typename Group>
void unpack_block(const PackedTile& t, const std::byte* panel, int64_t column, UnpackedBlock<Group>& out) {
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t of_head = shape.block_columns / kGroupColumns;
  const int64_t left = (t.columns - column) / kGroupColumns;
  out.groups = left < kBlockGroups ? left : kBlockGroups;
  for (int p = 0; p < kBlockPanels; ++p, panel += t.panel_bytes) {
    const std::byte* block = panel + column / shape.block_columns * bytes_of_block(shape);
    for (int64_t first = 0; first < out.groups; first += of_head, block += bytes_of_block(shape)) {
      const typename Group::Block head = Group::open(block);
      const std::byte* at = block + shape.head_bytes;
      for (int64_t g = first; g < first + of_head; ++g, at += shape.group_bytes) out.at[g][p] = Group(head, at);
    }
  }
}

template <int kPart, typename Group, int kTokens>
[[gnu::always_inline]] inline void add_block_part(const Group (&w)[kBlockPanels], const TokenGroups& x, float* y,
                                                  int64_t y_stride) {
  constexpr int kBegin = kPart * kQuads / Group::kParts, kEnd = (kPart + 1) * kQuads / Group::kParts;
  __m512i sums[kTokens][kBlockPanels];
  for (int i = 0; i < kTokens; ++i) {
    const __m512i start = Group::kProductsStart ? _mm512_set1_epi32(x.start(i)[kPart]) : _mm512_setzero_si512();
    for (int p = 0; p < kBlockPanels; ++p) sums[i][p] = start;
  }
#pragma GCC unroll 1  // unrolled, loads move up and sums are spilled
  for (int quad = kBegin; quad < kEnd; ++quad) {
    __m512i codes[kBlockPanels];
    for (int p = 0; p < kBlockPanels; ++p) codes[p] = w[p].codes[quad];
    for (int i = 0; i < kTokens; ++i) {
      const __m512i token = x.quad(i, quad);
      for (int p = 0; p < kBlockPanels; ++p) add_products(sums[i][p], codes[p], token);
    }
  }
#pragma GCC unroll 4  // sums are registers only where their numbers are known
  for (int p = 0; p < kBlockPanels; ++p) {
#pragma GCC unroll 6
    for (int i = 0; i < kTokens; ++i) {
      float* const at = y + i * y_stride + p * kPanelOutputs;
      store(at, w[p].template scaled_sum<kPart>(load(at), sums[i][p], x.scale(i), x.start(i)[kPart]));
    }
  }
}

/// kTokens tokens from `token` on, times the block's columns, added to y[kTokens][kBlockPanels * 16].
// Bound: the two ports of VPDPBUSD: 8 of 11 operations there are products; 10 loads for 24 products.
template <typename Group, int kTokens>
[[gnu::noinline]] void block_times(const PackedTile& t, const UnpackedBlock<Group>& w, int64_t column, int64_t token,
                                   float* y, FetchAhead& ahead) {
  constexpr int64_t kStride = kBlockPanels * kPanelOutputs;
  const int64_t groups = t.columns / kGroupColumns;
  const int64_t group = column / kGroupColumns;
  TokenGroups x{t.codes + token * t.columns + column, t.columns, t.scales + token * groups + group,
                t.starts + (token * groups + group) * 2};
  for (int64_t g = 0; g < w.groups; ++g) {
    add_block_part<0, Group, kTokens>(w.at[g], x, y, kStride);
    if constexpr (Group::kParts > 1) add_block_part<1, Group, kTokens>(w.at[g], x, y, kStride);
    ahead.one_group_further();
    x.codes += kGroupColumns;
    ++x.scales;
    x.starts += 2;
  }
}

template <typename Group, int kTokens = kBlockTokens>
void block_times_tokens(int64_t tokens, const PackedTile& t, const UnpackedBlock<Group>& w, int64_t column,
                        int64_t token, float* y, FetchAhead& ahead) {
  if constexpr (kTokens > 0) {
    if (tokens == kTokens) {
      block_times<Group, kTokens>(t, w, column, token, y, ahead);
    } else {
      block_times_tokens<Group, kTokens - 1>(tokens, t, w, column, token, y, ahead);
    }
  }
}

/// Outputs [output, output + 64) of all tokens. What is summed up stays in the scratch meanwhile.
template <typename Group>
void block_of_panels(const PackedTile& t, const std::byte* panel, int64_t output) {
  constexpr int64_t kStride = kBlockPanels * kPanelOutputs;
  const int64_t passes = (t.count + kBlockTokens - 1) / kBlockTokens;
  const int64_t steps = passes * t.columns / kGroupColumns;
  FetchAhead ahead(panel + kBlockPanels * t.panel_bytes,
                   static_cast<int64_t>(kBlockPanels * t.panel_bytes) / steps + 1);
  __builtin_memset(t.scratch, 0, static_cast<size_t>(t.count * kStride) * sizeof(float));
  UnpackedBlock<Group> w;
  for (int64_t column = 0; column < t.columns; column += kBlockGroups * kGroupColumns) {
    unpack_block(t, panel, column, w);
    for (int64_t pass = 0; pass < passes; ++pass) {  // of about as many tokens each
      const int64_t token = t.count * pass / passes;
      block_times_tokens(t.count * (pass + 1) / passes - token, t, w, column, token, t.scratch + token * kStride,
                         ahead);
    }
  }
  for (int64_t i = 0; i < t.count; ++i) {
    for (int64_t n = 0; n < kStride; n += kLanes) {
      Vector y = load(t.scratch + i * kStride + n);
      if (t.bias != nullptr) y = add(y, load(t.bias + output + n));
      float* const at = t.y + i * t.y_stride + output + n;
      store(at, t.added ? add(load(at), y) : y);
    }
  }
}

/// Whole blocks of panels as above, the rest panel by panel.
template <typename Group>
void blocks_product(const PackedTile& t) {
  constexpr int64_t kOutputs = kBlockPanels * kPanelOutputs;
  if (t.count < kBlockCountMin) return packed_product<Group>(t);
  PackedTile rest = t;
  for (; rest.outputs >= kOutputs; rest.outputs -= kOutputs) {
    block_of_panels<Group>(t, rest.panels, t.outputs - rest.outputs);
    rest.panels += kBlockPanels * t.panel_bytes;
  }
  if (rest.outputs == 0) return;
  rest.y += t.outputs - rest.outputs;
  if (t.bias != nullptr) rest.bias += t.outputs - rest.outputs;
  packed_product<Group>(rest);
}

}  // namespace
}  // namespace kedge::cpu
