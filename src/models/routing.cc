#include "models/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kedge::models {
namespace {

/// Mixtral (Jiang et al. 2024): softmax over all experts, keep the k largest, renormalise. Renormalising makes this the
/// softmax over the k chosen scores.
void softmax_top_k(int64_t count, std::span<const float> scores, std::vector<Choice>& choices) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(
      order, [&](int64_t a, int64_t b) { return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)]; });
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t expert = order[static_cast<size_t>(i)];
    const float weight = std::exp(scores[static_cast<size_t>(expert)] - scores[static_cast<size_t>(order[0])]);
    choices.push_back({expert, weight});
    sum += weight;
  }
  for (Choice& choice : choices) choice.weight /= sum;
}

/// One round of SparseMixer in evaluation: the best expert not `excluded`, weighed by a softmax over the experts whose
/// score lies within 2 * jitter of the best one, relative to the larger magnitude.
Choice sparse_mixer_round(float jitter, std::span<const float> scores, int64_t excluded) {
  int64_t best = -1;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (static_cast<int64_t>(i) != excluded && (best < 0 || scores[i] > scores[static_cast<size_t>(best)])) {
      best = static_cast<int64_t>(i);
    }
  }
  const float top = scores[static_cast<size_t>(best)];
  float sum = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (static_cast<int64_t>(i) == excluded) continue;
    const float scale = std::max(std::abs(scores[i]), top);
    if ((top - scores[i]) / scale <= 2 * jitter || static_cast<int64_t>(i) == best) sum += std::exp(scores[i] - top);
  }
  return {best, 1.0F / sum};
}

}  // namespace

void choose_experts(const MixtureSpec& spec, std::span<const float> scores, std::vector<Choice>& choices) {
  choices.clear();
  if (spec.routing == Routing::softmax_top_k) {
    softmax_top_k(spec.experts_per_token, scores, choices);
    return;
  }
  choices.push_back(sparse_mixer_round(spec.jitter, scores, -1));
  choices.push_back(sparse_mixer_round(spec.jitter, scores, choices[0].expert));
}

}  // namespace kedge::models
