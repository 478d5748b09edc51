#include "cpu/limits.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>

#include "core/aligned.h"
#include "core/check.h"
#include "core/memory_info.h"
#include "cpu/dispatch.h"

namespace kedge::cpu {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Far more than the caches hold, within what is free.
constexpr uint64_t kBufferBytesMin = uint64_t{512} << 20;
constexpr uint64_t kBufferBytesMax = uint64_t{2} << 30;
constexpr uint64_t kCacheMultiple = 4;
constexpr uint64_t kFreePart = 4;  // of the free memory, at most one part
constexpr uint64_t kBufferBytesLeast = uint64_t{1} << 20;

constexpr int kPassesMin = 3;
constexpr Seconds kReadTime{0.35};
constexpr Seconds kPeakTime{0.08};  // of each type
constexpr Seconds kPeakPassTime{0.002};

uint64_t buffer_bytes() {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const uint64_t wanted =
      std::clamp(kCacheMultiple * static_cast<uint64_t>(std::max<long>(cache, 0)), kBufferBytesMin, kBufferBytesMax);
  const uint64_t bytes = std::min(wanted, available_memory_bytes() / kFreePart);
  return std::max(bytes / 4096 * 4096, kBufferBytesLeast);
}

/// Sixteen bytes, as every x86-64 CPU adds them.
using Pair = uint64_t __attribute__((vector_size(16)));

Pair pair_at(const uint64_t* words) {
  Pair pair;
  std::memcpy(&pair, words, sizeof(pair));
  return pair;
}

constexpr int64_t kWordsAhead = 1024;  // what lies that far ahead is asked for, as the kernels do

// Bound: memory. Four sums, so that none waits for itself: two loads of 16 bytes a cycle are three times what a core
// gets from memory.
uint64_t sum_words(const uint64_t* words, int64_t count) {
  Pair a{}, b{}, c{}, d{};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __builtin_prefetch(words + i + kWordsAhead, 0, 2);
    a += pair_at(words + i);
    b += pair_at(words + i + 2);
    c += pair_at(words + i + 4);
    d += pair_at(words + i + 6);
  }
  const Pair total = a + b + c + d;
  return std::accumulate(words + i, words + count, total[0] + total[1]);
}

/// The highest rate of several passes, each of which returns what it did.
template <typename Pass>
double best_rate(Seconds time, Pass pass) {
  double best = 0;
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kPassesMin || Clock::now() - start < time; ++i) {
    const Clock::time_point begin = Clock::now();
    const double amount = pass();
    best = std::max(best, amount / std::max(Seconds(Clock::now() - begin).count(), 1e-9));
  }
  return best;
}

Result<double> read_rate(WorkerPool& pool) {
  const uint64_t bytes = buffer_bytes();
  const PageBuffer buffer(bytes);
  if (buffer.data() == nullptr) {
    return Error{ErrorKind::out_of_memory,
                 fmt::format("measuring memory needs {} bytes and the system refused them", bytes)};
  }
  const std::span<uint64_t> words(reinterpret_cast<uint64_t*>(buffer.data()), bytes / sizeof(uint64_t));
  // Each thread writes what it reads later: pages come from the memory of its own node.
  pool.parallel_for(static_cast<int64_t>(words.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    std::fill(words.begin() + begin, words.begin() + end, 1);
  });
  uint64_t wrong = 0;
  const double rate = best_rate(kReadTime, [&] {
    wrong += sum_of(pool, words) - words.size();  // using the sum keeps the reads
    return static_cast<double>(bytes);
  });
  KEDGE_CHECK(wrong == 0);
  return rate;
}

/// Products on every thread, `calls` times kPeakRoundsMax rounds each.
double products(WorkerPool& pool, PeakKernel kernel, int calls) {
  std::atomic<double> total = 0;
  pool.parallel_for(pool.size(), 1, [&](int64_t begin, int64_t end, unsigned) {
    double made = 0;
    for (int64_t call = begin * calls; call < end * calls; ++call) made += kernel(kPeakRoundsMax);
    total.fetch_add(made, std::memory_order_relaxed);
  });
  return total;
}

double peak_rate(WorkerPool& pool, PeakKernel kernel) {
  int calls = 1;
  for (; calls < 1 << 10; calls *= 2) {  // long enough that waking the threads does not count
    const Clock::time_point begin = Clock::now();
    products(pool, kernel, calls);
    if (Clock::now() - begin >= kPeakPassTime) break;
  }
  return 2 * best_rate(kPeakTime, [&] { return products(pool, kernel, calls); });
}

}  // namespace

uint64_t sum_of(WorkerPool& pool, std::span<const uint64_t> words) {
  std::atomic<uint64_t> total = 0;
  constexpr int64_t kGrain = 8192;
  pool.parallel_for(static_cast<int64_t>(words.size()), kGrain, [&](int64_t begin, int64_t end, unsigned) {
    total.fetch_add(sum_words(words.data() + begin, end - begin), std::memory_order_relaxed);
  });
  return total;
}

Result<MachineLimits> measure_limits(WorkerPool& pool) {
  const KernelTable& table = kernels();
  MachineLimits limits;
  KEDGE_ASSIGN(limits.read_bytes_per_second, read_rate(pool));
  limits.f32_operations_per_second = peak_rate(pool, table.peak_f32);
  limits.bf16_operations_per_second = peak_rate(pool, table.peak_bf16);
  limits.int8_operations_per_second = peak_rate(pool, table.peak_int8);
  return limits;
}

}  // namespace kedge::cpu
