#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "cpu/ops.h"

namespace kedge::engine {
namespace {

// Without top_k the whole vocabulary would have to be sorted for top-p; tokens past the first few thousand share a
// negligible mass unless the temperature is very high, so sorting goes in steps until the mass is reached.
constexpr size_t kSortStep = 1024;

Error out_of_range(std::string_view option, double found, std::string_view expected) {
  return {ErrorKind::invalid_input, fmt::format("{} is {}, expected {}", option, found, expected)};
}

bool within(double value, double low, double high) {
  return value >= low && value <= high;
}  // false for NaN

}  // namespace

double Random::uniform() {
  state_ += 0x9E3779B97F4A7C15ULL;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

Status check_sampling(const SamplingOptions& options, int64_t vocabulary_size) {
  if (!within(options.temperature, 0, 100)) return out_of_range("temperature", options.temperature, "0 to 100");
  if (options.top_k < 0) return out_of_range("top_k", options.top_k, "0 (all) or more");
  if (!within(options.top_p, 0, 1) || options.top_p == 0)
    return out_of_range("top_p", options.top_p, "above 0, at most 1");
  if (!within(options.min_p, 0, 1)) return out_of_range("min_p", options.min_p, "0 to 1");
  if (!within(options.typical_p, 0, 1) || options.typical_p == 0) {
    return out_of_range("typical_p", options.typical_p, "above 0, at most 1");
  }
  if (!within(options.repetition_penalty, 0.01, 100)) {
    return out_of_range("repetition_penalty", options.repetition_penalty, "0.01 to 100");
  }
  if (!within(options.presence_penalty, -2, 2))
    return out_of_range("presence_penalty", options.presence_penalty, "-2 to 2");
  if (!within(options.frequency_penalty, -2, 2)) {
    return out_of_range("frequency_penalty", options.frequency_penalty, "-2 to 2");
  }
  for (const auto& [token, bias] : options.logit_bias) {
    if (token < 0 || token >= vocabulary_size) {
      return out_of_range("logit_bias token", token, fmt::format("0 to {}", vocabulary_size - 1));
    }
    if (!within(bias, -100, 100)) return out_of_range("logit_bias", bias, "-100 to 100");
  }
  return Done{};
}

Sampler::Sampler(const SamplingOptions& options, uint64_t seed, std::span<const TokenId> prompt)
    : options_(options), random_(seed) {
  if (options_.repetition_penalty == 1.0F) return;
  for (const TokenId token : prompt) seen_[token] = true;
}

TokenId Sampler::sample(std::span<float> logits) {
  penalize(logits);
  TokenId token = 0;
  if (options_.temperature == 0.0F) {
    token = static_cast<TokenId>(cpu::argmax(logits.data(), static_cast<int64_t>(logits.size())));
  } else {
    collect(logits);
    if (options_.top_p < 1.0F) cut_top_p();
    if (options_.min_p > 0.0F) cut_min_p();
    if (options_.typical_p < 1.0F) cut_typical();
    token = draw();
  }
  ++answer_counts_[token];
  if (options_.repetition_penalty != 1.0F) seen_[token] = true;
  return token;
}

void Sampler::penalize(std::span<float> logits) const {
  for (const auto& [token, unused] : seen_) {
    if (static_cast<size_t>(token) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  if (options_.presence_penalty != 0.0F || options_.frequency_penalty != 0.0F) {
    for (const auto& [token, count] : answer_counts_) {
      logits[static_cast<size_t>(token)] -=
          options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
    }
  }
  for (const auto& [token, bias] : options_.logit_bias) logits[static_cast<size_t>(token)] += bias;
}

/// Fills candidates_ with the tokens that can matter, most probable first, with their probabilities.
void Sampler::collect(std::span<const float> logits) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[i] = {static_cast<TokenId>(i), logits[i] / options_.temperature, 0.0F};
  }
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates_.size()) {
    std::ranges::nth_element(candidates_, candidates_.begin() + options_.top_k, more_likely);
    candidates_.resize(static_cast<size_t>(options_.top_k));
  }
  const auto best = std::ranges::min_element(candidates_, more_likely);
  const float top = best->logit;
  double sum = 0;
  for (Candidate& candidate : candidates_) {
    candidate.probability = std::exp(candidate.logit - top);
    sum += candidate.probability;
  }
  for (Candidate& candidate : candidates_) candidate.probability = static_cast<float>(candidate.probability / sum);
  // Sorted only as far as the cuts below look.
  const double mass = options_.typical_p < 1.0F ? 2.0 : options_.top_p;
  size_t sorted = 0;
  double reached = 0;
  while (sorted < candidates_.size() && reached < mass) {
    const size_t next = std::min(candidates_.size(), sorted == 0 ? kSortStep : sorted * 4);
    std::partial_sort(candidates_.begin() + static_cast<std::ptrdiff_t>(sorted),
                      candidates_.begin() + static_cast<std::ptrdiff_t>(next), candidates_.end(), more_likely);
    for (; sorted < next; ++sorted) reached += candidates_[sorted].probability;
    if (options_.top_p >= 1.0F && options_.typical_p >= 1.0F) break;
  }
}

/// Keeps the smallest set of most probable tokens whose mass reaches top_p.
void Sampler::cut_top_p() {
  double mass = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    mass += candidates_[i].probability;
    if (mass >= options_.top_p) {
      candidates_.resize(i + 1);
      return;
    }
  }
}

void Sampler::cut_min_p() {
  const float least = options_.min_p * candidates_.front().probability;
  std::erase_if(candidates_, [least](const Candidate& candidate) { return candidate.probability < least; });
}

/// Keeps the tokens whose surprise lies nearest the entropy, until their mass reaches typical_p.
void Sampler::cut_typical() {
  normalize();
  double entropy = 0;
  for (const Candidate& candidate : candidates_) {
    if (candidate.probability > 0) entropy -= candidate.probability * std::log(candidate.probability);
  }
  const auto distance = [entropy](const Candidate& candidate) {
    return candidate.probability > 0 ? std::abs(-std::log(candidate.probability) - entropy)
                                     : std::numeric_limits<double>::infinity();
  };
  std::ranges::stable_sort(candidates_,
                           [&](const Candidate& a, const Candidate& b) { return distance(a) < distance(b); });
  double mass = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    mass += candidates_[i].probability;
    if (mass >= options_.typical_p) {
      candidates_.resize(i + 1);
      return;
    }
  }
}

void Sampler::normalize() {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.probability;
  for (Candidate& candidate : candidates_) candidate.probability = static_cast<float>(candidate.probability / sum);
}

TokenId Sampler::draw() {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.probability;
  double left = random_.uniform() * sum;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.probability;
    if (left < 0) return candidate.token;
  }
  return candidates_.front().token;  // rounding left a remainder
}

TokenLogprob logprob_of(std::span<const float> logits, TokenId token) {
  const float total = cpu::log_sum_exp(logits.data(), static_cast<int64_t>(logits.size()));
  return {token, logits[static_cast<size_t>(token)] - total};
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, int32_t count) {
  const float total = cpu::log_sum_exp(logits.data(), static_cast<int64_t>(logits.size()));
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = std::min(order.size(), static_cast<size_t>(std::max(count, 0)));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](TokenId a, TokenId b) {
                      const float la = logits[static_cast<size_t>(a)], lb = logits[static_cast<size_t>(b)];
                      return la != lb ? la > lb : a < b;
                    });
  std::vector<TokenLogprob> result;
  for (size_t i = 0; i < kept; ++i) result.push_back({order[i], logits[static_cast<size_t>(order[i])] - total});
  return result;
}

}  // namespace kedge::engine
