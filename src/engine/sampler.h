#pragma once
// Choosing the next token from logits.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "kedge/engine.h"

namespace kedge::engine {

/// A small generator with the same numbers on every machine (SplitMix64, Steele et al. 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// Uniform in [0, 1) with 53 bits.
  double uniform();

 private:
  uint64_t state_;
};

/// Checks every option's range. Fails with invalid_input naming the option.
Status check_sampling(const SamplingOptions& options, int64_t vocabulary_size);

/// The choices of one sequence. Order: penalties and bias on the logits, temperature, then the tokens are cut by top-k,
/// top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024) and typicality (Meister et al. 2022), then drawn.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, uint64_t seed, std::span<const TokenId> prompt);

  /// Picks from `logits`, which it changes. Greedy (temperature 0) takes the first largest.
  TokenId sample(std::span<float> logits);

 private:
  struct Candidate {
    TokenId token;
    float logit;
    float probability;
  };

  void penalize(std::span<float> logits) const;
  void collect(std::span<const float> logits);
  void normalize();
  void cut_top_p();
  void cut_min_p();
  void cut_typical();
  TokenId draw();

  SamplingOptions options_;
  Random random_;
  std::unordered_map<TokenId, int32_t> answer_counts_;
  std::unordered_map<TokenId, bool> seen_;  // prompt and answer, for the repetition penalty
  std::vector<Candidate> candidates_;       // most probable first
};

/// The natural-log probability of `token`, and of the `count` likeliest tokens (most likely first).
TokenLogprob logprob_of(std::span<const float> logits, TokenId token);
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, int32_t count);

}  // namespace kedge::engine
