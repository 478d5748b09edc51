#pragma once
// How many guesses a step should check: as many as make tokens come faster, by what was measured.

#include <array>
#include <cstddef>
#include <cstdint>

namespace kedge::engine {

inline constexpr int64_t kDraftsMax = 15;

/// The time of a decoding pass by its tokens, as it has been lately.
class PassTimes {
 public:
  void observe(int64_t tokens, double seconds);
  /// Seconds that a pass of so many tokens takes, or is thought to: half of a token's share for each further token,
  /// until one has been measured.
  [[nodiscard]] double estimate(int64_t tokens) const;

 private:
  static constexpr size_t kSizes = 12;  // by powers of two
  struct Size {
    double tokens = 0, seconds = 0;
    bool known = false;
  };
  std::array<Size, kSizes> sizes_{};
};

/// How well one sequence's guesses turn out: the chance of a guess whose predecessors were right.
class GuessRecord {
 public:
  /// `matched`: how many tokens before the guess were found. `checked` guesses, of which the first `right` were.
  void observe(size_t matched, int64_t checked, int64_t right);
  [[nodiscard]] double chance(size_t matched) const { return chances_[class_of(matched)]; }

 private:
  static size_t class_of(size_t matched) { return matched >= 8 ? 2 : matched >= 5 ? 1 : 0; }
  std::array<double, 3> chances_ = {0.4, 0.6, 0.8};
};

/// A guess that hardly ever fails: where it does not pay, none does.
inline constexpr double kSureChance = 0.98;

/// The number of drafts, up to `most`, with which a pass over `tokens` tokens of others and this sequence's next one
/// gives most tokens a second, where each draft takes `draft_seconds` to be made.
int64_t best_draft_count(const PassTimes& times, double chance, int64_t tokens, int64_t most, double draft_seconds = 0);

}  // namespace kedge::engine
