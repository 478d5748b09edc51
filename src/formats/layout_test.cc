// Goal: byte counts are exact or absent, and names from foreign files can be printed.
// Method: the edges of every check.

#include "formats/layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "formats/message.h"

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

TEST(Message, names_are_made_printable) {
  EXPECT_EQ(printable("model.layers.0"), "'model.layers.0'");
  EXPECT_EQ(printable(""), "''");
  EXPECT_EQ(printable("a'b\\c\n\x7f"), R"('a\x27b\x5cc\x0a\x7f')");
  EXPECT_EQ(printable(std::string("\0\x1b[2J", 5)), R"('\x00\x1b[2J')");
  EXPECT_EQ(printable("größe 模型 \U0001F600"), "'größe 模型 \U0001F600'");
  EXPECT_EQ(printable("\xff\xc3\x80\xe6\xa8"), "'\\xff\xc3\x80\\xe6\\xa8'");
  EXPECT_EQ(printable("\xc2\x9b[2J"), R"('\xc2\x9b[2J')");  // U+009B, a control character
  EXPECT_EQ(printable(std::string(200, 'a')), "'" + std::string(200, 'a') + "'");
  EXPECT_EQ(printable(std::string(201, 'a')), "'" + std::string(200, 'a') + "...'");
}

}  // namespace
}  // namespace kedge::formats
