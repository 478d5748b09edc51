#pragma once
// Who computes in the next step: pure policy over sequences that it knows by key. What they need and the pages that
// they get it asks of a SchedulerHost; docs/decisions/0020-continuous-batching.md says why it decides as it does.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/fair_queue.h"

namespace kedge::engine {

/// What a sequence has to compute before its next token.
struct Demand {
  int64_t prefill = 0;        // tokens of Phase::prefill; while there are any, none of `decode`
  int64_t decode = 0;         // tokens of Phase::decode: one, or more to compute again
  bool every_output = false;  // each prefilled token takes a row of logits, not only the last one of all
};

/// The sequences and their pages.
class SchedulerHost {
 public:
  virtual ~SchedulerHost() = default;
  [[nodiscard]] virtual Demand demand(SequenceKey key) = 0;
  /// A waiting sequence is to run: finds what is computed already. False when the pages for the rest are not free.
  /// `first`: nothing runs, so that whatever is free must do.
  virtual bool admit(SequenceKey key, bool first) = 0;
  /// Guesses behind the next token that the sequence would like to have checked in a pass over `pass_tokens` tokens; no
  /// more than `most`.
  virtual int64_t draft(SequenceKey key, int64_t pass_tokens, int64_t most) = 0;
  /// Pages for `count` more tokens; false when they ran out.
  virtual bool reserve(SequenceKey key, int64_t count) = 0;
  /// Gives back all pages of a sequence, which will wait.
  virtual void preempt(SequenceKey key) = 0;
  /// Gives back pages that are only kept to save time; false when there were none.
  virtual bool reclaim() = 0;
};

struct SchedulerLimits {
  int64_t sequences = 64;       // that run
  int64_t step_tokens = 512;    // of a forward pass
  int64_t mixed_prefill = 256;  // prefilled tokens of a step in which others decode
  int64_t outputs = 64;         // rows of logits of a forward pass
};

struct Chunk {
  SequenceKey key = 0;
  int64_t count = 0;   // tokens
  int64_t drafts = 0;  // of decode: guesses behind them
};

/// One step: at most one forward pass of each phase.
struct StepPlan {
  std::vector<Chunk> decode, prefill;
  std::vector<SequenceKey> admitted;  // in this step; those without a chunk have nothing left to prefill
  std::vector<SequenceKey> starved;   // alone, and yet the pages ran out
};

/// Not thread-safe.
class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, SchedulerHost& host) : limits_(limits), host_(host) {}

  void add(const QueueItem& item);
  /// The sequence is over, waiting or running.
  void remove(SequenceKey key);
  [[nodiscard]] const StepPlan& plan();
  /// Makes the running sequence that comes last wait. False when none runs.
  bool preempt_last();

  [[nodiscard]] size_t running_count() const { return running_.size(); }
  [[nodiscard]] size_t waiting_count() const { return waiting_.size(); }
  [[nodiscard]] uint64_t preemption_count() const { return preemption_count_; }

 private:
  void plan_decode();
  void plan_drafts();
  void plan_prefill();
  void admit_waiting(int64_t share);
  void give_prefill(SequenceKey key, int64_t share);
  bool reserve_or_preempt(SequenceKey key, int64_t count);
  void preempt(size_t index);
  [[nodiscard]] size_t index_of(SequenceKey key) const;
  [[nodiscard]] std::vector<SequenceKey> prefilling() const;
  void insert_running(const QueueItem& item);

  SchedulerLimits limits_;
  SchedulerHost& host_;
  std::unordered_map<SequenceKey, QueueItem> items_;
  FairQueue waiting_;
  std::vector<QueueItem> running_;  // by priority, then arrival: the last one is preempted first
  ClientShares shares_;
  StepPlan plan_;
  std::vector<SequenceKey> prefilling_;  // of the step at hand
  int64_t prefill_left_ = 0, rows_left_ = 0;
  bool preempted_ = false;  // in the step at hand
  uint64_t preemption_count_ = 0;
};

}  // namespace kedge::engine
