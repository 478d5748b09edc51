#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace kedge::engine {

std::vector<const SampledToken*> Beam::tokens() const {
  std::vector<const SampledToken*> all(static_cast<size_t>(length));
  const BeamToken* token = last.get();
  for (size_t i = all.size(); i-- > 0; token = token->before.get()) all[i] = &token->sampled;
  return all;
}

std::vector<BeamChoice::Candidate> BeamChoice::ranked(std::span<const std::vector<TokenLogprob>> following) const {
  std::vector<Candidate> all;
  for (size_t beam = 0; beam < beams_.size(); ++beam) {
    for (size_t rank = 0; rank < following[beam].size(); ++rank) {
      all.push_back({beam, rank, beams_[beam].logprob + static_cast<double>(following[beam][rank].logprob)});
    }
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Candidate::logprob);  // ties: the better beam first
  if (all.size() > 2 * options_.width) all.resize(2 * options_.width);
  return all;
}

double BeamChoice::score_of(double logprob, int64_t length) const {
  return logprob / std::pow(static_cast<double>(std::max<int64_t>(length, 1)), options_.length_penalty);
}

void BeamChoice::end(Beam beam, FinishReason reason) {
  beam.finish = reason;
  // The token that ends an answer counts, but is not shown.
  beam.score = score_of(beam.logprob, beam.length + (reason == FinishReason::stop ? 1 : 0));
  const auto worse = std::ranges::find_if(ended_, [&](const Beam& other) { return other.score < beam.score; });
  ended_.insert(worse, std::move(beam));
  if (ended_.size() > options_.width) ended_.pop_back();
}

bool BeamChoice::advance(std::span<const std::vector<TokenLogprob>> following) {
  std::vector<Beam> next;
  const std::vector<Candidate> candidates = ranked(following);
  for (size_t place = 0; place < candidates.size() && next.size() < options_.width; ++place) {
    const Candidate& candidate = candidates[place];
    const Beam& from = beams_[candidate.beam];
    const std::vector<TokenLogprob>& row = following[candidate.beam];
    Beam beam = from;
    beam.logprob = candidate.logprob;
    if (std::ranges::find(end_tokens_, row[candidate.rank].token) != end_tokens_.end()) {
      if (place < options_.width) end(std::move(beam), FinishReason::stop);
      continue;
    }
    SampledToken sampled{.token = row[candidate.rank].token, .logprob = row[candidate.rank], .top_logprobs = row};
    beam.last = std::make_shared<const BeamToken>(BeamToken{from.last, std::move(sampled)});
    ++beam.length;
    next.push_back(std::move(beam));
  }
  beams_ = std::move(next);
  return !over();
}

bool BeamChoice::over() const {
  if (beams_.empty()) return true;
  if (ended_.size() < options_.width) return false;
  // No beam gets better by going on, if its score is taken at the length that it has.
  return options_.early_stopping || ended_.back().score >= score_of(beams_.front().logprob, beams_.front().length);
}

std::vector<Beam> BeamChoice::best(size_t count) {
  for (Beam& beam : beams_) end(std::move(beam), FinishReason::length);
  beams_.clear();
  if (ended_.size() > count) ended_.resize(count);
  return std::move(ended_);
}

namespace {

std::vector<TokenId> ends_of(const Request& request, const GenerationContext& context) {
  std::vector<TokenId> ends = request.stop_tokens;
  if (!request.ignore_eos) ends.insert(ends.end(), context.end_tokens.begin(), context.end_tokens.end());
  return ends;
}

}  // namespace

BeamSearch::BeamSearch(Host host, Request request, OnToken on_token, OnDone on_done)
    : host_(std::move(host)),
      request_(std::move(request)),
      on_token_(std::move(on_token)),
      on_done_(std::move(on_done)),
      choice_(*request_.beams, ends_of(request_, *host_.context)) {
  timings_.prompt_tokens = request_.prompt_tokens.size();
}

int64_t BeamSearch::length_max() const {
  const int64_t room = host_.context->context_tokens - static_cast<int64_t>(request_.prompt_tokens.size());
  return std::min<int64_t>(request_.new_tokens_max, room);
}

std::vector<TokenId> BeamSearch::tokens_of(const Beam& beam) const {
  std::vector<TokenId> tokens = request_.prompt_tokens;
  for (const SampledToken* const sampled : beam.tokens()) tokens.push_back(*sampled->token);
  return tokens;
}

Status BeamSearch::submit_step(size_t beam) {
  const bool is_prompt = choice_.beams()[beam].length == 0;
  Request step{.prompt_tokens = tokens_of(choice_.beams()[beam]),
               .new_tokens_max = 1,
               .ignore_eos = true,
               .top_logprobs = std::max(choice_.candidates(), request_.top_logprobs),
               .priority = request_.priority,
               .client = request_.client,
               .cache_salt = request_.cache_salt,
               .pin_seconds = is_prompt ? request_.pin_seconds : 0,
               .slot = request_.slot,
               .adapter = request_.adapter};
  step.sampling.temperature = 0;
  auto self = shared_from_this();
  KEDGE_ASSIGN(const RequestId id,
               host_.submit(
                   std::move(step), [self, beam](const TokenEvent& event) { self->take(beam, event); },
                   [self, beam](const RequestTimings& timings) { self->step_done(beam, timings); }));
  const std::lock_guard lock(mutex_);
  steps_[beam].id = id;
  if (cancelled_) host_.cancel(id);
  return Done{};
}

Status BeamSearch::start() {
  steps_.resize(1);
  open_steps_ = 1;
  return submit_step(0);
}

void BeamSearch::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (const Step& step : steps_) {
    if (step.id != 0) host_.cancel(step.id);
  }
}

void BeamSearch::take(size_t beam, const TokenEvent& event) {
  const std::lock_guard lock(mutex_);
  Step& step = steps_[beam];
  if (event.token) step.following = event.top_logprobs;
  if (event.finish == FinishReason::error) step.error = event.error;
  if (event.finish == FinishReason::cancelled) cancelled_ = true;
}

void BeamSearch::step_done(size_t beam, const RequestTimings& timings) {
  {
    const std::lock_guard lock(mutex_);
    if (choice_.beams().size() == 1 && choice_.beams().front().length == 0) {
      timings_.queue_ms = timings.queue_ms;
      timings_.prefill_ms = timings.prefill_ms;
      timings_.cached_tokens = timings.cached_tokens;
      timings_.pinned_tokens = timings.pinned_tokens;
    } else if (beam == 0) {
      timings_.decode_ms += timings.queue_ms + timings.prefill_ms;
    }
    if (--open_steps_ > 0) return;
  }
  advance();
}

/// What a round of steps found; null when the search ends here.
std::optional<std::vector<std::vector<TokenLogprob>>> BeamSearch::take_round(FinishReason& reason, std::string& error) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) reason = FinishReason::cancelled;
  std::vector<std::vector<TokenLogprob>> following;
  for (Step& step : steps_) {
    if (!step.error.empty() && reason == FinishReason::none) {
      reason = FinishReason::error;
      error = step.error;
    }
    following.push_back(std::move(step.following));
  }
  if (reason != FinishReason::none) return std::nullopt;
  return following;
}

void BeamSearch::advance() {
  FinishReason reason = FinishReason::none;
  std::string error;
  const auto following = take_round(reason, error);
  if (!following) return finish(reason, error);
  const bool goes_on = choice_.advance(*following);
  if (!goes_on || choice_.beams().front().length >= length_max()) return finish(FinishReason::none, {});
  const size_t count = choice_.beams().size();
  {
    const std::lock_guard lock(mutex_);
    steps_.assign(count, {});
    open_steps_ = count;
  }
  // This is the thread that steps end on: none does before this is over.
  size_t failed = 0;
  for (size_t beam = 0; beam < count; ++beam) {
    const Status submitted = submit_step(beam);
    if (submitted.ok()) continue;
    ++failed;
    const std::lock_guard lock(mutex_);
    steps_[beam].error = submitted.error().message;
    --open_steps_;
  }
  if (failed == count) advance();  // to the end, with the error
}

void BeamSearch::tell(const Beam& beam, uint32_t index) {
  const auto stream = host_.context->tokenizer != nullptr ? host_.context->tokenizer->stream(request_.skip_special)
                                                          : std::unique_ptr<StreamDecoder>();
  for (const SampledToken* const sampled : beam.tokens()) {
    TokenEvent event{.sequence_index = index, .token = sampled->token};
    if (request_.top_logprobs >= 0) {
      event.logprob = sampled->logprob;
      const auto count = std::min(static_cast<size_t>(request_.top_logprobs), sampled->top_logprobs.size());
      event.top_logprobs.assign(sampled->top_logprobs.begin(),
                                sampled->top_logprobs.begin() + static_cast<std::ptrdiff_t>(count));
    }
    if (stream != nullptr) event.text = stream->push(*sampled->token);
    on_token_(event);
  }
  on_token_({.sequence_index = index, .text = stream != nullptr ? stream->flush() : "", .finish = beam.finish});
}

void BeamSearch::finish(FinishReason reason, const std::string& error) {
  uint32_t told = 0;
  if (reason == FinishReason::none) {
    for (const Beam& beam : choice_.best(request_.sequence_count)) {
      timings_.new_tokens += static_cast<uint64_t>(beam.length);
      tell(beam, told++);
    }
    // Fewer tokens than beams can be all that a vocabulary has.
    reason = FinishReason::stop;
  }
  for (; told < request_.sequence_count; ++told) {
    on_token_({.sequence_index = told, .finish = reason, .error = error});
  }
  host_.over();
  if (on_done_) on_done_(timings_);
}

}  // namespace kedge::engine
