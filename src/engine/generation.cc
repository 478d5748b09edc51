#include "engine/generation.h"

#include <algorithm>
#include <utility>

namespace kedge::engine {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Generation::Generation(const GenerationContext& context, const GenerationTask& task, const OnToken& on_token,
                       const std::atomic<bool>& cancelled)
    : context_(context),
      request_(task.request),
      constraint_(task.constraint),
      seed_(task.seed),
      on_token_(on_token),
      cancelled_(cancelled) {}

RequestTimings Generation::run() {
  timings_.prompt_tokens = request_.prompt_tokens.size();
  SequenceKv root(*context_.runtime.kv_pool);
  const Clock::time_point start = Clock::now();
  const Status filled = prefill(root);
  timings_.prefill_ms = milliseconds_since(start);
  if (!filled.ok()) {
    const bool stopped = filled.error().kind == ErrorKind::cancelled;
    for (uint32_t i = 0; i < request_.sequence_count; ++i) {
      on_token_({.sequence_index = i,
                 .finish = stopped ? FinishReason::cancelled : FinishReason::error,
                 .error = stopped ? "" : filled.error().message});
    }
    return timings_;
  }
  const Clock::time_point decode_start = Clock::now();
  for (uint32_t index = 0; index < request_.sequence_count;) {
    const size_t count = wave_size(root, request_.sequence_count - index);
    run_wave(root, index, count);
    index += static_cast<uint32_t>(count);
  }
  timings_.decode_ms = milliseconds_since(decode_start);
  return timings_;
}

Status Generation::prefill(SequenceKv& root) {
  const bool all = request_.prompt_logprobs;
  if (all) {
    if (context_.tokenizer != nullptr) prompt_stream_ = context_.tokenizer->stream(false);
    emit_prompt_token(0, nullptr);
  }
  const auto vocabulary = static_cast<size_t>(context_.runtime.decoder->spec().vocabulary_size);
  const Feed prompt{.tokens = request_.prompt_tokens,
                    .length = static_cast<int64_t>(request_.prompt_tokens.size()),
                    .outputs = all ? Outputs::all : Outputs::last,
                    .cancelled = &cancelled_};
  return feed(context_.runtime, root, prompt, [&](int64_t first, std::span<const float> logits) {
    if (all) emit_prompt_logprobs(first, logits);
    const std::span<const float> last = logits.last(vocabulary);
    first_logits_.assign(last.begin(), last.end());
  });
}

void Generation::emit_prompt_logprobs(int64_t first, std::span<const float> logits) {
  const auto vocabulary = static_cast<size_t>(context_.runtime.decoder->spec().vocabulary_size);
  const auto rows = static_cast<int64_t>(logits.size() / vocabulary);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t position = first + row + 1;  // the token that this row predicts
    if (position >= static_cast<int64_t>(request_.prompt_tokens.size())) return;
    emit_prompt_token(position, logits.data() + static_cast<size_t>(row) * vocabulary);
  }
}

void Generation::emit_prompt_token(int64_t position, const float* logits) {
  const TokenId token = request_.prompt_tokens[static_cast<size_t>(position)];
  TokenEvent event{.is_prompt = true, .token = token};
  if (prompt_stream_) event.text = prompt_stream_->push(token);
  if (logits != nullptr) {
    const std::span<const float> row(logits, static_cast<size_t>(context_.runtime.decoder->spec().vocabulary_size));
    event.logprob = logprob_of(row, token);
    if (request_.top_logprobs > 0) event.top_logprobs = top_logprobs(row, request_.top_logprobs);
  }
  on_token_(event);
}

size_t Generation::wave_size(const SequenceKv& root, uint32_t left) const {
  auto count = std::min<int64_t>(left, kSequencesMax);
  const KvPool& pool = *context_.runtime.kv_pool;
  const int64_t longest = std::min<int64_t>(request_.new_tokens_max, context_.context_tokens - root.length());
  for (size_t group = 0; group < pool.layout().groups.size(); ++group) {
    const int64_t each = SequenceKv::pages_for(pool.layout(), group, root.length(), std::max<int64_t>(longest, 1));
    count = std::min(count, pool.free_pages(group) / std::max<int64_t>(each, 1));
  }
  return static_cast<size_t>(std::max<int64_t>(count, 1));
}

void Generation::run_wave(const SequenceKv& root, uint32_t first_index, size_t count) {
  std::vector<Answer> answers;
  answers.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const auto index = first_index + static_cast<uint32_t>(i);
    answers.push_back({.index = index,
                       .kv = std::make_unique<SequenceKv>(*context_.runtime.kv_pool),
                       .sampler = Sampler(request_.sampling, seed_ + index, request_.prompt_tokens),
                       .stream = context_.tokenizer ? context_.tokenizer->stream(request_.skip_special) : nullptr,
                       .matcher = StopMatcher(request_.stop_strings, request_.include_stop_string),
                       .constraint = constraint_ ? std::make_optional<grammar::Matcher>(constraint_) : std::nullopt});
    Answer& answer = answers.back();
    answer.kv->share_from(root);
    if (request_.new_tokens_max == 0) {
      finish(answer, FinishReason::length);
    } else {
      take_token(answer, first_logits_);
    }
  }
  while (std::ranges::any_of(answers, [](const Answer& answer) { return !answer.done; })) {
    if (cancelled_) {
      for (Answer& answer : answers) finish(answer, FinishReason::cancelled);
      return;
    }
    const Status stepped = step(answers);
    if (stepped.ok()) continue;
    for (Answer& answer : answers) finish(answer, FinishReason::error, stepped.error().message);
  }
}

Status Generation::step(std::vector<Answer>& answers) {
  std::vector<models::TokenRun> runs;
  std::vector<Answer*> stepping;
  for (Answer& answer : answers) {
    if (answer.done) continue;
    const int64_t length = answer.kv->length();
    if (context_.runtime.regime(length + 1) != context_.runtime.regime(length)) {
      KEDGE_TRY(refill(answer));
      continue;
    }
    if (!answer.kv->reserve(1)) return Error{ErrorKind::unavailable, "the KV cache is full"};
    runs.push_back({.tokens = {&answer.tokens.back(), 1},
                    .first = length,
                    .length = length + 1,
                    .cache = answer.kv.get(),
                    .output_from = 0});
    stepping.push_back(&answer);
  }
  if (runs.empty()) return Done{};
  const std::span<const float> logits =
      context_.runtime.decoder->forward(*context_.runtime.workers, models::Phase::decode, runs);
  const size_t vocabulary = logits.size() / runs.size();
  for (size_t i = 0; i < stepping.size(); ++i) {
    stepping[i]->kv->advance(1);
    take_token(*stepping[i], logits.subspan(i * vocabulary, vocabulary));
  }
  return Done{};
}

/// The rope factors change at this length (LongRoPE): every key is computed anew under the new ones.
Status Generation::refill(Answer& answer) {
  std::vector<TokenId> tokens = request_.prompt_tokens;
  tokens.insert(tokens.end(), answer.tokens.begin(), answer.tokens.end());
  answer.kv->clear();
  const Feed whole{.tokens = tokens, .length = static_cast<int64_t>(tokens.size()), .cancelled = &cancelled_};
  const Status fed = feed(context_.runtime, *answer.kv, whole,
                          [&](int64_t, std::span<const float> logits) { take_token(answer, logits); });
  if (!fed.ok() && fed.error().kind == ErrorKind::cancelled) return Done{};  // the loop above says so
  return fed;
}

/// Leaves the sampler the tokens that the answer's constraint allows; false when there are none.
bool Generation::constrain(const Answer& answer) {
  mask_.resize((std::max(sampled_.size(), constraint_->vocabulary().size()) + 63) / 64);
  answer.constraint->fill_mask(mask_);
  return grammar::keep_allowed(mask_, sampled_);
}

void Generation::take_token(Answer& answer, std::span<const float> logits) {
  sampled_.assign(logits.begin(), logits.end());
  if (answer.constraint && !constrain(answer)) {
    // Without a token that ends answers, a complete one may end all the same.
    const bool complete = answer.constraint->complete();
    finish(answer, complete ? FinishReason::stop : FinishReason::error,
           complete ? "" : "no token of the vocabulary continues the answer under its constraint");
    return;
  }
  const TokenId token = answer.sampler.sample(sampled_);
  if (ends(token)) {
    finish(answer, FinishReason::stop);
    return;
  }
  if (answer.constraint) answer.constraint->accept(token);
  answer.tokens.push_back(token);
  ++timings_.new_tokens;
  TokenEvent event{.sequence_index = answer.index, .token = token};
  if (answer.stream) event.text = answer.matcher.push(answer.stream->push(token));
  if (request_.top_logprobs >= 0) {
    event.logprob = logprob_of(logits, token);
    event.top_logprobs = top_logprobs(logits, request_.top_logprobs);
  }
  const bool full =
      static_cast<int64_t>(request_.prompt_tokens.size() + answer.tokens.size()) >= context_.context_tokens;
  const bool exhausted = answer.constraint && answer.constraint->exhausted();
  if (answer.matcher.stopped()) {
    event.finish = FinishReason::stop;
  } else if (exhausted || answer.tokens.size() >= request_.new_tokens_max || full) {
    event.finish = exhausted ? FinishReason::stop : FinishReason::length;
    if (answer.stream) event.text += answer.matcher.push(answer.stream->flush());
    event.text += answer.matcher.flush();
    if (answer.matcher.stopped()) event.finish = FinishReason::stop;
  }
  if (event.finish != FinishReason::none) {
    answer.done = true;
    answer.kv->clear();
  }
  on_token_(event);
}

void Generation::finish(Answer& answer, FinishReason reason, const std::string& error) {
  if (answer.done) return;
  answer.done = true;
  answer.kv->clear();
  TokenEvent event{.sequence_index = answer.index, .finish = reason, .error = error};
  if (answer.stream) event.text = answer.matcher.push(answer.stream->flush());
  event.text += answer.matcher.flush();
  on_token_(event);
}

bool Generation::ends(TokenId token) const {
  if (std::ranges::find(request_.stop_tokens, token) != request_.stop_tokens.end()) return true;
  return !request_.ignore_eos && std::ranges::find(context_.end_tokens, token) != context_.end_tokens.end();
}

}  // namespace kedge::engine
