#pragma once
// Beam search over an engine's requests: each step of each beam is a request for one token, whose prompt is the beam so
// far (docs/decisions/0060-beams-are-requests.md).

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/sequence.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// An answer so far: its last token, and what came before it. Beams share their beginnings.
struct BeamToken {
  std::shared_ptr<const BeamToken> before;  // null: the prompt
  SampledToken sampled;
};

struct Beam {
  std::shared_ptr<const BeamToken> last;  // null: nothing but the prompt
  int64_t length = 0;                     // new tokens
  double logprob = 0;                     // of all of them, natural log
  double score = 0;                       // of an ended one
  FinishReason finish = FinishReason::none;

  [[nodiscard]] std::vector<const SampledToken*> tokens() const;
};

/// Which beams go on, as Hugging Face's generation does it (Wu et al. 2016 for the length penalty). Knows no engine.
class BeamChoice {
 public:
  BeamChoice(const BeamOptions& options, std::vector<TokenId> end_tokens)
      : options_(options), end_tokens_(std::move(end_tokens)), beams_(1) {}

  /// Tokens that may follow a beam, which a step has to know.
  [[nodiscard]] int32_t candidates() const { return static_cast<int32_t>(2 * options_.width); }
  [[nodiscard]] const std::vector<Beam>& beams() const { return beams_; }
  /// `following`: the likeliest tokens behind each beam, best first. False when the search is over.
  bool advance(std::span<const std::vector<TokenLogprob>> following);
  /// The `count` best answers; beams that have not ended are cut here.
  std::vector<Beam> best(size_t count);

 private:
  struct Candidate {
    size_t beam;
    size_t rank;  // among the beam's own
    double logprob;
  };
  [[nodiscard]] std::vector<Candidate> ranked(std::span<const std::vector<TokenLogprob>> following) const;
  [[nodiscard]] double score_of(double logprob, int64_t length) const;
  void end(Beam beam, FinishReason reason);
  [[nodiscard]] bool over() const;

  BeamOptions options_;
  std::vector<TokenId> end_tokens_;
  std::vector<Beam> beams_;
  std::vector<Beam> ended_;  // at most `width`, best first
};

/// One request's search. Runs in the callbacks of its steps, on the engine thread.
class BeamSearch : public std::enable_shared_from_this<BeamSearch> {
 public:
  /// What it needs of its engine.
  struct Host {
    std::function<Result<RequestId>(Request, OnToken, OnDone)> submit;
    std::function<void(RequestId)> cancel;
    std::function<void()> over;  // no step will follow
    const GenerationContext* context = nullptr;
  };

  BeamSearch(Host host, Request request, OnToken on_token, OnDone on_done);

  /// Submits the first step. Fails as Engine::submit does; nothing is called then.
  Status start();
  void cancel();

 private:
  struct Step {
    RequestId id = 0;
    std::vector<TokenLogprob> following;
    std::string error;
  };

  Status submit_step(size_t beam);
  void take(size_t beam, const TokenEvent& event);
  void step_done(size_t beam, const RequestTimings& timings);
  std::optional<std::vector<std::vector<TokenLogprob>>> take_round(FinishReason& reason, std::string& error);
  void advance();
  void finish(FinishReason reason, const std::string& error);
  void tell(const Beam& beam, uint32_t index);
  [[nodiscard]] std::vector<TokenId> tokens_of(const Beam& beam) const;
  [[nodiscard]] int64_t length_max() const;

  Host host_;
  Request request_;
  OnToken on_token_;
  OnDone on_done_;
  BeamChoice choice_;
  RequestTimings timings_;
  std::mutex mutex_;  // over what cancel, which any thread may call, shares with the steps
  std::vector<Step> steps_;
  size_t open_steps_ = 0;
  bool cancelled_ = false;
};

}  // namespace kedge::engine
