#pragma once
// One request from prompt to last token: prefill once, then all its sequences step together.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/sequence_runner.h"
#include "engine/stop_matcher.h"
#include "grammar/matcher.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// Sequences of one request that step together; more of them run in waves.
inline constexpr int64_t kSequencesMax = 8;

struct GenerationContext {
  Runtime runtime;
  const Tokenizer* tokenizer = nullptr;  // may be null: events then have no text
  std::span<const TokenId> end_tokens;
  int64_t context_tokens = 0;
};

struct GenerationTask {
  const Request& request;
  const std::shared_ptr<const grammar::BoundGrammar>& constraint;  // the request's; null: none
  uint64_t seed = 0;
};

/// Runs on the engine thread, once.
class Generation {
 public:
  Generation(const GenerationContext& context, const GenerationTask& task, const OnToken& on_token,
             const std::atomic<bool>& cancelled);

  /// Every sequence gets its last event, whatever happens.
  RequestTimings run();

 private:
  struct Answer {
    uint32_t index = 0;
    std::unique_ptr<SequenceKv> kv;
    Sampler sampler;
    std::unique_ptr<StreamDecoder> stream;
    StopMatcher matcher;
    std::optional<grammar::Matcher> constraint;
    std::vector<TokenId> tokens;
    bool done = false;
  };

  Status prefill(SequenceKv& root);
  void emit_prompt_logprobs(int64_t first, std::span<const float> logits);
  void emit_prompt_token(int64_t position, const float* logits);
  [[nodiscard]] size_t wave_size(const SequenceKv& root, uint32_t left) const;
  void run_wave(const SequenceKv& root, uint32_t first_index, size_t count);
  Status step(std::vector<Answer>& answers);
  Status refill(Answer& answer);
  void take_token(Answer& answer, std::span<const float> logits);
  [[nodiscard]] bool constrain(const Answer& answer);
  void finish(Answer& answer, FinishReason reason, const std::string& error = {});
  [[nodiscard]] bool ends(TokenId token) const;

  const GenerationContext& context_;
  const Request& request_;
  const std::shared_ptr<const grammar::BoundGrammar>& constraint_;
  uint64_t seed_;
  const OnToken& on_token_;
  const std::atomic<bool>& cancelled_;
  std::vector<float> first_logits_;  // after the prompt
  std::vector<float> sampled_;       // the row that a sampler may change
  std::vector<uint64_t> mask_;       // of the tokens that a constraint allows
  std::unique_ptr<StreamDecoder> prompt_stream_;
  RequestTimings timings_;
};

}  // namespace kedge::engine
