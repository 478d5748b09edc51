#include "engine/sequence.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace kedge::engine {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - start).count();
}

constexpr uint64_t kSequencesOfARequest = 1 << 8;
/// Unless the constraint forbids the token.
void leave_only(TokenId token, std::span<float> choices) {
  const float own = choices[static_cast<size_t>(token)];
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  if (own == kNever) return;
  std::ranges::fill(choices, kNever);
  choices[static_cast<size_t>(token)] = own;
}

constexpr size_t kModelMatch = 8;  // a model's guess is thought as sure as a long match's, until it is known better

}  // namespace

Sequence::Sequence(ActiveRequest& request, uint32_t index, KvPool& pool)
    : request_(request),
      index_(index),
      key_(request.submission().id * kSequencesOfARequest + index),
      kv_(pool),
      sampler_(request.request().sampling, request.submission().seed + index, request.request().prompt_tokens),
      matcher_(request.request().stop_strings, request.request().include_stop_string),
      tokens_(request.request().prompt_tokens),
      prompt_count_(request.prompt_count()),
      prefill_tokens_(prompt_count_) {
  if (const Tokenizer* const tokenizer = request.context().tokenizer) {
    stream_ = tokenizer->stream(request.request().skip_special);
    if (request.request().reasoning) reasoning_.emplace(*request.request().reasoning, *tokenizer);
  }
  if (request.submission().constraint) constraint_.emplace(request.submission().constraint);
}

void Sequence::restart() {
  kv_.clear();
  prefill_tokens_ = token_count();
}

bool Sequence::constrain(std::span<float> choices, ChoiceScratch& scratch) const {
  const size_t known = request_.submission().constraint->vocabulary().size();
  scratch.mask.resize((std::max(choices.size(), known) + 63) / 64);
  constraint_->fill_mask(scratch.mask);
  return grammar::keep_allowed(scratch.mask, choices);
}

SampledToken Sequence::choose(std::span<float> logits, ChoiceScratch& scratch) {
  const int32_t top = request_.request().top_logprobs;
  std::span<float> choices = logits;
  if (top >= 0) {
    scratch.logits.assign(logits.begin(), logits.end());
    choices = scratch.logits;
  }
  SampledToken sampled;
  if (constraint_ && !constrain(choices, scratch)) return sampled;
  if (const auto forced = reasoning_ ? reasoning_->forced() : std::nullopt) leave_only(*forced, choices);
  const TokenId token = sampler_.sample(choices);
  if (reasoning_ && !ends_answer(token)) reasoning_->accept(token);
  if (constraint_ && !ends_answer(token)) constraint_->accept(token);
  sampled.token = token;
  sampled.exhausts = constraint_ && constraint_->exhausted();
  if (top >= 0) {
    sampled.logprob = logprob_of(logits, token);
    sampled.top_logprobs = top_logprobs(logits, top);
  }
  return sampled;
}

int64_t Sequence::drafts_max(int64_t most) const {
  const int64_t useful = request_.request().new_tokens_max - new_token_count() - 1;
  const int64_t room = request_.context().context_tokens - token_count() - 1;
  return std::min({most, useful, room});
}

int64_t Sequence::guess(const PassTimes& times, int64_t pass_tokens, int64_t most) {
  std::vector<TokenId> guess;
  by_model_ = false;
  matched_ = ngrams_.guess(tokens_, static_cast<size_t>(kDraftsMax), guess);
  drafted_.assign(1, tokens_.back());
  drafted_.insert(drafted_.end(), guess.begin(), guess.end());
  most = std::min(drafts_max(most), static_cast<int64_t>(guess.size()));
  return matched_ == 0 ? 0 : best_draft_count(times, record_.chance(matched_), pass_tokens, most);
}

int64_t Sequence::guesses_worth(const PassTimes& times, double draft_seconds, int64_t pass_tokens, int64_t most) const {
  most = std::min(drafts_max(most), kDraftsMax);
  return best_draft_count(times, model_record_.chance(kModelMatch), pass_tokens, most, draft_seconds);
}

void Sequence::set_guess(std::span<const TokenId> guess) {
  drafted_.assign(1, tokens_.back());
  drafted_.insert(drafted_.end(), guess.begin(), guess.end());
  matched_ = kModelMatch;
  by_model_ = true;
}

void Sequence::choose_drafted(std::span<float> rows, size_t vocabulary, ChoiceScratch& scratch,
                              std::vector<SampledToken>& chosen) {
  const size_t count = rows.size() / vocabulary;
  for (size_t row = 0; row < count; ++row) {
    chosen.push_back(choose(rows.subspan(row * vocabulary, vocabulary), scratch));
    const bool guessed = row + 1 < drafted_.size() && chosen.back().token == drafted_[row + 1];
    if (row + 1 == count || !guessed || ends_answer(*chosen.back().token) || chosen.back().exhausts) break;
  }
  if (matched_ == 0) return;
  // Without a draft the first guess is still compared: so a sequence learns when guessing begins to pay.
  const auto checked = static_cast<int64_t>(std::max<size_t>(count - 1, 1));
  int64_t right = static_cast<int64_t>(chosen.size()) - 1;
  const size_t last = chosen.size();
  if (right < checked && last < drafted_.size() && chosen.back().token == drafted_[last]) ++right;
  (by_model_ ? model_record_ : record_).observe(matched_, checked, right);
  matched_ = 0;
}

bool Sequence::append(SampledToken sampled, TokenEvent& event) {
  if (!sampled.token) {
    // Without a token that ends answers, a complete one may end all the same.
    event = constraint_->complete()
                ? end(FinishReason::stop, {})
                : end(FinishReason::error, "no token of the vocabulary continues the answer under its constraint");
    return false;
  }
  const TokenId token = *sampled.token;
  if (ends_answer(token)) {
    event = end(FinishReason::stop, {});
    return false;
  }
  const Request& request = request_.request();
  tokens_.push_back(token);
  ++request_.timings.new_tokens;
  event = {.sequence_index = index_,
           .token = token,
           .logprob = sampled.logprob,
           .top_logprobs = std::move(sampled.top_logprobs)};
  if (stream_) event.text = matcher_.push(stream_->push(token));
  if (matcher_.stopped()) {
    event.finish = FinishReason::stop;
  } else if (sampled.exhausts || new_token_count() >= request.new_tokens_max ||
             token_count() >= request_.context().context_tokens) {
    event.finish = sampled.exhausts ? FinishReason::stop : FinishReason::length;
    if (stream_) event.text += matcher_.push(stream_->flush());
    event.text += matcher_.flush();
    if (matcher_.stopped()) event.finish = FinishReason::stop;
  }
  return event.finish == FinishReason::none;
}

TokenEvent Sequence::end(FinishReason reason, const std::string& error) {
  TokenEvent event{.sequence_index = index_, .finish = reason, .error = error};
  if (stream_) event.text = matcher_.push(stream_->flush());
  event.text += matcher_.flush();
  return event;
}

bool Sequence::ends_answer(TokenId token) const {
  const Request& request = request_.request();
  if (std::ranges::find(request.stop_tokens, token) != request.stop_tokens.end()) return true;
  const std::span<const TokenId> ends = request_.context().end_tokens;
  return !request.ignore_eos && std::ranges::find(ends, token) != ends.end();
}

ActiveRequest::ActiveRequest(std::shared_ptr<Submission> submission, const GenerationContext& context, KvPool& pool)
    : sequences(submission->request.sequence_count),
      open_count(submission->request.sequence_count),
      submission_(std::move(submission)),
      context_(context) {
  timings.prompt_tokens = request().prompt_tokens.size();
  sequences.front() = std::make_unique<Sequence>(*this, 0, pool);
}

void ActiveRequest::tell_prompt(int64_t first, std::span<const float> logits, size_t vocabulary) {
  if (prompt_told_ == 0) {
    if (context_.tokenizer != nullptr) prompt_stream_ = context_.tokenizer->stream(false);
    tell_prompt_token(0, {});
  }
  // A row predicts the token behind its own.
  for (int64_t position = first + 1; !logits.empty(); ++position, logits = logits.subspan(vocabulary)) {
    if (position >= prompt_told_ && position < prompt_count()) tell_prompt_token(position, logits.first(vocabulary));
  }
}

void ActiveRequest::tell_prompt_token(int64_t position, std::span<const float> logits) {
  const TokenId token = request().prompt_tokens[static_cast<size_t>(position)];
  TokenEvent event{.is_prompt = true, .token = token};
  if (prompt_stream_) event.text = prompt_stream_->push(token);
  if (!logits.empty()) {
    event.logprob = logprob_of(logits, token);
    if (request().top_logprobs > 0) event.top_logprobs = top_logprobs(logits, request().top_logprobs);
  }
  prompt_told_ = position + 1;
  tell(event);
}

void ActiveRequest::started() {
  if (started_) return;
  started_ = Clock::now();
  timings.queue_ms = milliseconds_between(submission_->queued, *started_);
}

void ActiveRequest::first_token() {
  if (first_token_ || !started_) return;
  first_token_ = Clock::now();
  timings.prefill_ms = milliseconds_between(*started_, *first_token_);
}

void ActiveRequest::finish() {
  const Clock::time_point now = Clock::now();
  if (!started_) timings.queue_ms = milliseconds_between(submission_->queued, now);
  if (first_token_) timings.decode_ms = milliseconds_between(*first_token_, now);
  if (submission_->on_done) submission_->on_done(timings);
}

}  // namespace kedge::engine
