#pragma once
// What the tests of this folder share: a request's answer, waited for.

#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "kedge/engine.h"

namespace kedge {

struct Answer {
  std::vector<TokenId> tokens;
  RequestTimings timings;
  FinishReason finish = FinishReason::none;
};

inline Answer answer(Engine& engine, const Request& request) {
  Answer answer;
  std::promise<void> done;
  const auto id = engine.submit(
      request,
      [&](const TokenEvent& event) {
        if (event.token) answer.tokens.push_back(*event.token);
        if (event.finish != FinishReason::none) answer.finish = event.finish;
      },
      [&](const RequestTimings& timings) {
        answer.timings = timings;
        done.set_value();
      });
  EXPECT_TRUE(id.ok());
  if (id.ok()) done.get_future().wait();
  return answer;
}

/// Tokens of a tiny model (tiny_model_test_support.h), the same for the same number.
inline std::vector<TokenId> prompt_of(TokenId number, size_t count) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>((number * 31 + static_cast<TokenId>(i * i) + 3) % 90));
  }
  return tokens;
}

}  // namespace kedge
