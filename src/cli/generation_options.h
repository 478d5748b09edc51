#pragma once
// The sampling and length options of `kedge run`, one-shot and in a chat.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "kedge/engine.h"

namespace kedge::cli {

struct GenerationOptions {
  uint32_t new_tokens_max = 0;  // 0: until the model ends or the context is full
  uint32_t sequence_count = 1;
  int32_t top_logprobs = -1;
  bool ignore_eos = false;
  bool include_stop = false;
  SamplingOptions sampling;
  std::vector<std::string> stop_strings;
  std::vector<std::string> logit_bias;  // "ID:BIAS"
  uint64_t seed = 0;
  AdapterPtr adapter;  // set by the command, where there is one

  void add_to(CLI::App& command);

  /// A request with these options. Fails with invalid_input for a logit bias that is no ID:BIAS.
  [[nodiscard]] Result<Request> request(std::vector<TokenId> prompt, const Engine& engine) const;

 private:
  CLI::Option* seed_option_ = nullptr;
};

}  // namespace kedge::cli
