// Goal: byte counts are exact or absent.
// Method: the edges of every check.

#include "formats/layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace kedge::formats {
namespace {

using Shape = std::vector<int64_t>;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

TEST(Layout, element_counts) {
  EXPECT_EQ(element_count(Shape{}), 1);
  EXPECT_EQ(element_count(Shape{2, 3, 4}), 24);
  EXPECT_EQ(element_count(Shape{2, 0, 4}), 0);
  EXPECT_EQ(element_count(Shape{kLargest}), kLargest);
  EXPECT_EQ(element_count(Shape{kLargest, 2}), std::nullopt);
  EXPECT_EQ(element_count(Shape{int64_t{1} << 32, int64_t{1} << 31}), std::nullopt);
  EXPECT_EQ(element_count(Shape{-1}), std::nullopt);
  // Zero must not hide a product that would overflow for a caller who multiplies some of the dimensions.
  EXPECT_EQ(element_count(Shape{0, kLargest, 2}), std::nullopt);
  EXPECT_EQ(element_count(Shape{kLargest, 2, 0}), std::nullopt);
}

TEST(Layout, tensor_bytes_of_whole_blocks) {
  EXPECT_EQ(tensor_bytes(DType::f32, Shape{}), 4);
  EXPECT_EQ(tensor_bytes(DType::q4_0, Shape{3, 64}), 3 * 2 * 18);
  EXPECT_EQ(tensor_bytes(DType::q4_0, Shape{3, 0}), 0);
  EXPECT_EQ(tensor_bytes(DType::q4_0, Shape{64, 3}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::q4_0, Shape{}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::q6_k, Shape{128}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::i64, Shape{kLargest / 8}), kLargest - 7);
  EXPECT_EQ(tensor_bytes(DType::i64, Shape{kLargest / 8 + 1}), std::nullopt);
}

}  // namespace
}  // namespace kedge::formats
