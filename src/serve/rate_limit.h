#pragma once
// A budget that fills evenly with time (a token bucket).

#include <chrono>
#include <optional>

namespace kedge::serve {

/// At most `per_minute` at once, and on average no more than that in a minute. One thread at a time. Times are given,
/// and must not go backwards.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  RateLimit(double per_minute, Clock::time_point now) : per_minute_(per_minute), level_(per_minute), filled_(now) {}

  [[nodiscard]] double per_minute() const { return per_minute_; }
  /// What is left of the old budget stays, as far as the new one has room for it.
  void set_per_minute(double per_minute, Clock::time_point now);

  /// Takes `amount`, or takes nothing and says how long it is until it would be there. REQUIRES: at most per_minute.
  std::optional<Seconds> take(double amount, Clock::time_point now);
  /// Takes what has been used already: the level may fall below zero, and later ones wait for it.
  void charge(double amount, Clock::time_point now);

  /// What could be taken at once; not below zero.
  [[nodiscard]] double remaining(Clock::time_point now) const;
  /// Until it is full.
  [[nodiscard]] Seconds reset(Clock::time_point now) const;

 private:
  [[nodiscard]] double level(Clock::time_point now) const;
  void fill(Clock::time_point now);

  double per_minute_;
  double level_;
  Clock::time_point filled_;
};

}  // namespace kedge::serve
