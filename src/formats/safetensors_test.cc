// Goal: safetensors files are read exactly, and every way in which one can lie about itself is refused with a message
// that names file and tensor.
// Method: small files built in memory, one fault each; every truncation of a good file; a written file read back.

#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/file.h"

namespace kedge::formats {
namespace {

using testing::HasSubstr;

std::string file_bytes(const std::string& header, const std::string& data, uint64_t length) {
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + data;
}
std::string file_bytes(const std::string& header, const std::string& data) {
  return file_bytes(header, data, header.size());
}

Result<std::shared_ptr<const SafetensorsFile>> parse(const std::string& bytes) {
  return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "weights.safetensors");
}

void expect_refused(const std::string& header, const std::string& data, const std::string& because,
                    ErrorKind kind = ErrorKind::corrupt_data) {
  SCOPED_TRACE(header);
  const std::string bytes = file_bytes(header, data);
  const auto result = parse(bytes);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, kind);
  EXPECT_THAT(result.error().message, HasSubstr(because));
  EXPECT_THAT(result.error().message, HasSubstr("weights.safetensors: "));
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

TEST(Safetensors, reads_every_dtype_in_file_order) {
  // Listed against the order of their data; widths 4 2 2 1 1 4 8 1.
  const std::string header = "{" + tensor("h", "U8", "[1]", "[22,23]") + "," + tensor("a", "F32", "[1]", "[0,4]") +
                             "," + tensor("b", "F16", "[1]", "[4,6]") + "," + tensor("c", "BF16", "[1,1]", "[6,8]") +
                             "," + tensor("d", "F8_E4M3", "[]", "[8,9]") + "," + tensor("e", "I8", "[1]", "[9,10]") +
                             "," + tensor("f", "I32", "[1]", "[10,14]") + "," + tensor("g", "I64", "[1]", "[14,22]") +
                             "," + R"("__metadata__":{"format":"pt"}})";
  const std::string bytes = file_bytes(header + "   ", "0123456789abcdefghijklm");
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file.value()->tensors().size(), 8U);
  const DType dtypes[] = {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3,
                          DType::i8,  DType::i32, DType::i64,  DType::u8};
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(file.value()->tensors()[i].name, std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(file.value()->tensors()[i].dtype, dtypes[i]);
  }
  EXPECT_EQ(file.value()->metadata().at("format"), "pt");
  const TensorView* c = file.value()->find("c");
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->shape, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(static_cast<char>(c->data[0]), '6');
  EXPECT_EQ(c->data.size(), 2U);
  EXPECT_TRUE(file.value()->find("d")->shape.empty());
  EXPECT_EQ(file.value()->find("z"), nullptr);
}

TEST(Safetensors, empty_files_and_empty_tensors_are_fine) {
  EXPECT_TRUE(parse(file_bytes("{}", "")).ok());
  const std::string bytes =
      file_bytes("{" + tensor("a", "F32", "[0,3]", "[0,0]") + "," + tensor("b", "U8", "[2]", "[0,2]") + "," +
                     tensor("c", "F32", "[4,0]", "[2,2]") + "}",
                 "xy");
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file.value()->find("c")->data.size(), 0U);
}

TEST(Safetensors, header_length_is_checked) {
  EXPECT_THAT(parse("").error().message, HasSubstr("0 bytes long"));
  EXPECT_THAT(parse("1234567").error().message, HasSubstr("7 bytes long"));
  EXPECT_THAT(parse(file_bytes("{}", "", 3)).error().message, HasSubstr("header length 3 reaches past the end"));
  for (const uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    EXPECT_THAT(parse(file_bytes("{}", "", length)).error().message, HasSubstr("reaches past the end"));
  }
}

TEST(Safetensors, a_header_over_the_limit_is_refused) {
  const std::string bytes = file_bytes("{}" + std::string(kSafetensorsHeaderBytesMax, ' '), "");
  EXPECT_THAT(parse(bytes).error().message, HasSubstr("the limit is 104857600"));
}

TEST(Safetensors, headers_that_are_not_of_the_format_are_refused) {
  expect_refused("", "", "not valid JSON");
  expect_refused("{", "", "not valid JSON");
  expect_refused("{} x", "", "not valid JSON");
  expect_refused("[]", "", "not a JSON object");
  expect_refused("7", "", "not a JSON object");
  expect_refused("null", "", "not a JSON object");
  expect_refused("\"text\"", "", "not a JSON object");
  expect_refused("{\"a\":7}", "", "tensor 'a' has an unexpected number");
  expect_refused("{\"a\":null}", "", "tensor 'a' has an unexpected null");
  expect_refused("{\"a\":[]}", "", "tensor 'a' has an unexpected array");
  expect_refused("{\"a\":{}}", "", "tensor 'a' lacks a field");
  expect_refused(R"({"a":{"dtype":"F32","shape":[]}})", "", "tensor 'a' lacks a field");
  expect_refused(R"({"a":{"dtype":"F32","dtype":"F32"}})", "", "field dtype twice");
  expect_refused(R"({"a":{"dtype":1}})", "", "unexpected number");
  expect_refused(R"({"a":{"dtype":["F32"]}})", "", "unexpected array");
  expect_refused(R"({"a":{"shape":"x"}})", "", "unexpected string");
  expect_refused(R"({"a":{"shape":[[1]]}})", "", "unexpected array");
  expect_refused(R"({"a":{"shape":[{}]}})", "", "unexpected object");
  expect_refused(R"({"a":{"shape":[true]}})", "", "unexpected true or false");
  expect_refused(R"({"a":{"bits":4}})", "", "unknown field 'bits'");
  expect_refused(R"({"__metadata__":{"a":1}})", "", "__metadata__");
  expect_refused(R"({"__metadata__":{"a":{"b":"c"}}})", "", "__metadata__");
  expect_refused(R"({"__metadata__":{"a":"1","a":"2"}})", "", "key 'a' twice");
  expect_refused("{\"a\xff\":1}", "", "not valid JSON");
  expect_refused(std::string(100000, '['), "", "not a JSON object");
  expect_refused("{\"a\":" + std::string(100000, '{'), "", "not valid JSON");
}

TEST(Safetensors, duplicate_names_are_refused) {
  const std::string twice = "{" + tensor("a", "U8", "[1]", "[0,1]") + "," + tensor("a", "U8", "[1]", "[1,2]") + "}";
  expect_refused(twice, "xy", "tensor 'a' is in the header twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", "", "twice");
}

TEST(Safetensors, unknown_dtypes_are_unsupported_by_name) {
  for (const char* dtype : {"F64", "F4", "C64", "BOOL", "f32", ""}) {
    expect_refused("{" + tensor("layer.weight", dtype, "[1]", "[0,1]") + "}", "x", "tensor 'layer.weight' has dtype",
                   ErrorKind::unsupported);
  }
}

TEST(Safetensors, numbers_are_checked_before_use) {
  const auto with_shape = [](const std::string& shape) { return "{" + tensor("a", "F32", shape, "[0,4]") + "}"; };
  expect_refused(with_shape("[-1]"), "wxyz", "has the number -1");
  expect_refused(with_shape("[1.5]"), "wxyz", "has the number 1.5");
  expect_refused(with_shape("[9223372036854775808]"), "wxyz", "dimension 9223372036854775808");
  expect_refused(with_shape("[18446744073709551616]"), "wxyz", "has the number 18446744073709551616");
  expect_refused(with_shape("[9223372036854775807]"), "wxyz", "byte count overflows");
  expect_refused(with_shape("[4294967296,4294967296]"), "wxyz", "byte count overflows");
  expect_refused(with_shape("[0,4294967296,4294967296]"), "wxyz", "byte count overflows");
  expect_refused(with_shape("[1,1,1,1,1,1,1,1,1]"), "wxyz", "more than 8 dimensions");
  expect_refused(with_shape("[2]"), "wxyz", "has 4 bytes (data_offsets [0, 4]), expected 8 (F32 [2])");
  expect_refused(with_shape("[0]"), "wxyz", "has 4 bytes (data_offsets [0, 4]), expected 0");
}

TEST(Safetensors, offsets_are_checked_before_use) {
  const auto with_offsets = [](const std::string& offsets) { return "{" + tensor("a", "F32", "[1]", offsets) + "}"; };
  expect_refused(with_offsets("[4,0]"), "wxyz", "expected begin <= end");
  expect_refused(with_offsets("[0,5]"), "wxyz", "the file holds 4 bytes of data");
  expect_refused(with_offsets("[4,8]"), "wxyz", "the file holds 4 bytes of data");
  expect_refused(with_offsets("[0]"), "wxyz", "has 1 data_offsets");
  expect_refused(with_offsets("[0,4,8]"), "wxyz", "more than 2 data_offsets");
  expect_refused(with_offsets("[-4,0]"), "wxyz", "has the number -4");
  expect_refused(with_offsets("[9223372036854775808,9223372036854775812]"), "wxyz", "the file holds 4 bytes");
  expect_refused(with_offsets("[18446744073709551612,0]"), "wxyz", "expected begin <= end");
}

TEST(Safetensors, data_is_tiled_without_overlap_or_hole) {
  const auto two = [](const std::string& first, const std::string& second) {
    return "{" + tensor("a", "U8", "[2]", first) + "," + tensor("b", "U8", "[2]", second) + "}";
  };
  EXPECT_TRUE(parse(file_bytes(two("[2,4]", "[0,2]"), "wxyz")).ok());
  expect_refused(two("[0,2]", "[1,3]"), "wxy", "tensor 'b' begins at byte 1 of the data, expected 2: it overlaps");
  expect_refused(two("[0,2]", "[0,2]"), "wx", "tensor 'b' begins at byte 0 of the data, expected 2: it overlaps");
  expect_refused(two("[0,2]", "[3,5]"), "vwxyz", "expected 2: it leaves a hole after tensor 'a'");
  expect_refused(two("[1,3]", "[3,5]"), "vwxyz", "expected 0: it leaves a hole after the header");
  expect_refused(two("[0,2]", "[2,4]"), "vwxyz", "1 bytes follow the last tensor");
}

TEST(Safetensors, names_in_messages_are_safe_to_print) {
  expect_refused(R"({"a\u001b[31m":7})", "", R"(tensor 'a\x1b[31m')");
  expect_refused("{\"" + std::string(1000, 'a') + "\":7}", "", std::string(200, 'a') + "...'");
}

TEST(Safetensors, every_truncation_is_refused) {
  const std::string bytes = file_bytes(
      "{" + tensor("a", "U8", "[3]", "[0,3]") + "," + tensor("b", "F32", "[1,2]", "[3,11]") + "}", "abcdefghijk");
  ASSERT_TRUE(parse(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    const auto result = parse(cut);
    ASSERT_FALSE(result.ok()) << size;
    EXPECT_EQ(result.error().kind, ErrorKind::corrupt_data) << size;
  }
}

TEST(Safetensors, a_missing_file_and_a_folder_are_not_found) {
  EXPECT_EQ(SafetensorsFile::open("/nonexistent/x.safetensors").error().kind, ErrorKind::not_found);
  EXPECT_EQ(SafetensorsFile::open(testing::TempDir()).error().kind, ErrorKind::not_found);
}

// The writer.

TensorView view(std::string name, DType dtype, std::vector<int64_t> shape, std::string_view data) {
  return {.name = std::move(name), .dtype = dtype, .shape = std::move(shape), .data = std::as_bytes(std::span(data))};
}

TEST(SafetensorsWriter, a_written_file_reads_back_equal) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "written.safetensors";
  const TensorView tensors[] = {view("weight \"quoted\" \n", DType::f32, {1, 2}, "01234567"),
                                view("scalar", DType::bf16, {}, "ab"), view("empty", DType::i64, {0}, "")};
  const auto written = write_safetensors(path, tensors, {{"format", "pt"}, {"naïve", "\"\\"}});
  ASSERT_TRUE(written.ok()) << written.error().message;
  const auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file.value()->metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"naïve", "\"\\"}}));
  ASSERT_EQ(file.value()->tensors().size(), 3U);
  for (const TensorView& expected : tensors) {
    const TensorView* found = file.value()->find(expected.name);
    ASSERT_NE(found, nullptr) << expected.name;
    EXPECT_EQ(found->dtype, expected.dtype);
    EXPECT_EQ(found->shape, expected.shape);
    EXPECT_TRUE(std::ranges::equal(found->data, expected.data));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file.value()->tensors()[0].data.data()) % 8, 0U);
  }
  std::filesystem::remove(path);
}

TEST(SafetensorsWriter, refuses_what_could_not_be_read_and_leaves_nothing_behind) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "safetensors_refused";
  std::filesystem::create_directories(folder);
  const auto refuse = [&](std::vector<TensorView> tensors, const std::string& because) {
    const auto result = write_safetensors(folder / "x.safetensors", tensors);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(result.error().message, HasSubstr(because));
  };
  refuse({view("a", DType::u8, {1}, "x"), view("a", DType::u8, {1}, "x")}, "'a': the name is there twice");
  refuse({view("a", DType::f32, {1}, "x")}, "1 bytes do not fit F32 [1]");
  refuse({view("a", DType::q8_0, {32}, "x")}, "Q8_0 is a block type");
  refuse({view("a", DType::u8, {-1}, "")}, "do not fit U8 [-1]");
  refuse({view("a", DType::u8, {int64_t{1} << 62, 4}, "")}, "do not fit");
  refuse({view("a", DType::u8, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "x")}, "9 dimensions");
  refuse({view("__metadata__", DType::u8, {1}, "x")}, "reserved");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_EQ(write_safetensors("/nonexistent/x.safetensors", {}).error().kind, ErrorKind::not_found);
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace kedge::formats
