#pragma once
// Which keys a query of an AttentionTile sees.

#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

struct KeyRange {
  int64_t begin;
  int64_t end;
};

inline KeyRange common_part(KeyRange a, KeyRange b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

/// Of the tile's part of the keys; empty where begin >= end.
inline KeyRange visible_to(const AttentionTile& t, int64_t token) {
  const int64_t position = t.first + token;
  const int64_t begin = position - t.window + 1;
  const KeyRange all{t.window > 0 && begin > 0 ? begin : 0, t.causal ? position + 1 : t.context};
  return common_part(all, {t.keys_begin, t.keys_end});
}

}  // namespace
}  // namespace kedge::cpu
