#pragma once
// Choosing the next token from logits.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/largest.h"
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
/// top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024) and typicality (Meister et al. 2022), then drawn: where
/// nothing cuts, from all in their own order, else from what is left, most probable first.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, uint64_t seed, std::span<const TokenId> prompt);

  /// Picks from `logits`, which it changes. Greedy (temperature 0) takes the first largest.
  TokenId sample(std::span<float> logits);

 private:
  struct Candidate {
    TokenId token;
    float probability;
  };

  void penalize(std::span<float> logits) const;
  TokenId sample_at_temperature(std::span<float> logits);
  TokenId draw_from_all(std::span<float> logits);
  void collect(std::span<const float> logits);
  void keep(std::span<const float> logits, std::span<const TokenId> tokens, double total);
  void collect_top_p(std::span<const float> logits, double total);
  void normalize();
  bool cut_top_p();
  void cut_min_p();
  void cut_typical();
  TokenId draw();

  SamplingOptions options_;
  Random random_;
  std::unordered_map<TokenId, int32_t> answer_counts_;
  std::unordered_map<TokenId, bool> seen_;  // prompt and answer, for the repetition penalty
  std::vector<Candidate> candidates_;       // most probable first
  float largest_ = 0.0F;                    // of the logits at hand
  Largest order_;
  std::vector<float> block_sums_;
};

/// The natural-log probability of `token`, and of the `count` likeliest tokens (most likely first).
TokenLogprob logprob_of(std::span<const float> logits, TokenId token);
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, int32_t count);

}  // namespace kedge::engine
