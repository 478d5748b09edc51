#pragma once
// Which experts a token goes to, and how much each counts.

#include <cstdint>
#include <span>
#include <vector>

#include "models/spec.h"

namespace kedge::models {

struct Choice {
  int64_t expert = 0;
  float weight = 0;
};

/// Fills `choices` with experts_per_token distinct experts, best first. `scores`: the router's logits of one token.
void choose_experts(const MixtureSpec& spec, std::span<const float> scores, std::vector<Choice>& choices);

}  // namespace kedge::models
