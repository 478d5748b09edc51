#pragma once
// The requests in work, step by step: what the scheduler decides is computed here, and every token goes out.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/draft_model.h"
#include "engine/page_restorer.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/sequence_runner.h"

namespace kedge::engine {

/// What has happened so far. Written on the engine thread, read anywhere.
struct BatchCounters {
  std::atomic<size_t> running = 0, waiting = 0;  // requests
  std::atomic<uint64_t> preemptions = 0;
  std::atomic<uint64_t> prefix_queries = 0, prefix_hits = 0;  // tokens of prompts that were looked up and found
  std::atomic<uint64_t> prefix_disk_hits = 0;                 // of these, tokens that came from the disk
  std::atomic<uint64_t> prefix_pinned = 0;                    // pages
  std::atomic<uint64_t> draft_tokens = 0, accepted_tokens = 0;
  std::atomic<double> pass_seconds = 0;  // within forward passes
  std::atomic<double> kv_usage = 0;      // of the group of pages that is used most
};

/// Where guesses come from.
struct Guessing {
  Speculation speculation = Speculation::off;
  DraftModel* model = nullptr;  // null: there is none
  int64_t model_tokens = 0;     // that it guesses at a time; 0: as many as pay
};

/// Lives on the engine thread.
class Batch final : private SchedulerHost {
 public:
  Batch(const Runtime& runtime, const GenerationContext& context, const SchedulerLimits& limits,
        const Guessing& guessing);

  void add(std::shared_ptr<Submission> submission);
  /// One forward pass of each phase at most. A sequence that finds no page, alone as it is, ends with an error, unless
  /// `others_hold_pages`: then it waits. REQUIRES: not empty().
  void step(bool others_hold_pages);
  [[nodiscard]] bool empty() const { return requests_.empty() && restorer_.empty(); }
  /// Ends the requests that were cancelled.
  void end_cancelled();
  /// Makes some sequence wait, so that its pages become free. False when none runs.
  bool make_room();
  /// Whether some sequence decodes, so that a step should be short.
  [[nodiscard]] bool decoding() const { return decoding_; }
  [[nodiscard]] const BatchCounters& counters() const { return counters_; }

 private:
  /// A sequence's part of a forward pass.
  struct Part {
    Sequence* sequence = nullptr;
    Chunk chunk;
    int64_t rows = 0;  // of logits
    std::vector<SampledToken> sampled;
  };

  Demand demand(SequenceKey key) override;
  bool admit(SequenceKey key, bool first) override;
  int64_t draft(SequenceKey key, int64_t pass_tokens, int64_t most) override;
  bool reserve(SequenceKey key, int64_t count) override;
  void preempt(SequenceKey key) override;
  bool reclaim() override;

  int64_t draft_by_model(Sequence& sequence, int64_t pass_tokens, int64_t most);
  [[nodiscard]] bool blocked(SequenceKey key) const;
  void block(SequenceKey key);
  [[nodiscard]] static bool begins_with_root(const Sequence& sequence);
  [[nodiscard]] static bool prefilling_for_logprobs(const Sequence& sequence);
  /// A part for each chunk, those of one adapter side by side.
  void take_parts(std::span<const Chunk> chunks);
  std::span<float> forward(models::Phase phase);
  void decode(std::span<const Chunk> chunks);
  void prefill(std::span<const Chunk> chunks);
  void keep_prompt(ActiveRequest& request);
  void add_forks(Sequence& first, std::span<const float> logits);
  void begin_forks(std::span<const SequenceKey> admitted);
  [[nodiscard]] models::TokenRun decode_run(Part& part);
  [[nodiscard]] models::TokenRun prefill_run(Part& part);
  void sample(std::span<float> logits);
  void take_tokens(Part& part);
  void after_prompt(Part& part, std::span<float> logits);
  /// Appends a token and tells it. False when the answer has ended; the sequence is gone then.
  bool take(Sequence& sequence, SampledToken sampled);
  void end(Sequence& sequence, FinishReason reason, const std::string& error = {});
  void drop(Sequence& sequence);
  void release_root(ActiveRequest& request);
  [[nodiscard]] bool room_for(Sequence& sequence) const;
  void count_prefix(Sequence& sequence, int64_t disk_tokens);
  void step_restores();
  void end_restore(SequenceKey key, int64_t memory_tokens);
  void count();
  [[nodiscard]] Sequence& sequence_of(SequenceKey key) const { return *sequences_.at(key); }
  [[nodiscard]] size_t vocabulary() const { return static_cast<size_t>(runtime_.decoder->spec().vocabulary_size); }

  Runtime runtime_;
  const GenerationContext& context_;
  Scheduler scheduler_;
  PageRestorer restorer_;
  const Guessing guessing_;
  const int64_t catch_up_tokens_;  // that a draft model reads in a step
  PassTimes decode_times_;
  std::map<RequestId, std::unique_ptr<ActiveRequest>> requests_;
  std::unordered_map<SequenceKey, Sequence*> sequences_;  // that the scheduler knows
  std::vector<Part> parts_;                               // of the pass at hand
  std::vector<models::TokenRun> runs_;
  std::vector<ChoiceScratch> scratch_;  // of each worker
  bool decoding_ = false;
  SequenceKey blocked_key_ = 0;  // of the last sequence that found no room, when so many pages were free
  std::vector<int64_t> blocked_pages_;
  BatchCounters counters_;
};

}  // namespace kedge::engine
