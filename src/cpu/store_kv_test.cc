// Goal: what store_kv keeps is what cpu/kv_layout.h says, at its positions alone, to the same bit on every instruction
// set. Method: pages read back element by element, sizes around every edge, random rows and rows of odd numbers, bounds
// of half a step of the codes.

#include <cmath>
#include <limits>

#include "cpu/attention_test_support.h"

namespace kedge::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

/// A row in codes: those, and its scale (of int4: in the codes).
struct Coded {
  std::vector<std::byte> bytes;
  float scale = 0.0F;
  bool operator==(const Coded& other) const {
    return bytes == other.bytes && std::memcmp(&scale, &other.scale, sizeof(scale)) == 0;
  }
};

Coded coded(Isa isa, KvType type, const std::vector<float>& x) {
  const auto size = static_cast<int64_t>(x.size());
  Coded row{std::vector<std::byte>(static_cast<size_t>(kv_head_shape(type, 1, size).row_bytes)), 0.0F};
  if (type == KvType::int8) kernels_of(isa).quantize_kv_int8(x.data(), size, row.bytes.data(), &row.scale);
  if (type == KvType::int4) kernels_of(isa).quantize_kv_int4(x.data(), size, row.bytes.data());
  return row;
}

float element(KvType type, const Coded& row, size_t d) {
  return kept_element(type, row.bytes.data(), row.scale, static_cast<int64_t>(d));
}

std::vector<std::vector<float>> odd_rows(size_t size) {
  std::vector<std::vector<float>> rows;
  for (const float value : {0.0F, -0.0F, 1.0F, -1.0F, 1e-31F, 1e-42F, -1e-38F, kLargest, kInfinity, -kInfinity, NAN}) {
    rows.emplace_back(size, value);
    rows.push_back(random_floats(size, static_cast<uint32_t>(size)));
    rows.back().back() = value;
    rows.push_back(random_floats(size, static_cast<uint32_t>(size), 1e-3F));
    rows.back().front() = -value;
  }
  rows.emplace_back(size, kLargest);
  rows.back().front() = -kLargest;
  return rows;
}

TEST(StoreKv, every_isa_writes_the_same_bytes) {
  for (const KvType type : {KvType::int8, KvType::int4}) {
    for (size_t size = 1; size <= 259; size += size < 70 ? 1 : 27) {
      std::vector<std::vector<float>> rows = odd_rows(size);
      for (uint32_t seed = 0; seed < 5; ++seed) rows.push_back(random_floats(size, seed, 3.0F));
      for (size_t i = 0; i < rows.size(); ++i) {
        const Coded expected = coded(Isa::scalar, type, rows[i]);
        for (const Isa isa : runnable_isas()) {
          ASSERT_EQ(coded(isa, type, rows[i]), expected)
              << name_of(type) << " on " << name_of(isa) << ", " << size << " elements, row " << i;
        }
      }
    }
  }
}

TEST(StoreKv, an_element_is_off_by_half_a_step_at_most) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    for (const size_t size : {1U, 8U, 27U, 32U, 64U, 80U, 128U, 256U}) {
      const auto x = random_floats(size, seed, std::exp2(static_cast<float>(seed) - 10.0F));
      const Coded eight = coded(Isa::scalar, KvType::int8, x), four = coded(Isa::scalar, KvType::int4, x);
      float largest = 0.0F;
      for (const float value : x) largest = std::max(largest, std::fabs(value));
      for (size_t d = 0; d < size; ++d) {
        ASSERT_NEAR(element(KvType::int8, eight, d), x[d], largest / 254 * 1.00001F);
        const auto first = x.begin() + static_cast<std::ptrdiff_t>(d / 32 * 32);
        const auto end = x.begin() + static_cast<std::ptrdiff_t>(std::min(size, d / 32 * 32 + 32));
        const auto [smallest_of, largest_of] = std::minmax_element(first, end);
        // bf16 rounds the scale and the minimum by 2^-8 of themselves; what is cut off at an end adds to half a step.
        const float range = *largest_of - *smallest_of;
        const float bound = range / 30 * 1.01F + (range + std::fabs(*smallest_of)) * 0x1p-8F;
        ASSERT_NEAR(element(KvType::int4, four, d), x[d], bound);
      }
    }
  }
}

TEST(StoreKv, rows_that_hold_no_number_are_none) {
  for (const float value : {kInfinity, -kInfinity, NAN}) {
    auto x = random_floats(64, 1);
    x[40] = value;
    const Coded eight = coded(Isa::scalar, KvType::int8, x), four = coded(Isa::scalar, KvType::int4, x);
    for (size_t d = 0; d < 64; ++d) {
      EXPECT_TRUE(std::isnan(element(KvType::int8, eight, d)));
      EXPECT_EQ(std::isnan(element(KvType::int4, four, d)), d >= 32);
    }
  }
}

TEST(StoreKv, writes_its_positions_and_no_other) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const KvType type : {KvType::f32, KvType::bf16, KvType::int8, KvType::int4}) {
      const AttentionShape s{.kv_heads = 3, .head_size = 5, .page_tokens = 4, .context = 16, .type = type};
      const AttentionCache one(s), two(s);
      const auto k = random_floats(7 * 15, 4);
      const auto v = random_floats(7 * 15, 5);
      const std::vector<float> kept_k = kept_of(s, k, false), kept_v = kept_of(s, v, false);
      const AttentionRun runs[] = {{.kv = one.view(), .first = 6, .count = 5}, {.kv = two.view(), .count = 2}};
      store_kv(pool, runs, {k.data(), 15, 7}, v.data());
      size_t source = 0;
      for (const AttentionRun& run : runs) {
        for (int64_t position = 0; position < 16; ++position) {
          const bool written = position >= run.first && position < run.first + run.count;
          for (int64_t e = 0; e < 15; ++e, source += written) {
            const auto page = static_cast<size_t>(position / 4);
            const float key = kept_element(run.kv, run.kv.keys[page], e / 5, position % 4, e % 5);
            const float value = kept_element(run.kv, run.kv.values[page], e / 5, position % 4, e % 5);
            EXPECT_TRUE(written ? key == kept_k[source] : std::isnan(key)) << name_of(type) << " " << position;
            EXPECT_TRUE(written ? value == kept_v[source] : std::isnan(value)) << name_of(type) << " " << position;
          }
        }
      }
      EXPECT_EQ(source, k.size());
    }
  });
}

}  // namespace
}  // namespace kedge::cpu
