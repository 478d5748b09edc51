#include "core/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/topology.h"

namespace kedge {
namespace {

// A decode step is a chain of some hundred short jobs: workers spin this many pauses between two of them (about 50 us
// on a 2.6 GHz Zen 4) before they sleep.
constexpr int kSpinCount = 2000;

}  // namespace

struct WorkerPool::State {
  struct Job {
    const RangeTask* task = nullptr;
    int64_t count = 0;
    int64_t grain = 1;
    uint32_t parts = 1;  // ranges in a share
  };
  /// How many of a worker's ranges nobody has begun, beside the generation that they belong to (the upper half). Once
  /// that is 0 no worker of that generation can take one, however late it looks.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
  };

  std::vector<std::thread> threads;
  std::mutex caller;  // one parallel_for at a time
  Job job;            // written before `generation` grows, read by who has taken a range
  std::atomic<uint32_t> generation{0};
  std::vector<Share> shares;           // of each worker
  std::atomic<uint32_t> remaining{0};  // ranges of this generation that are not done
  std::atomic<bool> stopping{false};
  unsigned size = 1;

  /// Range `index` of `count` of the job: units of `grain` dealt as evenly as they go.
  [[nodiscard]] std::pair<int64_t, int64_t> range_of(int64_t index, int64_t count) const {
    const int64_t units = (job.count + job.grain - 1) / job.grain;
    const int64_t begin = units * index / count * job.grain;
    const int64_t end = std::min(job.count, units * (index + 1) / count * job.grain);
    return {begin, end};
  }

  /// Takes the next range of a share: how many there were left.
  static std::optional<uint32_t> take(Share& share, uint32_t current) {
    uint64_t seen = share.left.load(std::memory_order_acquire);
    while (seen >> 32U == current && static_cast<uint32_t>(seen) > 0) {
      if (share.left.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) {
        return static_cast<uint32_t>(seen);
      }
    }
    return std::nullopt;
  }

  /// Runs the worker's own ranges, then every other that nobody has begun: on a busy machine the caller does the work
  /// of a worker that the system has not scheduled instead of waiting for it.
  void run_ranges(unsigned worker, uint32_t current) {
    for (unsigned step = 0; step < size; ++step) {
      const unsigned index = (worker + step) % size;
      while (const auto left = take(shares[index], current)) {
        const int64_t parts = job.parts;
        const auto [begin, end] = range_of(index * parts + parts - *left, size * parts);
        if (begin < end) (*job.task)(begin, end, worker);
        if (remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining.notify_one();
      }
    }
  }

  void work(unsigned worker) {
    uint32_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpinCount && generation.load(std::memory_order_acquire) == seen; ++spin) _mm_pause();
      generation.wait(seen, std::memory_order_acquire);
      seen = generation.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_relaxed)) return;
      run_ranges(worker, seen);
    }
  }
};

unsigned WorkerPool::physical_core_count() {
  return topology().worker_count();
}

WorkerPool::WorkerPool(unsigned thread_count, bool pin) : state_(std::make_unique<State>()) {
  const std::vector<Core>& cores = topology().cores;
  if (thread_count == 0) thread_count = topology().worker_count();
  state_->size = thread_count;
  state_->shares = std::vector<State::Share>(thread_count);
  for (unsigned worker = 1; worker < thread_count; ++worker) {
    const int cpu = pin && worker < cores.size() ? cores[worker].cpu : -1;
    state_->threads.emplace_back([state = state_.get(), worker, cpu] {
      if (cpu >= 0) pin_to_cpu(cpu);
      state->work(worker);
    });
  }
}

WorkerPool::~WorkerPool() {
  state_->stopping.store(true, std::memory_order_relaxed);
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

unsigned WorkerPool::size() const {
  return state_->size;
}

void WorkerPool::run(int64_t count, int64_t grain, unsigned parts, RangeTask task) {
  const std::lock_guard lock(state_->caller);
  state_->job = {&task, count, grain, parts};
  state_->remaining.store(state_->size * parts, std::memory_order_relaxed);
  const uint32_t current = state_->generation.load(std::memory_order_relaxed) + 1;
  for (State::Share& share : state_->shares) {
    share.left.store(uint64_t{current} << 32U | parts, std::memory_order_release);
  }
  state_->generation.store(current, std::memory_order_release);
  state_->generation.notify_all();
  state_->run_ranges(0, current);
  for (int spin = 0; spin < kSpinCount * 8; ++spin) {
    if (state_->remaining.load(std::memory_order_acquire) == 0) return;
    _mm_pause();
  }
  for (uint32_t left = state_->remaining.load(std::memory_order_acquire); left != 0;
       left = state_->remaining.load(std::memory_order_acquire)) {
    state_->remaining.wait(left, std::memory_order_acquire);
  }
}

}  // namespace kedge
