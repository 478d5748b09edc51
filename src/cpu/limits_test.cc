// Goal: the limits are of work that was done: every product made and every byte read counts once.
// Method: kernels multiply ones, so that their totals are the numbers of products; sums over random words against plain
// ones. That the limits are numbers is all that is asked of them.

#include "cpu/limits.h"

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

TEST(Limits, kernels_make_the_products_that_they_count) {
  for_every_isa([](Isa isa) {
    const KernelTable& table = kernels_of(isa);
    for (const PeakKernel kernel : {table.peak_f32, table.peak_bf16, table.peak_int8}) {
      ASSERT_NE(kernel, nullptr);
      EXPECT_EQ(kernel(0), 0.0);
      const double once = kernel(1);
      EXPECT_GT(once, 0.0);
      EXPECT_EQ(once, std::round(once));
      for (const int64_t rounds : {int64_t{2}, int64_t{3}, int64_t{1000}, kPeakRoundsMax}) {
        EXPECT_EQ(kernel(rounds), once * static_cast<double>(rounds)) << rounds << " rounds";
      }
    }
  });
}

TEST(Limits, a_pass_reads_every_word) {
  for (const unsigned threads : {1U, 3U}) {
    WorkerPool pool(threads);
    for (const size_t count : {0, 1, 7, 8, 9, 8191, 8192, 8193, 100001}) {
      std::vector<uint64_t> words(count);
      std::mt19937_64 random(count);
      for (uint64_t& word : words) word = random();
      EXPECT_EQ(sum_of(pool, words), std::accumulate(words.begin(), words.end(), uint64_t{0})) << count << " words";
    }
  }
}

TEST(Limits, are_finite_and_positive) {
  WorkerPool pool(2);
  const Result<MachineLimits> measured = measure_limits(pool);
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  const MachineLimits& limits = measured.value();
  for (const double limit : {limits.read_bytes_per_second, limits.f32_operations_per_second,
                             limits.bf16_operations_per_second, limits.int8_operations_per_second}) {
    EXPECT_TRUE(std::isfinite(limit));
    EXPECT_GT(limit, 0.0);
  }
}

}  // namespace
}  // namespace kedge::cpu
