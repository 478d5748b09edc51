#include "engine/largest.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "cpu/ops.h"

namespace kedge::engine {
namespace {

struct Larger {
  std::span<const float> x;
  bool operator()(TokenId a, TokenId b) const {
    const float xa = x[static_cast<size_t>(a)], xb = x[static_cast<size_t>(b)];
    return xa != xb ? xa > xb : a < b;
  }
};

}  // namespace

std::span<const TokenId> Largest::of(std::span<const float> x, size_t count) {
  const auto size = static_cast<int64_t>(x.size());
  count = std::min(count, x.size());
  if (count == 0) return {};
  // As many blocks as `count` have an element that is no smaller than this: so have the `count` largest.
  float least = -std::numeric_limits<float>::infinity();
  maxima_.resize((x.size() + cpu::kMaximaElements - 1) / cpu::kMaximaElements);
  if (count <= maxima_.size()) {
    cpu::block_maxima(x.data(), size, maxima_.data());
    const auto last = maxima_.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(maxima_.begin(), last, maxima_.end(), std::greater<>());
    least = *last;
  }
  found_.resize(x.size());
  const auto found = static_cast<size_t>(cpu::indices_at_least(x.data(), size, least, found_.data()));
  const auto end = found_.begin() + static_cast<std::ptrdiff_t>(found);
  const auto kept = found_.begin() + static_cast<std::ptrdiff_t>(std::min(found, count));
  if (kept != end) std::nth_element(found_.begin(), kept, end, Larger{x});
  std::sort(found_.begin(), kept, Larger{x});
  return {found_.begin(), kept};
}

std::span<const TokenId> Largest::at_least(std::span<const float> x, float least) {
  found_.resize(x.size());
  const int64_t found = cpu::indices_at_least(x.data(), static_cast<int64_t>(x.size()), least, found_.data());
  std::sort(found_.begin(), found_.begin() + found, Larger{x});
  return {found_.begin(), found_.begin() + found};
}

}  // namespace kedge::engine
