// Goal: every sequence that decodes does so in every step, prompts fill what a step leaves, turns are fair, and pages
// that run out make the right sequence wait. Method: a host that counts pages and pretends to compute, without a model.

#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace kedge::engine {
namespace {

constexpr int64_t kTokensOfAPage = 4;

class FakeHost final : public SchedulerHost {
 public:
  struct State {
    int64_t prompt = 0, answer = 0;  // tokens to come in all
    int64_t computed = 0, made = 0;
    int64_t pages = 0;
    int64_t drafts = 0;
    bool every_output = false;
    int preempted = 0;
  };

  explicit FakeHost(int64_t pages) : free(pages) {}

  Demand demand(SequenceKey key) override {
    const State& s = states.at(key);
    if (s.computed < s.prompt) return {.prefill = s.prompt - s.computed, .every_output = s.every_output};
    return {.decode = s.prompt + s.made - s.computed};
  }
  int64_t draft(SequenceKey key, int64_t, int64_t most) override { return std::min(states.at(key).drafts, most); }
  bool admit(SequenceKey key, bool first) override {
    const State& s = states.at(key);
    return first || (s.prompt + s.made) / kTokensOfAPage + 1 <= free;
  }
  bool reserve(SequenceKey key, int64_t count) override {
    State& s = states.at(key);
    const int64_t needed = (s.computed + count + kTokensOfAPage - 1) / kTokensOfAPage - s.pages;
    if (needed > free) return false;
    if (needed > 0) {
      s.pages += needed;
      free -= needed;
    }
    return true;
  }
  void preempt(SequenceKey key) override {
    State& s = states.at(key);
    free += s.pages;
    s.pages = s.computed = 0;
    ++s.preempted;
  }
  bool reclaim() override { return std::exchange(kept, 0) > 0 ? (free += 3, true) : false; }

  std::map<SequenceKey, State> states;
  int64_t free;
  int64_t kept = 0;
};

class SchedulerTest : public testing::Test {
 protected:
  void make(const SchedulerLimits& limits, int64_t pages) {
    limits_ = limits;
    host_ = std::make_unique<FakeHost>(pages);
    scheduler_ = std::make_unique<Scheduler>(limits, *host_);
  }

  void add(SequenceKey key, int64_t prompt, int64_t answer, const std::string& client = "", int32_t priority = 0) {
    host_->states[key] = {.prompt = prompt, .answer = answer};
    scheduler_->add({key, priority, client});
  }

  /// Computes what was planned and checks what holds for every plan.
  StepPlan step() {
    StepPlan plan = scheduler_->plan();
    int64_t prefill = 0, decode = 0, rows = 0;
    std::vector<SequenceKey> ended;
    for (const Chunk& chunk : plan.decode) {
      FakeHost::State& s = host_->states.at(chunk.key);
      decode += chunk.count + chunk.drafts;
      rows += 1 + chunk.drafts;
      s.computed += chunk.count;
      if (s.computed < s.prompt + s.made) continue;
      if (++s.made == s.answer) ended.push_back(chunk.key);
    }
    EXPECT_LE(rows, std::max<int64_t>(limits_.outputs, static_cast<int64_t>(plan.decode.size())));
    EXPECT_LE(decode, std::max(limits_.step_tokens, static_cast<int64_t>(plan.decode.size())));
    for (const Chunk& chunk : plan.prefill) {
      FakeHost::State& s = host_->states.at(chunk.key);
      EXPECT_GT(chunk.count, 0);
      prefill += chunk.count;
      s.computed += chunk.count;
      EXPECT_LE(s.computed, s.prompt);
      if (s.computed == s.prompt && s.made == 0 && ++s.made == s.answer) ended.push_back(chunk.key);
    }
    EXPECT_LE(prefill, plan.decode.empty() ? limits_.step_tokens : limits_.mixed_prefill);
    EXPECT_LE(static_cast<int64_t>(scheduler_->running_count()), limits_.sequences);
    EXPECT_GE(host_->free, 0);
    for (const SequenceKey key : ended) {
      scheduler_->remove(key);
      host_->free += host_->states.at(key).pages;
      host_->states.erase(key);
    }
    return plan;
  }

  int steps_until_made(SequenceKey key, int64_t made) {
    for (int steps = 1; steps < 1000; ++steps) {
      step();
      if (!host_->states.contains(key) || host_->states.at(key).made >= made) return steps;
    }
    return -1;
  }

  SchedulerLimits limits_;
  std::unique_ptr<FakeHost> host_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, a_long_prompt_never_holds_up_those_that_decode) {
  make({.sequences = 8, .step_tokens = 64, .mixed_prefill = 16}, 10000);
  add(1, 10, 500);
  add(2, 10, 500);
  step();
  add(3, 3000, 5);
  for (int i = 0; i < 100; ++i) {
    const StepPlan plan = step();
    EXPECT_EQ(plan.decode.size(), 2U);
    ASSERT_EQ(plan.prefill.size(), 1U);
    EXPECT_EQ(plan.prefill[0].count, 16);
  }
}

TEST_F(SchedulerTest, a_long_prompt_leaves_half_of_a_step_to_others) {
  make({.sequences = 8, .step_tokens = 64, .mixed_prefill = 16}, 10000);
  add(1, 3000, 5);
  step();
  add(2, 30, 5);
  const StepPlan plan = step();
  ASSERT_EQ(plan.prefill.size(), 2U);
  EXPECT_EQ(plan.prefill[0].count + plan.prefill[1].count, 64);
  EXPECT_EQ(host_->states[2].made, 1);
}

TEST_F(SchedulerTest, sequences_join_and_leave_at_every_step) {
  make({.sequences = 4, .step_tokens = 64, .mixed_prefill = 32}, 10000);
  for (SequenceKey key = 1; key <= 20; ++key) add(key, 3, static_cast<int64_t>(1 + key % 7));
  int steps = 0;
  size_t most = 0;
  for (; !host_->states.empty() && steps < 100; ++steps) most = std::max(most, step().decode.size());
  EXPECT_TRUE(host_->states.empty());
  EXPECT_EQ(most, 4U);
  EXPECT_LE(steps, 30);  // 80 tokens, four at a time, and the prompts beside them
}

TEST_F(SchedulerTest, priority_goes_first_and_clients_take_turns) {
  make({.sequences = 1, .step_tokens = 64, .mixed_prefill = 64}, 10000);
  add(1, 4, 1);
  for (SequenceKey key = 2; key < 8; ++key) add(key, 40, 2, "greedy");
  add(8, 40, 2, "other");
  add(9, 40, 2, "other");
  add(10, 4, 2, "late", -1);
  std::vector<SequenceKey> order;
  while (!host_->states.empty()) {
    const std::vector<SequenceKey> admitted = step().admitted;
    order.insert(order.end(), admitted.begin(), admitted.end());
  }
  EXPECT_EQ(order, (std::vector<SequenceKey>{10, 1, 2, 8, 3, 9, 4, 5, 6, 7}));
}

TEST_F(SchedulerTest, who_came_last_gives_its_pages_and_comes_back) {
  make({.sequences = 4, .step_tokens = 64, .mixed_prefill = 64}, 12);
  add(1, 8, 24);
  add(2, 8, 24);
  add(3, 8, 24);
  for (int i = 0; i < 200 && !host_->states.empty(); ++i) {
    step();
    if (host_->states.contains(1)) {
      EXPECT_EQ(host_->states[1].preempted, 0);
    }
  }
  EXPECT_TRUE(host_->states.empty());
  EXPECT_GT(scheduler_->preemption_count(), 0U);
  EXPECT_EQ(host_->free, 12);
}

TEST_F(SchedulerTest, pages_that_are_kept_to_save_time_go_before_a_sequence_does) {
  make({.sequences = 4, .step_tokens = 64, .mixed_prefill = 64}, 4);
  host_->kept = 1;
  add(1, 8, 16);
  EXPECT_GT(steps_until_made(1, 16), 0);
  EXPECT_EQ(scheduler_->preemption_count(), 0U);
}

TEST_F(SchedulerTest, what_can_never_fit_is_said) {
  make({.sequences = 4, .step_tokens = 64, .mixed_prefill = 64}, 3);
  add(1, 8, 100);
  std::vector<SequenceKey> starved;
  for (int i = 0; i < 20 && starved.empty(); ++i) starved = step().starved;
  EXPECT_EQ(starved, std::vector<SequenceKey>{1});
}

TEST_F(SchedulerTest, computing_again_is_cut_like_a_prompt) {
  make({.sequences = 4, .step_tokens = 32, .mixed_prefill = 16}, 1000);
  add(1, 8, 200);
  add(2, 8, 200);
  for (int i = 0; i < 100; ++i) step();
  ASSERT_TRUE(scheduler_->preempt_last());
  int64_t made = host_->states[1].made;
  for (int i = 0; i < 20; ++i) {
    step();
    EXPECT_EQ(host_->states[1].made, ++made);  // the other one goes on in every step
  }
  EXPECT_GT(host_->states[2].made, 100);
}

TEST_F(SchedulerTest, drafts_take_the_rows_that_are_left) {
  make({.sequences = 8, .step_tokens = 64, .mixed_prefill = 16, .outputs = 8}, 1000);
  for (SequenceKey key = 1; key <= 3; ++key) add(key, 4, 100);
  step();
  for (auto& [key, state] : host_->states) state.drafts = 4;
  const StepPlan plan = step();
  EXPECT_EQ(plan.decode[0].drafts, 4);
  EXPECT_EQ(plan.decode[1].drafts, 1);
  EXPECT_EQ(plan.decode[2].drafts, 0);
}

TEST_F(SchedulerTest, rows_of_prompts_are_counted_where_each_wants_one) {
  make({.sequences = 8, .step_tokens = 64, .mixed_prefill = 64, .outputs = 10}, 1000);
  add(1, 30, 2);
  host_->states[1].every_output = true;
  add(2, 30, 2);
  const StepPlan plan = step();
  ASSERT_EQ(plan.prefill.size(), 2U);
  EXPECT_EQ(plan.prefill[0].count, 10);
  EXPECT_EQ(plan.prefill[1].count, 29);  // its last token has to wait for a row
}

TEST_F(SchedulerTest, random_loads_end_and_leave_no_page) {
  std::mt19937 random(3);
  for (int round = 0; round < 30; ++round) {
    const auto pages = static_cast<int64_t>(30 + random() % 40);
    make({.sequences = static_cast<int64_t>(1 + random() % 8), .step_tokens = 32, .mixed_prefill = 8}, pages);
    SequenceKey next = 1;
    int steps = 0;
    for (; (next < 60 || !host_->states.empty()) && steps < 20000; ++steps) {
      if (next < 60 && random() % 3 == 0) {
        add(next, 1 + random() % 60, 1 + random() % 50, std::string(1, static_cast<char>('a' + random() % 3)),
            static_cast<int32_t>(random() % 3));
        ++next;
      }
      if (random() % 40 == 0) scheduler_->preempt_last();
      ASSERT_TRUE(step().starved.empty());
    }
    EXPECT_TRUE(host_->states.empty());
    EXPECT_EQ(host_->free, pages);
    EXPECT_EQ(scheduler_->running_count() + scheduler_->waiting_count(), 0U);
  }
}

TEST(ClientShares, who_comes_back_is_put_level_with_those_who_are_here) {
  ClientShares shares;
  shares.enter("a");
  shares.charge("a", 100);
  shares.enter("b");
  EXPECT_EQ(shares.served("b"), 100);
  shares.charge("b", 50);
  shares.leave("a");
  shares.enter("a");
  EXPECT_EQ(shares.served("a"), 150);  // not 100: turns are not saved up
  for (int i = 0; i < 10000; ++i) {
    const std::string name = std::to_string(i);
    shares.enter(name);
    shares.leave(name);
  }
  EXPECT_EQ(shares.served("b"), 150);
}

}  // namespace
}  // namespace kedge::engine
