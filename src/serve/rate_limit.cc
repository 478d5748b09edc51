#include "serve/rate_limit.h"

#include <algorithm>

namespace kedge::serve {

namespace {

constexpr double kSecondsPerMinute = 60;

}  // namespace

double RateLimit::level(Clock::time_point now) const {
  const double minutes = Seconds(now - filled_).count() / kSecondsPerMinute;
  return std::min(per_minute_, level_ + minutes * per_minute_);
}

void RateLimit::fill(Clock::time_point now) {
  level_ = level(now);
  filled_ = now;
}

void RateLimit::set_per_minute(double per_minute, Clock::time_point now) {
  fill(now);
  per_minute_ = per_minute;
  level_ = std::min(level_, per_minute_);
}

std::optional<RateLimit::Seconds> RateLimit::take(double amount, Clock::time_point now) {
  fill(now);
  if (level_ < amount) return Seconds((amount - level_) / per_minute_ * kSecondsPerMinute);
  level_ -= amount;
  return std::nullopt;
}

void RateLimit::charge(double amount, Clock::time_point now) {
  fill(now);
  level_ -= amount;
}

double RateLimit::remaining(Clock::time_point now) const {
  return std::max(0.0, level(now));
}

RateLimit::Seconds RateLimit::reset(Clock::time_point now) const {
  return Seconds((per_minute_ - level(now)) / per_minute_ * kSecondsPerMinute);
}

}  // namespace kedge::serve
