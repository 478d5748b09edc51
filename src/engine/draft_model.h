#pragma once
// A smaller model that guesses what a larger one will say (Leviathan et al. 2023). It takes the likeliest token each
// time; the larger model checks, so that no token changes.

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/fair_queue.h"
#include "engine/sequence_runner.h"

namespace kedge::engine {

/// Keeps keys and values of its own for the sequences that it guesses for. Who finds no pages goes without guesses
/// until some sequence has ended: taking turns would mean reading prompts again and again. Lives on the engine thread.
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

  /// The sequence is over, or computes anew.
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
    explicit Reader(KvPool& pool) : kv(pool) {}
    SequenceKv kv;
    std::vector<TokenId> ahead;  // guesses that were read behind the tokens that kv counts
    int regime = 0;              // of ropes, under which all of it was read
  };

  Reader& reader_of(SequenceKey key);
  /// Runs tokens that stand at `first`, of a sequence of `length`; the likeliest token after them.
  TokenId run(SequenceKv& kv, std::span<const TokenId> tokens, int64_t first, int64_t length, models::Phase phase);

  const Runtime runtime_;
  const int64_t vocabulary_;
  const double time_share_;
  std::unordered_map<SequenceKey, std::unique_ptr<Reader>> readers_;
  std::unordered_set<SequenceKey> without_pages_;
  double token_seconds_ = 0;
};

}  // namespace kedge::engine
