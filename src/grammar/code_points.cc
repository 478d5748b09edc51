#include "grammar/code_points.h"

#include <algorithm>

namespace kedge::grammar {
namespace {

constexpr CodePoint kLastOfSize[] = {0x7F, 0x7FF, 0xFFFF, kCodePointMax};

Utf8Sequence encode(CodePoint first, CodePoint last, int size) {
  static constexpr uint8_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  Utf8Sequence sequence{.size = size};
  for (int i = size - 1; i >= 0; --i) {
    const auto mark = static_cast<uint8_t>(i > 0 ? 0x80 : kLead[size]);
    const CodePoint mask = i > 0 ? 0x3F : 0x7F;
    sequence.bytes[i] = {static_cast<uint8_t>(mark | (first & mask)), static_cast<uint8_t>(mark | (last & mask))};
    first >>= 6;
    last >>= 6;
  }
  return sequence;
}

/// Cuts where the ranges of later bytes would depend on an earlier byte.
void split(CodePoint first, CodePoint last, int size, std::vector<Utf8Sequence>& sequences) {
  for (int i = 1; i < size; ++i) {
    const CodePoint mask = (CodePoint{1} << (6 * i)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      split(first, first | mask, size, sequences);
      split((first | mask) + 1, last, size, sequences);
      return;
    }
    if ((last & mask) != mask) {
      split(first, (last & ~mask) - 1, size, sequences);
      split(last & ~mask, last, size, sequences);
      return;
    }
  }
  sequences.push_back(encode(first, last, size));
}

}  // namespace

void CodePointSet::add(CodePointRange range) {
  if (range.first > range.last) return;
  // The ranges that overlap or touch the new one become part of it.
  auto begin = std::ranges::lower_bound(ranges_, range.first, {}, [](const CodePointRange& r) { return r.last + 1; });
  auto end = begin;
  while (end != ranges_.end() && end->first <= range.last + 1) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
    ++end;
  }
  begin = ranges_.erase(begin, end);
  ranges_.insert(begin, range);
}

void CodePointSet::add(const CodePointSet& other) {
  for (const CodePointRange& range : other.ranges_) add(range);
}

CodePointSet CodePointSet::negated() const {
  return all().without(*this);
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet result;
  for (CodePointRange range : ranges_) {
    bool left = true;
    for (const CodePointRange& cut : other.ranges_) {
      if (cut.last < range.first || cut.first > range.last) continue;
      if (cut.first > range.first) result.ranges_.push_back({range.first, cut.first - 1});
      left = cut.last < range.last;
      if (!left) break;
      range.first = cut.last + 1;
    }
    if (left) result.ranges_.push_back(range);
  }
  return result;
}

CodePointSet CodePointSet::common(const CodePointSet& other) const {
  return without(without(other));
}

bool CodePointSet::contains(CodePoint code_point) const {
  const auto it = std::ranges::lower_bound(ranges_, code_point, {}, [](const CodePointRange& r) { return r.last; });
  return it != ranges_.end() && it->first <= code_point;
}

std::vector<Utf8Sequence> utf8_sequences(const CodePointSet& set) {
  std::vector<Utf8Sequence> sequences;
  const CodePointSet encodable = set.common(CodePointSet::all());
  for (const CodePointRange& range : encodable.ranges()) {
    CodePoint first = range.first;
    for (int size = 1; size <= 4; ++size) {
      if (first > kLastOfSize[size - 1]) continue;
      const CodePoint last = std::min(range.last, kLastOfSize[size - 1]);
      split(first, last, size, sequences);
      if (last == range.last) break;
      first = last + 1;
    }
  }
  return sequences;
}

}  // namespace kedge::grammar
