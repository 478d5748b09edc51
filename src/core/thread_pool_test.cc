// Goal: every index runs exactly once, whatever the counts, grains, threads and callers.
// Method: counters per index over many shapes; several threads that call one pool at once.

#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace kedge {
namespace {

void check_coverage(WorkerPool& pool, int64_t count, int64_t grain, bool in_parts) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  std::atomic<bool> aligned = true;
  std::atomic<bool> known_worker = true;
  const auto run = [&](int64_t begin, int64_t end, unsigned worker) {
    if (begin % grain != 0) aligned = false;
    if (worker >= pool.size()) known_worker = false;
    for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
  };
  if (in_parts) {
    pool.parallel_for_parts(count, grain, run);
  } else {
    pool.parallel_for(count, grain, run);
  }
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], 1) << "index " << i << " of " << count;
  EXPECT_TRUE(aligned);
  EXPECT_TRUE(known_worker);
}

TEST(WorkerPool, every_index_runs_once) {
  for (const unsigned threads : {1U, 2U, 3U, 7U}) {
    WorkerPool pool(threads);
    for (const int64_t count : {1, 2, 3, 15, 16, 17, 100, 1000}) {
      for (const int64_t grain : {1, 3, 16, 64}) {
        check_coverage(pool, count, grain, false);
        check_coverage(pool, count, grain, true);
      }
    }
  }
}

TEST(WorkerPool, nothing_runs_for_nothing) {
  WorkerPool pool(2);
  bool ran = false;
  pool.parallel_for(0, 4, [&](int64_t, int64_t, unsigned) { ran = true; });
  EXPECT_FALSE(ran);
}

TEST(WorkerPool, many_short_jobs_in_a_row) {
  WorkerPool pool(3);
  std::atomic<int64_t> sum = 0;
  for (int job = 0; job < 20000; ++job) {
    const auto add = [&](int64_t begin, int64_t end, unsigned) { sum += end - begin; };
    if (job % 2 == 0) {  // a worker that is late sees shares of another size
      pool.parallel_for(9, 1, add);
    } else {
      pool.parallel_for_parts(9, 1, add);
    }
    ASSERT_EQ(sum, 9 * (job + 1));
  }
}

TEST(WorkerPool, who_is_done_takes_the_others_parts) {
  WorkerPool pool(2);
  std::atomic<int> done = 0;
  std::atomic<bool> all = false;
  // One range does not end before all others have: somebody else must have run them.
  pool.parallel_for_parts(16, 1, [&](int64_t begin, int64_t end, unsigned) {
    if (begin == 0) {
      while (done < 15) std::this_thread::yield();
      all = true;
    } else {
      done += static_cast<int>(end - begin);
    }
  });
  EXPECT_TRUE(all);
}

TEST(WorkerPool, callers_take_turns) {
  WorkerPool pool(2);
  std::atomic<int64_t> sum = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int job = 0; job < 500; ++job) {
        pool.parallel_for_parts(8, 1, [&](int64_t begin, int64_t end, unsigned) { sum += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 500 * 8);
}

}  // namespace
}  // namespace kedge
