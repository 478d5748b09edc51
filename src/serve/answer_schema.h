#pragma once
// Small makers of JSON Schemas for answers.

#include <cmath>
#include <string_view>

#include "serve/answer.h"

namespace kedge::serve {

/// An object that always has all these properties.
Json object_schema(const Json& properties);
Json array_schema(const Json& items);
Json finish_reason_schema();
/// id, object, created, model, fingerprint, choices, usage, timings.
Json answer_schema(std::string_view object, const Json& choice);

/// JSON has no infinity; a token that can't come gets the value that OpenAI gives it.
inline float finite_logprob(float logprob) {
  return std::isfinite(logprob) ? logprob : -9999.0F;
}

}  // namespace kedge::serve
