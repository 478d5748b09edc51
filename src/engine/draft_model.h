#pragma once
// A smaller model that guesses what a larger one will say (Leviathan et al. 2023). It takes the likeliest token each
// time; the larger model checks, so that no token changes.

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/fair_queue.h"
#include "engine/sequence_runner.h"

namespace kedge::engine {

/// Keeps keys and values of its own for the sequences that it guesses for, those used last where pages are few. Lives
/// on the engine thread.
class DraftModel {
 public:
  /// `vocabulary`: tokens that the larger model knows; others are no guess. `time_share`: of the larger model's time,
  /// until it is measured.
  DraftModel(const Runtime& runtime, int64_t vocabulary, double time_share)
      : runtime_(runtime), vocabulary_(vocabulary), time_share_(time_share) {}

  /// Reads what it has not yet read of `tokens`, `tokens_max` of them at most. True when it has read so many that
  /// `guess` can begin. REQUIRES: `tokens` begin with those of the last call for this sequence.
  bool catch_up(SequenceKey key, std::span<const TokenId> tokens, int64_t tokens_max);

  /// Fills `guess` with up to `count` tokens that may follow `tokens`; fewer where pages run out. REQUIRES: caught up.
  void guess(SequenceKey key, std::span<const TokenId> tokens, int64_t count, std::vector<TokenId>& guess);

  void forget(SequenceKey key);

  /// What a guess of one token takes, where a token of the larger model takes so long.
  [[nodiscard]] double token_seconds(double larger_seconds) const {
    return token_seconds_ > 0 ? token_seconds_ : time_share_ * larger_seconds;
  }
  /// Guesses that seem too slow are tried again after a while.
  void doubt_times() { token_seconds_ *= kDoubt; }

 private:
  static constexpr double kDoubt = 0.998;
  struct Reader {
    std::unique_ptr<SequenceKv> kv;
    std::vector<TokenId> ahead;              // guesses that were read behind the tokens that kv counts
    std::list<SequenceKey>::iterator place;  // in used_
  };

  Reader& reader_of(SequenceKey key);
  /// Pages for `count` more tokens, if need be those of other sequences.
  bool reserve(SequenceKey key, Reader& reader, int64_t count);
  /// Runs tokens that stand at `first`; the likeliest token after them. `length`: of the sequence then.
  TokenId run(SequenceKv& kv, std::span<const TokenId> tokens, int64_t first, models::Phase phase);

  const Runtime runtime_;
  const int64_t vocabulary_;
  const double time_share_;
  std::unordered_map<SequenceKey, Reader> readers_;
  std::list<SequenceKey> used_;  // the last one at the end
  double token_seconds_ = 0;
};

}  // namespace kedge::engine
