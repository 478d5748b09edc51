#pragma once
// One answer in the making, and the request that it belongs to.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/block_hash.h"
#include "engine/draft_length.h"
#include "engine/fair_queue.h"
#include "engine/kv_cache.h"
#include "engine/loaded_adapter.h"
#include "engine/ngram_guess.h"
#include "engine/reasoning_rule.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "grammar/matcher.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// A request as it was submitted.
struct Submission {
  RequestId id = 0;
  Request request;
  uint64_t seed = 0;
  OnToken on_token;
  OnDone on_done;
  std::shared_ptr<const grammar::BoundGrammar> constraint;  // the request's; null: none
  std::shared_ptr<const LoadedAdapter> adapter;             // likewise
  std::vector<BlockHash> hashes;                            // of the prompt's full blocks; empty: it shares nothing
  std::chrono::steady_clock::time_point queued;
  std::atomic<bool> cancelled = false;
};

/// What the choice of a token needs room for, of one worker.
struct ChoiceScratch {
  std::vector<float> logits;   // a row, where log-probabilities are wanted
  std::vector<uint64_t> mask;  // of the tokens that a constraint allows
};

/// A token that was sampled, with what was asked about it.
struct SampledToken {
  std::optional<TokenId> token;  // nothing: the constraint allows none
  bool exhausts = false;         // the constraint: nothing may follow
  std::optional<TokenLogprob> logprob;
  std::vector<TokenLogprob> top_logprobs;
};

class ActiveRequest;

/// One of a request's answers. Its tokens are computed in two phases: the first `prefill_tokens()` as a prompt, those
/// behind them as decoding computes them. Whatever was computed can be computed again in the same phases, to the bit.
class Sequence {
 public:
  Sequence(ActiveRequest& request, uint32_t index, KvPool& pool);

  [[nodiscard]] SequenceKey key() const { return key_; }
  [[nodiscard]] ActiveRequest& request() const { return request_; }
  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] SequenceKv& kv() { return kv_; }
  [[nodiscard]] std::span<const TokenId> tokens() const { return tokens_; }  // prompt and answer
  [[nodiscard]] int64_t token_count() const { return static_cast<int64_t>(tokens_.size()); }
  [[nodiscard]] int64_t new_token_count() const { return token_count() - prompt_count_; }
  [[nodiscard]] int64_t prefill_tokens() const { return prefill_tokens_; }
  /// Every token so far is a prompt's from now on: they are to be computed anew (LongRoPE's change of factors).
  void restart();

  /// Chooses the token that follows from `logits`, which are lost; a constraint takes it at once. May run beside other
  /// sequences' choices.
  SampledToken choose(std::span<float> logits, ChoiceScratch& scratch);
  /// Appends a token and says what it brings. True when the answer goes on.
  bool append(SampledToken sampled, TokenEvent& event);
  /// The event that ends the answer without a token of its own.
  TokenEvent end(FinishReason reason, const std::string& error);

  /// Guesses up to `most` tokens behind the last one, as many as are worth checking in a pass over `pass_tokens`
  /// tokens. The guess stands until the next token.
  int64_t guess(const PassTimes& times, int64_t pass_tokens, int64_t most);
  /// Whether what was guessed stood behind so long a run of tokens that a model would hardly guess better.
  [[nodiscard]] bool guess_is_quote() const { return matched_ >= kQuoteMatch; }
  /// Up to `most` guesses, as many as the answer and the context have room for.
  [[nodiscard]] int64_t drafts_max(int64_t most) const;
  /// How many guesses of a model are worth making, each of which takes `draft_seconds`.
  [[nodiscard]] int64_t guesses_worth(const PassTimes& times, double draft_seconds, int64_t pass_tokens,
                                      int64_t most) const;
  /// These stand until the next token instead of what was guessed before.
  void set_guess(std::span<const TokenId> guess);
  /// The last token and the first `count` guesses behind it.
  [[nodiscard]] std::span<const TokenId> drafted_run(int64_t count) const {
    return std::span(drafted_).first(static_cast<size_t>(count + 1));
  }
  /// Chooses the tokens that follow: from the row behind the last token, and from each next one while the token that
  /// was chosen is the one that was guessed. So they are those that would have been chosen one by one.
  void choose_drafted(std::span<float> rows, size_t vocabulary, ChoiceScratch& scratch,
                      std::vector<SampledToken>& chosen);

 private:
  [[nodiscard]] bool ends_answer(TokenId token) const;
  /// Leaves `choices` the tokens that the constraint allows; false when there are none.
  bool constrain(std::span<float> choices, ChoiceScratch& scratch) const;

  ActiveRequest& request_;
  const uint32_t index_;
  const SequenceKey key_;
  SequenceKv kv_;
  Sampler sampler_;
  std::unique_ptr<StreamDecoder> stream_;  // null: the model has no tokenizer
  StopMatcher matcher_;
  std::optional<ReasoningRule> reasoning_;
  std::optional<grammar::Matcher> constraint_;
  std::vector<TokenId> tokens_;
  int64_t prompt_count_;
  int64_t prefill_tokens_;
  NgramIndex ngrams_;
  static constexpr size_t kQuoteMatch = 5;
  GuessRecord record_, model_record_;
  std::vector<TokenId> drafted_;  // the last token and the guess
  size_t matched_ = 0;            // tokens before the guess that were found; 0: there is none
  bool by_model_ = false;         // the guess is a model's
};

/// What sequences need to know of their model.
struct GenerationContext {
  const Tokenizer* tokenizer = nullptr;  // may be null: events then have no text
  std::span<const TokenId> end_tokens;
  int64_t context_tokens = 0;  // of a prompt and its answer
};

/// A request with its answers. Those after the first one begin with the pages and the logits that the first one's
/// prompt left.
class ActiveRequest {
 public:
  ActiveRequest(std::shared_ptr<Submission> submission, const GenerationContext& context, KvPool& pool);

  [[nodiscard]] const Submission& submission() const { return *submission_; }
  [[nodiscard]] const Request& request() const { return submission_->request; }
  [[nodiscard]] const models::Adapter* adapter() const {
    return submission_->adapter != nullptr ? &submission_->adapter->weights() : nullptr;
  }
  [[nodiscard]] const GenerationContext& context() const { return context_; }
  [[nodiscard]] bool cancelled() const { return submission_->cancelled; }
  [[nodiscard]] int64_t prompt_count() const { return static_cast<int64_t>(request().prompt_tokens.size()); }

  /// Tells the prompt's log-probabilities, once each: `logits` are rows of `vocabulary`, of tokens from `first` on.
  void tell_prompt(int64_t first, std::span<const float> logits, size_t vocabulary);
  void tell(const TokenEvent& event) const { submission_->on_token(event); }

  void started();  // a sequence runs
  [[nodiscard]] bool running() const { return started_.has_value(); }
  void first_token();  // there is one
  void finish();       // every answer has ended

  std::vector<std::unique_ptr<Sequence>> sequences;  // null: not yet begun, or over
  uint32_t open_count;                               // answers that have not ended
  uint32_t begun_count = 1;                          // answers that the scheduler knows or knew
  uint32_t forks_left = 0;                           // answers that have yet to begin with `root`
  std::unique_ptr<SequenceKv> root;                  // the prompt's pages, for answers that have not begun
  std::optional<size_t> slot;                        // where it runs
  bool looked_up = false;                            // for a prompt's beginning, once
  std::vector<float> first_logits;                   // behind the prompt; empty: the prompt is not computed
  RequestTimings timings;

 private:
  using Time = std::chrono::steady_clock::time_point;

  void tell_prompt_token(int64_t position, std::span<const float> logits);

  std::shared_ptr<Submission> submission_;
  const GenerationContext& context_;
  std::unique_ptr<StreamDecoder> prompt_stream_;
  int64_t prompt_told_ = 0;
  std::optional<Time> started_, first_token_;
};

}  // namespace kedge::engine
