#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "cpu/ops.h"

namespace kedge::engine {
namespace {

// Without top-k the whole vocabulary would have to be sorted for top-p; tokens past the first few hundred share a
// negligible mass unless the temperature is high, so they are looked at in steps until the mass is reached.
constexpr size_t kFirstStep = 256;
constexpr size_t kStepFactor = 8;
// A draw from all tokens adds up blocks of so many first.
constexpr size_t kBlock = 1024;

/// Sum of exp(logit - largest) over all.
double total_of(std::span<const float> logits, float largest) {
  double total = 0;
  for (size_t i = 0; i < logits.size(); i += kBlock) {
    const std::span<const float> block = logits.subspan(i, std::min(kBlock, logits.size() - i));
    total += cpu::exp_sum(block.data(), static_cast<int64_t>(block.size()), largest);
  }
  return total;
}

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
  const auto size = static_cast<int64_t>(logits.size());
  const TokenId token = options_.temperature == 0.0F ? static_cast<TokenId>(cpu::argmax(logits.data(), size))
                                                     : sample_at_temperature(logits);
  ++answer_counts_[token];
  if (options_.repetition_penalty != 1.0F) seen_[token] = true;
  return token;
}

TokenId Sampler::sample_at_temperature(std::span<float> logits) {
  const auto size = static_cast<int64_t>(logits.size());
  if (options_.temperature != 1.0F) cpu::scale(1.0F / options_.temperature, logits.data(), size);
  largest_ = cpu::maximum(logits.data(), size);
  const bool cut = options_.top_k > 0 || options_.top_p < 1.0F || options_.min_p > 0.0F || options_.typical_p < 1.0F;
  if (!cut) return draw_from_all(logits);
  collect(logits);
  if (options_.top_p < 1.0F) cut_top_p();
  if (options_.min_p > 0.0F) cut_min_p();
  if (options_.typical_p < 1.0F) cut_typical();
  return draw();
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

/// From the exponentials of all logits, block by block: nothing is ordered.
TokenId Sampler::draw_from_all(std::span<float> logits) {
  block_sums_.clear();
  double total = 0;
  for (size_t i = 0; i < logits.size(); i += kBlock) {
    const std::span<float> block = logits.subspan(i, std::min(kBlock, logits.size() - i));
    block_sums_.push_back(cpu::exp_in_place(block.data(), static_cast<int64_t>(block.size()), largest_));
    total += block_sums_.back();
  }
  double left = random_.uniform() * total;
  size_t block = 0;
  for (; block + 1 < block_sums_.size() && left >= block_sums_[block]; ++block) left -= block_sums_[block];
  size_t last = 0;  // with a probability: where rounding left a remainder
  for (size_t i = block * kBlock; i < std::min(logits.size(), (block + 1) * kBlock); ++i) {
    left -= logits[i];
    if (left < 0) return static_cast<TokenId>(i);
    if (logits[i] > 0) last = i;
  }
  return static_cast<TokenId>(last);
}

/// The tokens as candidates, with their probabilities where exponentials add up to `total`.
void Sampler::keep(std::span<const float> logits, std::span<const TokenId> tokens, double total) {
  candidates_.clear();
  for (const TokenId token : tokens) {
    const float exponential = std::exp(logits[static_cast<size_t>(token)] - largest_);
    candidates_.push_back({token, static_cast<float>(exponential / total)});
  }
}

/// Fills candidates_ with the tokens that can matter, most probable first, with their probabilities.
void Sampler::collect(std::span<const float> logits) {
  const size_t size = logits.size();
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < size) {
    keep(logits, order_.of(logits, static_cast<size_t>(options_.top_k)), 1.0);
    normalize();
  } else if (options_.top_p < 1.0F) {
    collect_top_p(logits, total_of(logits, largest_));
  } else if (options_.min_p > 0.0F) {
    // A hair more than min-p keeps: cut_min_p decides.
    keep(logits, order_.at_least(logits, largest_ + std::log(options_.min_p) - 1e-3F), 1.0);
  } else {
    keep(logits, order_.of(logits, size), total_of(logits, largest_));
  }
  if (candidates_.empty()) candidates_.push_back({0, 1.0F});  // no logit is a number
}

void Sampler::collect_top_p(std::span<const float> logits, double total) {
  for (size_t count = kFirstStep;; count *= kStepFactor) {
    keep(logits, order_.of(logits, count), total);
    if (cut_top_p() || count >= logits.size()) return;
  }
}

/// Keeps the smallest set of most probable tokens whose mass reaches top_p; whether it does.
bool Sampler::cut_top_p() {
  double mass = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    mass += candidates_[i].probability;
    if (mass >= options_.top_p) {
      candidates_.resize(i + 1);
      return true;
    }
  }
  return false;
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
  Largest largest;
  std::vector<TokenLogprob> result;
  for (const TokenId token : largest.of(logits, static_cast<size_t>(std::max(count, 0)))) {
    result.push_back({token, logits[static_cast<size_t>(token)] - total});
  }
  return result;
}

}  // namespace kedge::engine
