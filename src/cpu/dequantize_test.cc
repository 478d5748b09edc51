// Goal: every stored type means what its format says, bit for bit.
// Method: block types against rows that the gguf Python package dequantized (tests/golden/make_gguf_dequant.py); plain
// types against their values. Whole reference files are compared in models/gguf_dequantize_test.cc.

#include "cpu/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"

namespace kedge::cpu {
namespace {

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

DType dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::iq4_xs); ++i) {
    if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  ADD_FAILURE() << "no dtype " << name;
  return DType::f32;
}

TEST(Dequantize, block_types_equal_the_golden_rows) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/gguf_dequant.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  std::set<DType> seen;
  for (const Json& record : golden.value()["cases"]) {
    const auto name = record["type"].get<std::string>();
    SCOPED_TRACE(name);
    const DType dtype = dtype_named(name);
    seen.insert(dtype);
    const auto columns = record["columns"].get<int64_t>();
    // One byte further than any natural alignment: mapped rows may lie anywhere.
    std::vector<std::byte> row = bytes_of_hex(record["row"].get<std::string>());
    ASSERT_EQ(row.size(), row_bytes(dtype, static_cast<uint64_t>(columns)));
    row.insert(row.begin(), std::byte{0});
    const std::vector<std::byte> values = bytes_of_hex(record["values"].get<std::string>());
    std::vector<float> expected(static_cast<size_t>(columns));
    ASSERT_EQ(values.size(), expected.size() * sizeof(float));
    std::memcpy(expected.data(), values.data(), values.size());

    std::vector<float> found(expected.size() + 1, 42.0F);
    dequantize_row_scalar(dtype, row.data() + 1, columns, found.data());
    EXPECT_EQ(found.back(), 42.0F) << "written past the row";
    found.pop_back();
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
          << "element " << i << ": " << found[i] << ", expected " << expected[i];
    }
  }
  for (int i = static_cast<int>(DType::q4_0); i <= static_cast<int>(DType::iq4_xs); ++i) {
    EXPECT_TRUE(seen.contains(static_cast<DType>(i))) << name_of(static_cast<DType>(i)) << " has no golden row";
  }
}

template <typename T>
std::vector<float> dequantized(DType dtype, const std::vector<T>& stored) {
  std::vector<float> out(stored.size());
  dequantize_row_scalar(dtype, reinterpret_cast<const std::byte*>(stored.data()), static_cast<int64_t>(stored.size()),
                        out.data());
  return out;
}

TEST(Dequantize, plain_types_keep_their_values) {
  EXPECT_EQ(dequantized<float>(DType::f32, {-1.5F, 0.0F, 3e38F}), (std::vector<float>{-1.5F, 0.0F, 3e38F}));
  EXPECT_EQ(dequantized<uint16_t>(DType::f16, {0x3C00, 0xC000, 0x0001}), (std::vector<float>{1.0F, -2.0F, 0x1p-24F}));
  EXPECT_EQ(dequantized<uint16_t>(DType::bf16, {0x3F80, 0xC040}), (std::vector<float>{1.0F, -3.0F}));
  EXPECT_EQ(dequantized<uint8_t>(DType::f8_e4m3, {0x38, 0xFE, 0x01}), (std::vector<float>{1.0F, -448.0F, 0x1p-9F}));
  EXPECT_EQ(dequantized<int8_t>(DType::i8, {-128, 127}), (std::vector<float>{-128.0F, 127.0F}));
  EXPECT_EQ(dequantized<uint8_t>(DType::u8, {0, 255}), (std::vector<float>{0.0F, 255.0F}));
  EXPECT_EQ(dequantized<int32_t>(DType::i32, {-7, 1 << 24}), (std::vector<float>{-7.0F, 0x1p24F}));
  EXPECT_EQ(dequantized<int64_t>(DType::i64, {-7, 9}), (std::vector<float>{-7.0F, 9.0F}));
}

TEST(Dequantize, an_empty_row_writes_nothing) {
  float untouched = 42.0F;
  dequantize_row_scalar(DType::q4_k, nullptr, 0, &untouched);
  EXPECT_EQ(untouched, 42.0F);
}

TEST(DequantizeDeathTest, half_a_block_is_our_own_mistake) {
  const std::vector<std::byte> row(18);
  float out[32];
  EXPECT_DEATH(dequantize_row_scalar(DType::q4_0, row.data(), 31, out), "block_elements");
}

}  // namespace
}  // namespace kedge::cpu
