#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>

#include "core/check.h"

namespace kedge::engine {
namespace {

// A generated token takes a forward pass that it shares with few; the weights of Sheng et al. 2024.
constexpr double kPrefillCost = 1, kDecodeCost = 2;

bool ranks_before(const QueueItem& a, const QueueItem& b) {
  return std::tie(a.priority, a.key) < std::tie(b.priority, b.key);
}

}  // namespace

void Scheduler::add(const QueueItem& item) {
  items_[item.key] = item;
  shares_.enter(item.client);
  waiting_.push(item);
}

void Scheduler::remove(SequenceKey key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  waiting_.remove(found->second);
  std::erase_if(running_, [key](const QueueItem& item) { return item.key == key; });
  shares_.leave(found->second.client);
  items_.erase(found);
}

const StepPlan& Scheduler::plan() {
  plan_.decode.clear();
  plan_.prefill.clear();
  plan_.admitted.clear();
  plan_.starved.clear();
  prefilling_.clear();
  preempted_ = false;
  rows_left_ = limits_.outputs;
  prefill_left_ = limits_.step_tokens;
  plan_decode();
  if (!plan_.decode.empty()) prefill_left_ = std::min(prefill_left_, limits_.mixed_prefill);
  plan_drafts();
  rows_left_ = limits_.outputs;  // of the other pass
  plan_prefill();
  for (const Chunk& chunk : plan_.decode) shares_.charge(items_[chunk.key].client, kDecodeCost);
  for (const Chunk& chunk : plan_.prefill) {
    shares_.charge(items_[chunk.key].client, kPrefillCost * static_cast<double>(chunk.count));
  }
  return plan_;
}

/// Every sequence that decodes does so in every step; what is computed again shares the tokens of prefilling.
void Scheduler::plan_decode() {
  int64_t again = std::min(limits_.mixed_prefill, limits_.step_tokens - static_cast<int64_t>(running_.size()));
  for (size_t i = 0; i < running_.size();) {
    const SequenceKey key = running_[i].key;
    const Demand demand = host_.demand(key);
    if (demand.prefill > 0) prefilling_.push_back(key);
    if (demand.prefill > 0 || demand.decode == 0) {
      ++i;
      continue;
    }
    const int64_t count = 1 + std::clamp<int64_t>(again, 0, demand.decode - 1);
    if (!reserve_or_preempt(key, count)) continue;  // gone from here
    again -= count - 1;
    --rows_left_;
    plan_.decode.push_back({key, count, 0});
    ++i;
  }
}

void Scheduler::plan_drafts() {
  int64_t pass_tokens = 0;
  for (const Chunk& chunk : plan_.decode) pass_tokens += chunk.count;
  for (Chunk& chunk : plan_.decode) {
    const int64_t room = std::min(rows_left_, limits_.step_tokens - pass_tokens);
    if (room <= 0) return;
    if (chunk.count != 1 || host_.demand(chunk.key).decode != 1) continue;
    const int64_t drafts = host_.draft(chunk.key, pass_tokens, room);
    if (drafts == 0 || !host_.reserve(chunk.key, chunk.count + drafts)) continue;
    chunk.drafts = drafts;
    rows_left_ -= drafts;
    pass_tokens += drafts;
  }
}

std::vector<SequenceKey> Scheduler::prefilling() const {
  std::vector<SequenceKey> keys;
  for (const SequenceKey key : prefilling_) {
    if (index_of(key) < running_.size()) keys.push_back(key);
  }
  std::ranges::stable_sort(keys, [this](SequenceKey a, SequenceKey b) {
    const QueueItem &x = items_.at(a), &y = items_.at(b);
    return std::tuple(x.priority, shares_.served(x.client), a) < std::tuple(y.priority, shares_.served(y.client), b);
  });
  return keys;
}

/// Where several want to prefill, a long prompt takes half of the step at most and leaves the rest to others.
void Scheduler::plan_prefill() {
  const bool contested = prefilling_.size() + waiting_.size() > 1;
  const int64_t share = contested ? (prefill_left_ + 1) / 2 : prefill_left_;
  for (const SequenceKey key : prefilling()) give_prefill(key, share);
  if (!preempted_) admit_waiting(share);
  for (const SequenceKey key : prefilling()) give_prefill(key, limits_.step_tokens);
}

void Scheduler::admit_waiting(int64_t share) {
  while (!waiting_.empty() && static_cast<int64_t>(running_.size()) < limits_.sequences) {
    const QueueItem item = waiting_.front(shares_);
    if (prefill_left_ <= 0 && host_.demand(item.key).prefill > 0) return;
    if (!host_.admit(item.key, running_.empty())) return;
    waiting_.remove(item);
    insert_running(item);
    plan_.admitted.push_back(item.key);
    if (host_.demand(item.key).prefill == 0) continue;
    prefilling_.push_back(item.key);
    give_prefill(item.key, share);
    if (preempted_) return;
  }
}

/// Adds to the sequence's chunk of this step, up to `share` tokens of it.
void Scheduler::give_prefill(SequenceKey key, int64_t share) {
  if (index_of(key) >= running_.size()) return;  // preempted meanwhile
  const auto planned = std::ranges::find(plan_.prefill, key, &Chunk::key);
  const int64_t had = planned == plan_.prefill.end() ? 0 : planned->count;
  const Demand demand = host_.demand(key);
  int64_t more = std::min({demand.prefill - had, share - had, prefill_left_});
  if (demand.every_output) {
    more = std::min(more, rows_left_);
  } else if (had + more == demand.prefill && rows_left_ == 0) {
    --more;  // its last token has to wait for a row
  }
  if (more <= 0) return;
  if (!reserve_or_preempt(key, had + more)) return;
  prefill_left_ -= more;
  if (demand.every_output) {
    rows_left_ -= more;
  } else if (had + more == demand.prefill) {
    --rows_left_;
  }
  const auto chunk = std::ranges::find(plan_.prefill, key, &Chunk::key);
  if (chunk == plan_.prefill.end()) {
    plan_.prefill.push_back({key, more, 0});
  } else {
    chunk->count += more;
  }
}

/// Sequences that rank behind give their pages, the last one first; then the sequence itself must wait.
bool Scheduler::reserve_or_preempt(SequenceKey key, int64_t count) {
  while (!host_.reserve(key, count)) {
    const size_t index = index_of(key);
    if (index + 1 < running_.size()) {
      preempt(running_.size() - 1);
    } else if (host_.reclaim()) {
      continue;
    } else if (running_.size() > 1) {
      preempt(index);
      return false;
    } else {
      plan_.starved.push_back(key);
      preempt(index);
      return false;
    }
  }
  return true;
}

void Scheduler::preempt(size_t index) {
  const QueueItem item = running_[index];
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  std::erase_if(plan_.decode, [&](const Chunk& chunk) { return chunk.key == item.key; });
  std::erase_if(plan_.prefill, [&](const Chunk& chunk) { return chunk.key == item.key; });
  std::erase(plan_.admitted, item.key);
  host_.preempt(item.key);
  waiting_.push(item);
  preempted_ = true;
  ++preemption_count_;
}

bool Scheduler::preempt_last() {
  if (running_.empty()) return false;
  preempt(running_.size() - 1);
  return true;
}

size_t Scheduler::index_of(SequenceKey key) const {
  const auto found = std::ranges::find(running_, key, &QueueItem::key);
  return static_cast<size_t>(found - running_.begin());
}

void Scheduler::insert_running(const QueueItem& item) {
  running_.insert(std::ranges::upper_bound(running_, item, ranks_before), item);
}

}  // namespace kedge::engine
