#include "engine/draft_length.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kedge::engine {
namespace {

constexpr double kNewShare = 0.125;  // of a measured time
constexpr double kForgetShare = 1.0 / 256;
constexpr double kRecordShare = 0.1;  // of a guess
constexpr double kGain = 1.05;        // less is not worth the pages

size_t size_of(int64_t tokens) {
  return static_cast<size_t>(std::bit_width(static_cast<uint64_t>(tokens - 1)));
}

}  // namespace

/// What larger passes took is forgotten little by little, so that they are tried again.
void PassTimes::observe(int64_t tokens, double seconds) {
  const size_t index = std::min(size_of(tokens), kSizes - 1);
  for (size_t larger = index + 1; larger < kSizes; ++larger) {
    Size& size = sizes_[larger];
    const double thought = seconds * (0.5 + 0.5 * size.tokens / static_cast<double>(tokens));
    if (size.known) size.seconds += kForgetShare * (thought - size.seconds);
  }
  Size& size = sizes_[index];
  if (!size.known) size = {static_cast<double>(tokens), seconds, true};
  size.tokens += kNewShare * (static_cast<double>(tokens) - size.tokens);
  size.seconds += kNewShare * (seconds - size.seconds);
}

double PassTimes::estimate(int64_t tokens) const {
  const auto wanted = static_cast<double>(tokens);
  const Size* below = nullptr;
  const Size* above = nullptr;
  for (const Size& size : sizes_) {
    if (!size.known) continue;
    if (size.tokens <= wanted) below = &size;
    if (size.tokens >= wanted && above == nullptr) above = &size;
  }
  if (below == nullptr && above == nullptr) return 0.5 + 0.5 * wanted;
  if (below == nullptr) return above->seconds * (0.5 + 0.5 * wanted / above->tokens);
  if (above == nullptr) return below->seconds * (0.5 + 0.5 * wanted / below->tokens);
  if (above->tokens == below->tokens) return below->seconds;
  const double part = (wanted - below->tokens) / (above->tokens - below->tokens);
  return below->seconds + part * (above->seconds - below->seconds);
}

void GuessRecord::observe(size_t matched, int64_t checked, int64_t right) {
  double& chance = chances_[class_of(matched)];
  const int64_t trials = std::min(checked, right + 1);
  for (int64_t i = 0; i < trials; ++i) chance += kRecordShare * ((i < right ? 1.0 : 0.0) - chance);
}

int64_t best_draft_count(const PassTimes& times, double chance, int64_t tokens, int64_t most, double draft_seconds) {
  double best_rate = kGain * static_cast<double>(tokens) / times.estimate(tokens);
  int64_t best = 0;
  double expected = static_cast<double>(tokens), right = 1;
  for (int64_t count = 1; count <= most; ++count) {
    right *= chance;
    expected += right;
    const double seconds = times.estimate(tokens + count) + static_cast<double>(count) * draft_seconds;
    const double rate = expected / seconds;
    if (rate <= best_rate) continue;
    best_rate = rate;
    best = count;
  }
  return best;
}

}  // namespace kedge::engine
