#pragma once
// Products of packed weights with VPDPBUSD, a panel and some tokens at a time. Include after groups.h.

#include <cstdint>

#include "cpu/isa/vector/fetch_ahead.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// How far ahead of a single pass its bytes are asked for: a Xeon (Sapphire Rapids) left to its own prefetching reads 7
/// to 10 GB/s a core, with 2 KB ahead 11, with 8 to 12 KB ahead 15, into the second-level cache; into the first, less.
constexpr int64_t kFetchDistance = 8192;

/// kTokens tokens from `token` on, times one panel.
// Bound: with one token the weights' way from memory (a group of 288 bytes takes some 30 operations); with many, the
// two ports of VPDPBUSD: 8 of 11 operations there are products.
template <typename Group, int kTokens>
[[gnu::noinline]] void panel_times(const PackedTile& t, const std::byte* block, int64_t output, int64_t token,
                                   FetchAhead& ahead) {
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t groups = t.columns / kGroupColumns;
  const int8_t* codes = t.codes + token * t.columns;
  const float* scales = t.scales + token * groups;
  const int32_t* starts = t.starts + token * 2 * groups;
  Vector y[kTokens];
  for (int i = 0; i < kTokens; ++i) y[i] = zero();
  for (int64_t k = 0; k < t.columns; k += shape.block_columns, block += bytes_of_block(shape)) {
    const typename Group::Block head = Group::open(block);
    const std::byte* at = block + shape.head_bytes;
    for (int64_t g = 0; g < shape.block_columns / kGroupColumns; ++g, at += shape.group_bytes) {
      const Group group(head, at);
      const TokenGroups tokens{codes, t.columns, scales, starts};
      add_part<0>(group, tokens, y);
      if constexpr (Group::kParts > 1) add_part<1>(group, tokens, y);
      ahead.one_group_further();
      codes += kGroupColumns;
      ++scales;
      starts += 2;
    }
  }
  const int64_t left = t.outputs - output;
  const LaneMask mask = first_lanes(left < kPanelOutputs ? left : kPanelOutputs);
  for (int i = 0; i < kTokens; ++i) {
    if (t.bias != nullptr) y[i] = add(y[i], _mm512_maskz_loadu_ps(mask, t.bias + output));
    float* const at = t.y + (token + i) * t.y_stride + output;
    _mm512_mask_storeu_ps(at, mask, t.added ? add(_mm512_maskz_loadu_ps(mask, at), y[i]) : y[i]);
  }
}

constexpr int kTokensAtOnce = 8;

/// Tokens [token, count), fewer than kTokensAtOnce of them.
template <typename Group, int kTokens = kTokensAtOnce - 1>
void last_tokens(const PackedTile& t, const std::byte* panel, int64_t output, int64_t token, FetchAhead& ahead) {
  if constexpr (kTokens > 0) {
    if (t.count - token == kTokens) {
      panel_times<Group, kTokens>(t, panel, output, token, ahead);
    } else {
      last_tokens<Group, kTokens - 1>(t, panel, output, token, ahead);
    }
  }
}

template <typename Group>
void packed_product(const PackedTile& t) {
  const int64_t passes = (t.count + kTokensAtOnce - 1) / kTokensAtOnce;
  const auto bytes = static_cast<int64_t>(t.panel_bytes);
  const int64_t distance = passes > 1 ? bytes : kFetchDistance;
  const int64_t step = bytes * kGroupColumns / t.columns / passes + 1;
  const std::byte* panel = t.panels;
  for (int64_t output = 0; output < t.outputs; output += kPanelOutputs, panel += t.panel_bytes) {
    FetchAhead ahead(panel + distance, step);
    int64_t token = 0;
    for (; token + kTokensAtOnce <= t.count; token += kTokensAtOnce) {
      panel_times<Group, kTokensAtOnce>(t, panel, output, token, ahead);
    }
    last_tokens<Group>(t, panel, output, token, ahead);
  }
}

}  // namespace
}  // namespace kedge::cpu
