#include "engine/batch.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kedge::engine {
namespace {

constexpr int64_t kLogitsForAWorker = 1 << 17;  // fewer are looked at before another worker has woken up

/// The blocks of a prompt that may be found. The last token is always computed: its logits are wanted.
std::span<const BlockHash> shareable_blocks(const ActiveRequest& request) {
  const std::vector<BlockHash>& hashes = request.submission().hashes;
  return {hashes.data(), std::min(hashes.size(), static_cast<size_t>((request.prompt_count() - 1) / kPageTokens))};
}

}  // namespace

Batch::Batch(const Runtime& runtime, const GenerationContext& context, const SchedulerLimits& limits,
             const Guessing& guessing)
    : runtime_(runtime),
      context_(context),
      scheduler_(limits, *this),
      restorer_(*runtime.kv_pool, runtime.prefix_store),
      guessing_(guessing),
      catch_up_tokens_(limits.mixed_prefill),
      scratch_(runtime.workers->size()) {}

void Batch::add(std::shared_ptr<Submission> submission) {
  auto request = std::make_unique<ActiveRequest>(std::move(submission), context_, *runtime_.kv_pool);
  Sequence& first = *request->sequences.front();
  sequences_[first.key()] = &first;
  scheduler_.add({first.key(), request->request().priority, request->request().client});
  requests_[request->submission().id] = std::move(request);
  count();
}

void Batch::step(bool others_hold_pages) {
  runtime_.kv_pool->set_time(std::chrono::steady_clock::now());
  step_restores();
  const StepPlan& plan = scheduler_.plan();
  for (const SequenceKey key : plan.starved) {
    if (!others_hold_pages && restorer_.empty()) end(sequence_of(key), FinishReason::error, "the KV cache is full");
  }
  decoding_ = !plan.decode.empty();
  const std::vector<SequenceKey> admitted = plan.admitted;
  if (plan.decode.empty() && plan.prefill.empty() && !restorer_.empty()) restorer_.wait();
  decode(plan.decode);
  prefill(plan.prefill);
  begin_forks(admitted);
  count();
}

bool Batch::make_room() {
  if (reclaim() || scheduler_.preempt_last()) return true;
  if (restorer_.empty()) return false;
  restorer_.wait();  // pages on their way are held until they are here
  step_restores();
  return true;
}

void Batch::step_restores() {
  restorer_.step([this](SequenceKey key, int64_t memory_tokens) { end_restore(key, memory_tokens); });
}

// What the scheduler asks.

Demand Batch::demand(SequenceKey key) {
  Sequence& sequence = sequence_of(key);
  if (begins_with_root(sequence) || restorer_.restoring(key)) return {};
  if (runtime_.regime(sequence.token_count()) != runtime_.regime(sequence.prefill_tokens())) {
    sequence.restart();  // the rope factors change at this length: every key is computed anew under the new ones
  }
  if (sequence.kv().length() < sequence.prefill_tokens()) {
    return {.prefill = sequence.prefill_tokens() - sequence.kv().length(),
            .every_output = prefilling_for_logprobs(sequence)};
  }
  const int64_t length = sequence.kv().length();
  int64_t decode = sequence.token_count() - length;
  // Positions that are rotated by the length of their own cannot share a run.
  if (decode > 1 && runtime_.rope_key(length + 1) != runtime_.rope_key(length + decode)) decode = 1;
  return {.decode = decode};
}

bool Batch::begins_with_root(const Sequence& sequence) {
  return sequence.index() > 0 && sequence.new_token_count() == 0 && !sequence.request().first_logits.empty();
}

bool Batch::prefilling_for_logprobs(const Sequence& sequence) {
  return sequence.request().request().prompt_logprobs && sequence.index() == 0 &&
         sequence.prefill_tokens() == sequence.request().prompt_count();
}

bool Batch::room_for(Sequence& sequence) const {
  const KvPool& pool = *runtime_.kv_pool;
  const auto running = static_cast<int64_t>(scheduler_.running_count());
  const int64_t count = sequence.token_count() - sequence.kv().length() + 1;
  for (size_t group = 0; group < pool.layout().groups.size(); ++group) {
    // Every running sequence may want a page soon.
    const int64_t pages = sequence.kv().pages_to_grow(group, count, runtime_.batch_tokens_max) + running;
    if (pages > pool.free_pages(group)) return false;
  }
  return true;
}

bool Batch::admit(SequenceKey key, bool first) {
  Sequence& sequence = sequence_of(key);
  ActiveRequest& request = sequence.request();
  if (!first && blocked(key)) return false;
  const bool forks = begins_with_root(sequence);
  const bool looks_up = !forks && !request.submission().hashes.empty() &&
                        sequence.prefill_tokens() == request.prompt_count() && !prefilling_for_logprobs(sequence);
  if (forks) sequence.kv().share_from(*request.root);
  if (looks_up) sequence.kv().share_from(runtime_.kv_pool->match(shareable_blocks(request)));
  if (!first && !room_for(sequence)) {
    sequence.kv().clear();
    block(key);
    return false;
  }
  if (looks_up && !restorer_.begin(key, shareable_blocks(request), sequence.kv())) count_prefix(sequence, 0);
  request.started();
  if (runtime_.slots != nullptr && !request.slot) request.slot = runtime_.slots->enter(request.request().slot);
  return true;
}

void Batch::count_prefix(Sequence& sequence, int64_t disk_tokens) {
  ActiveRequest& request = sequence.request();
  const auto found = static_cast<uint64_t>(sequence.kv().length());
  counters_.prefix_queries += static_cast<uint64_t>(request.prompt_count());
  counters_.prefix_hits += found;
  counters_.prefix_disk_hits += static_cast<uint64_t>(disk_tokens);
  KvPool& pool = *runtime_.kv_pool;
  if (pool.pinned_pages() > 0) pool.refresh(pool.match(shareable_blocks(request)));
  if (!std::exchange(request.looked_up, true)) request.timings.cached_tokens = found;
}

/// The sequence begins with what is in memory now.
void Batch::end_restore(SequenceKey key, int64_t memory_tokens) {
  Sequence& sequence = sequence_of(key);
  sequence.kv().clear();
  sequence.kv().share_from(runtime_.kv_pool->match(shareable_blocks(sequence.request())));
  count_prefix(sequence, std::max<int64_t>(0, sequence.kv().length() - memory_tokens));
}

/// A sequence that found no room looks again when there is more.
bool Batch::blocked(SequenceKey key) const {
  if (key != blocked_key_) return false;
  const KvPool& pool = *runtime_.kv_pool;
  for (size_t group = 0; group < blocked_pages_.size(); ++group) {
    if (pool.free_pages(group) > blocked_pages_[group]) return false;
  }
  return true;
}

void Batch::block(SequenceKey key) {
  blocked_key_ = key;
  blocked_pages_.clear();
  const KvPool& pool = *runtime_.kv_pool;
  for (size_t group = 0; group < pool.layout().groups.size(); ++group) blocked_pages_.push_back(pool.free_pages(group));
}

int64_t Batch::draft(SequenceKey key, int64_t pass_tokens, int64_t most) {
  if (guessing_.speculation == Speculation::off) return 0;
  const bool always = guessing_.model != nullptr && guessing_.model_tokens > 0;
  if (!always && best_draft_count(decode_times_, kSureChance, pass_tokens, most) == 0) return 0;
  Sequence& sequence = sequence_of(key);
  int64_t count = sequence.guess(decode_times_, pass_tokens, most);
  if (guessing_.model != nullptr && (count == 0 || !sequence.guess_is_quote())) {
    if (const int64_t by_model = draft_by_model(sequence, pass_tokens, most); by_model > 0) count = by_model;
  }
  // All tokens of a run are rotated alike.
  const int64_t length = sequence.token_count();
  while (count > 0 && runtime_.rope_key(length) != runtime_.rope_key(length + count)) --count;
  return count;
}

/// 0 where a model's guesses do not pay, or while it still reads the prompt.
int64_t Batch::draft_by_model(Sequence& sequence, int64_t pass_tokens, int64_t most) {
  DraftModel& model = *guessing_.model;
  const double seconds = model.token_seconds(decode_times_.estimate(1));
  const int64_t count = guessing_.model_tokens > 0 ? sequence.drafts_max(std::min(most, guessing_.model_tokens))
                                                   : sequence.guesses_worth(decode_times_, seconds, pass_tokens, most);
  if (count <= 0) {
    model.doubt_times();
    return 0;
  }
  if (!model.catch_up(sequence.key(), sequence.tokens(), catch_up_tokens_)) return 0;
  std::vector<TokenId> guess;
  model.guess(sequence.key(), sequence.tokens(), count, guess);
  if (guess.empty()) return 0;
  sequence.set_guess(guess);
  return static_cast<int64_t>(guess.size());
}

bool Batch::reserve(SequenceKey key, int64_t count) {
  return sequence_of(key).kv().reserve(count);
}

void Batch::preempt(SequenceKey key) {
  Sequence& sequence = sequence_of(key);
  restorer_.abandon(key);
  sequence.kv().clear();
  if (guessing_.model != nullptr) guessing_.model->forget(key);
  release_root(sequence.request());  // its pages are this sequence's
  ++counters_.preemptions;
}

bool Batch::reclaim() {
  bool any = false;
  for (const auto& [id, request] : requests_) {
    if (!request->root) continue;
    release_root(*request);
    any = true;
  }
  return any;
}

/// Answers that have not begun compute the prompt themselves.
void Batch::release_root(ActiveRequest& request) {
  request.root.reset();
  request.first_logits.clear();
}

// Tokens.

models::TokenRun Batch::decode_run(Part& part) {
  Sequence& sequence = *part.sequence;
  const int64_t first = sequence.kv().length();
  const int64_t count = part.chunk.count + part.chunk.drafts;
  const bool last = first + part.chunk.count == sequence.token_count();
  part.rows = last ? 1 + part.chunk.drafts : 0;
  return {.tokens = part.chunk.drafts > 0
                        ? sequence.drafted_run(part.chunk.drafts)
                        : sequence.tokens().subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
          .first = first,
          .length = first + count,
          .cache = &sequence.kv(),
          .output_from = count - part.rows,
          .adapter = sequence.request().adapter()};
}

models::TokenRun Batch::prefill_run(Part& part) {
  Sequence& sequence = *part.sequence;
  const int64_t first = sequence.kv().length();
  const bool last = first + part.chunk.count == sequence.prefill_tokens();
  part.rows = prefilling_for_logprobs(sequence)                             ? part.chunk.count
              : last && sequence.token_count() == sequence.prefill_tokens() ? 1
                                                                            : 0;
  return {.tokens = sequence.tokens().subspan(static_cast<size_t>(first), static_cast<size_t>(part.chunk.count)),
          .first = first,
          .length = sequence.prefill_tokens(),
          .cache = &sequence.kv(),
          .output_from = part.chunk.count - part.rows,
          .adapter = sequence.request().adapter()};
}

std::span<float> Batch::forward(models::Phase phase) {
  const auto start = std::chrono::steady_clock::now();
  const std::span<float> logits = runtime_.decoder->forward(*runtime_.workers, phase, runs_);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  counters_.pass_seconds += seconds;
  if (phase == models::Phase::decode) {
    int64_t tokens = 0;
    for (const Part& part : parts_) tokens += part.chunk.count + part.chunk.drafts;
    decode_times_.observe(tokens, seconds);
  }
  return logits;
}

void Batch::take_parts(std::span<const Chunk> chunks) {
  parts_.clear();
  runs_.clear();
  for (const Chunk& chunk : chunks) parts_.push_back({.sequence = &sequence_of(chunk.key), .chunk = chunk});
  std::ranges::stable_sort(parts_, {}, [](const Part& part) {
    const auto& adapter = part.sequence->request().submission().adapter;
    return adapter != nullptr ? adapter->number() : 0;
  });
}

void Batch::decode(std::span<const Chunk> chunks) {
  if (chunks.empty()) return;
  take_parts(chunks);
  for (Part& part : parts_) runs_.push_back(decode_run(part));
  sample(forward(models::Phase::decode));
  for (Part& part : parts_) take_tokens(part);
}

/// The rows of all parts at once: a choice from a large vocabulary takes a while.
void Batch::sample(std::span<float> logits) {
  std::vector<std::span<float>> rows;
  for (const Part& part : parts_) {
    rows.push_back(logits.first(static_cast<size_t>(part.rows) * vocabulary()));
    logits = logits.subspan(rows.back().size());
  }
  const int64_t grain = std::max<int64_t>(1, kLogitsForAWorker / static_cast<int64_t>(vocabulary()));
  runtime_.workers->parallel_for(
      static_cast<int64_t>(parts_.size()), grain, [&](int64_t begin, int64_t end, unsigned worker) {
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
          if (!rows[i].empty())
            parts_[i].sequence->choose_drafted(rows[i], vocabulary(), scratch_[worker], parts_[i].sampled);
        }
      });
}

/// The keys and values of guesses that were wrong are beyond the sequence's length: what comes writes over them.
void Batch::take_tokens(Part& part) {
  const int64_t accepted = part.sampled.empty() ? 0 : static_cast<int64_t>(part.sampled.size()) - 1;
  part.sequence->kv().advance(part.chunk.count + accepted);
  counters_.draft_tokens += static_cast<uint64_t>(part.chunk.drafts);
  counters_.accepted_tokens += static_cast<uint64_t>(accepted);
  for (SampledToken& sampled : part.sampled) {
    if (!take(*part.sequence, std::move(sampled))) return;
  }
}

void Batch::prefill(std::span<const Chunk> chunks) {
  if (chunks.empty()) return;
  take_parts(chunks);
  for (Part& part : parts_) runs_.push_back(prefill_run(part));
  std::span<float> logits = forward(models::Phase::prefill);
  for (Part& part : parts_) {
    Sequence& sequence = *part.sequence;
    const ActiveRequest& request = sequence.request();
    if (sequence.prefill_tokens() == request.prompt_count()) {
      sequence.kv().publish(request.submission().hashes, sequence.kv().length() + part.chunk.count);
    }
    sequence.kv().advance(part.chunk.count);
    const std::span<float> rows = logits.first(static_cast<size_t>(part.rows) * vocabulary());
    logits = logits.subspan(rows.size());
    if (!rows.empty()) after_prompt(part, rows);
  }
}

/// Some rows of a prompt, or the last one of all.
void Batch::after_prompt(Part& part, std::span<float> logits) {
  Sequence& sequence = *part.sequence;
  ActiveRequest& request = sequence.request();
  const int64_t length = sequence.kv().length();
  if (prefilling_for_logprobs(sequence)) request.tell_prompt(length - part.rows, logits, vocabulary());
  if (length < sequence.prefill_tokens() || sequence.token_count() > length) return;
  const std::span<float> last = logits.last(vocabulary());
  if (sequence.index() == 0) keep_prompt(request);
  if (request.begun_count < request.request().sequence_count) add_forks(sequence, last);
  if (request.request().new_tokens_max == 0) {
    end(sequence, FinishReason::length);
  } else {
    take(sequence, sequence.choose(last, scratch_.front()));
  }
}

/// A prompt that is computed stays as long as the request asks, and its slot remembers it.
void Batch::keep_prompt(ActiveRequest& request) {
  const Submission& submission = request.submission();
  const std::vector<BlockHash>& hashes = submission.hashes;
  if (hashes.empty()) return;
  if (request.request().pin_seconds > 0) {
    const int64_t blocks = runtime_.kv_pool->pin(hashes, request.request().pin_seconds);
    request.timings.pinned_tokens = static_cast<uint64_t>(blocks * kPageTokens);
  }
  if (!request.slot) return;
  const std::vector<TokenId>& tokens = request.request().prompt_tokens;
  const auto full = static_cast<std::ptrdiff_t>(hashes.size()) * kPageTokens;
  runtime_.slots->remember(*request.slot, {.tokens = {tokens.begin(), tokens.begin() + full},
                                           .hashes = hashes,
                                           .salt = request.request().cache_salt,
                                           .rope = runtime_.rope_key(request.prompt_count()),
                                           .has_adapter = submission.adapter != nullptr});
}

/// The request's other answers begin with the first one's pages and with these logits.
void Batch::add_forks(Sequence& first, std::span<const float> logits) {
  ActiveRequest& request = first.request();
  request.root = std::make_unique<SequenceKv>(*runtime_.kv_pool);
  request.root->share_from(first.kv());
  request.first_logits.assign(logits.begin(), logits.end());
  request.forks_left = request.request().sequence_count - request.begun_count;
  for (; request.begun_count < request.request().sequence_count; ++request.begun_count) {
    auto& next = request.sequences[request.begun_count];
    next = std::make_unique<Sequence>(request, request.begun_count, *runtime_.kv_pool);
    sequences_[next->key()] = next.get();
    scheduler_.add({next->key(), request.request().priority, request.request().client});
  }
}

void Batch::begin_forks(std::span<const SequenceKey> admitted) {
  for (const SequenceKey key : admitted) {
    const auto found = sequences_.find(key);
    if (found == sequences_.end()) continue;
    Sequence& sequence = *found->second;
    ActiveRequest& request = sequence.request();
    const bool whole = sequence.kv().length() == request.prompt_count();
    if (sequence.index() == 0 || sequence.new_token_count() > 0 || !whole) continue;
    if (request.first_logits.empty()) {
      sequence.kv().clear();  // they were given up in this very step
      continue;
    }
    std::vector<float> logits = request.first_logits;
    if (--request.forks_left == 0) release_root(request);
    if (request.request().new_tokens_max == 0) {
      end(sequence, FinishReason::length);
    } else {
      take(sequence, sequence.choose(logits, scratch_.front()));
    }
  }
}

bool Batch::take(Sequence& sequence, SampledToken sampled) {
  TokenEvent event;
  sequence.request().first_token();
  const bool goes_on = sequence.append(std::move(sampled), event);
  sequence.request().tell(event);
  if (!goes_on) drop(sequence);
  return goes_on;
}

void Batch::end(Sequence& sequence, FinishReason reason, const std::string& error) {
  sequence.request().tell(sequence.end(reason, error));
  drop(sequence);
}

/// The answer has ended. With the last one the request goes.
void Batch::drop(Sequence& sequence) {
  ActiveRequest& request = sequence.request();
  scheduler_.remove(sequence.key());
  restorer_.abandon(sequence.key());
  if (guessing_.model != nullptr) guessing_.model->forget(sequence.key());
  sequences_.erase(sequence.key());
  request.sequences[sequence.index()].reset();
  if (--request.open_count > 0) return;
  release_root(request);  // answers that never began leave it
  if (request.slot) runtime_.slots->leave(*request.slot);
  const auto self = requests_.extract(request.submission().id);
  count();  // who learns of the end finds it counted
  self.mapped()->finish();
}

void Batch::end_cancelled() {
  std::vector<ActiveRequest*> cancelled;
  for (const auto& [id, request] : requests_) {
    if (request->cancelled()) cancelled.push_back(request.get());
  }
  for (ActiveRequest* request : cancelled) {
    const uint32_t begun = request->begun_count;
    for (uint32_t index = begun; index < request->request().sequence_count; ++index) {
      request->tell({.sequence_index = index, .finish = FinishReason::cancelled});
      --request->open_count;
    }
    for (uint32_t index = 0; index < begun; ++index) {
      Sequence* const sequence = request->sequences[index].get();
      if (sequence == nullptr) continue;
      const bool last = request->open_count == 1;
      end(*sequence, FinishReason::cancelled);
      if (last) break;
    }
  }
}

void Batch::count() {
  size_t running = 0;
  for (const auto& [id, request] : requests_) running += request->running() ? 1 : 0;
  counters_.running = running;
  counters_.waiting = requests_.size() - running;
  const KvPool& pool = *runtime_.kv_pool;
  double usage = 0;
  for (size_t group = 0; group < pool.layout().groups.size(); ++group) {
    const auto pages = static_cast<double>(pool.layout().pages[group]);
    usage = std::max(usage, 1 - static_cast<double>(pool.free_pages(group)) / pages);
  }
  counters_.kv_usage = usage;
  counters_.prefix_pinned = static_cast<uint64_t>(pool.pinned_pages());
}

}  // namespace kedge::engine
