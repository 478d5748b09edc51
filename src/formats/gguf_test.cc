// Goal: GGUF files are read exactly, and every way in which one can lie about itself is refused with a message that
// names file and key or tensor.
// Method: small files built in memory, one fault each; every truncation of a good file; a written file read back.

#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

#include "formats/gguf_types.h"

namespace kedge::formats {
namespace {

using testing::HasSubstr;
using Type = GgufValue::Type;

constexpr uint64_t kHuge = uint64_t{1} << 63;

/// The bytes of a GGUF file, value by value.
class Bytes {
 public:
  template <typename T>
  Bytes& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Bytes& u32(uint32_t value) { return put(value); }
  Bytes& u64(uint64_t value) { return put(value); }
  Bytes& text(const std::string& text) {
    u64(text.size());
    bytes_ += text;
    return *this;
  }
  Bytes& head(uint64_t tensor_count, uint64_t metadata_count, uint32_t version = 3) {
    bytes_ += "GGUF";
    return u32(version).u64(tensor_count).u64(metadata_count);
  }
  Bytes& key(const std::string& name, Type type) { return text(name).u32(static_cast<uint32_t>(type)); }
  Bytes& array(const std::string& name, Type element, uint64_t count) {
    return key(name, Type::array).u32(static_cast<uint32_t>(element)).u64(count);
  }
  Bytes& tensor(const std::string& name, std::vector<uint64_t> dimensions, uint32_t type, uint64_t offset) {
    text(name).u32(static_cast<uint32_t>(dimensions.size()));
    for (const uint64_t dimension : dimensions) u64(dimension);
    return u32(type).u64(offset);
  }
  /// Padding to `alignment`, then `size` bytes of data.
  Bytes& data(size_t size, size_t alignment = 32) {
    bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
    bytes_.append(size, 'd');
    return *this;
  }
  [[nodiscard]] const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

Result<std::shared_ptr<const GgufFile>> parse(const std::string& bytes) {
  return GgufFile::parse(std::as_bytes(std::span(bytes)), "model.gguf");
}

void expect_refused(const Bytes& bytes, const std::string& because, ErrorKind kind = ErrorKind::corrupt_data) {
  const auto result = parse(bytes.str());
  ASSERT_FALSE(result.ok()) << because;
  EXPECT_EQ(result.error().kind, kind) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr(because));
  EXPECT_THAT(result.error().message, HasSubstr("model.gguf: "));
}

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ40 = 2;

Bytes good_file() {
  return Bytes()
      .head(2, 2)
      .key("general.name", Type::string)
      .text("x")
      .array("list", Type::u8, 2)
      .put<uint8_t>(1)
      .put<uint8_t>(2)
      .tensor("a", {3, 2}, kF32, 0)
      .tensor("b", {32}, kQ40, 32)
      .data(32 + 18);
}

TEST(Gguf, reads_tensors_with_reversed_shapes) {
  const std::string bytes = good_file().str();
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file.value()->version(), 3U);
  EXPECT_EQ(file.value()->name(), "model.gguf");
  ASSERT_EQ(file.value()->tensors().size(), 2U);
  const TensorView* a = file.value()->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(a->data.size(), 24U);
  EXPECT_EQ(file.value()->find("b")->dtype, DType::q4_0);
  EXPECT_EQ(file.value()->find("b")->data.size(), 18U);
  EXPECT_EQ(static_cast<char>(file.value()->find("b")->data[17]), 'd');
  EXPECT_EQ(file.value()->find("c"), nullptr);
}

TEST(Gguf, reads_every_scalar_kind) {
  Bytes bytes;
  bytes.head(0, 12, 2);
  bytes.key("u8", Type::u8).put<uint8_t>(200).key("i8", Type::i8).put<int8_t>(-100);
  bytes.key("u16", Type::u16).put<uint16_t>(60000).key("i16", Type::i16).put<int16_t>(-30000);
  bytes.key("u32", Type::u32).put<uint32_t>(4000000000U).key("i32", Type::i32).put<int32_t>(-2000000000);
  bytes.key("u64", Type::u64).u64(kHuge).key("i64", Type::i64).put<int64_t>(std::numeric_limits<int64_t>::min());
  bytes.key("f32", Type::f32).put<float>(1.5F).key("f64", Type::f64).put<double>(-0.1);
  bytes.key("bool", Type::boolean).put<uint8_t>(1).key("string", Type::string).text("text");
  const auto result = parse(bytes.str());
  ASSERT_TRUE(result.ok()) << result.error().message;
  const GgufFile& file = *result.value();
  EXPECT_EQ(file.version(), 2U);
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4000000000);
  EXPECT_EQ(file.integer("i32"), -2000000000);
  EXPECT_EQ(file.integer("u64"), std::nullopt);  // does not fit
  EXPECT_EQ(file.number("u64"), 0x1p63);
  EXPECT_EQ(file.integer("i64"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(file.number("f32"), 1.5);
  EXPECT_EQ(file.number("f64"), -0.1);
  EXPECT_EQ(file.number("i8"), -100.0);
  EXPECT_EQ(file.integer("f32"), std::nullopt);
  EXPECT_EQ(file.boolean("bool"), true);
  EXPECT_EQ(file.boolean("u8"), std::nullopt);
  ASSERT_NE(file.string("string"), nullptr);
  EXPECT_EQ(*file.string("string"), "text");
  EXPECT_EQ(file.string("u8"), nullptr);
  EXPECT_EQ(file.integer("absent"), std::nullopt);
  EXPECT_EQ(file.metadata().at("i16").type, Type::i16);
}

TEST(Gguf, reads_every_kind_of_array) {
  Bytes bytes;
  bytes.head(0, 7);
  bytes.array("strings", Type::string, 2).text("a").text("");
  bytes.array("bools", Type::boolean, 2).put<uint8_t>(0).put<uint8_t>(1);
  bytes.array("floats", Type::f32, 2).put<float>(0.5F).put<float>(-2.0F);
  bytes.array("signed", Type::i16, 2).put<int16_t>(-5).put<int16_t>(5);
  bytes.array("unsigned", Type::u64, 1).u64(kHuge);
  bytes.array("empty", Type::f64, 0);
  bytes.array("nested", Type::array, 2).u32(4).u64(1).u32(7).u32(9).u64(1).u32(8).u64(1).text("deep");
  const auto result = parse(bytes.str());
  ASSERT_TRUE(result.ok()) << result.error().message;
  const GgufFile& file = *result.value();
  ASSERT_NE(file.strings("strings"), nullptr);
  EXPECT_EQ(*file.strings("strings"), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(std::get<std::vector<bool>>(file.metadata().at("bools").value), (std::vector<bool>{false, true}));
  EXPECT_EQ(file.numbers("floats"), (std::vector<double>{0.5, -2.0}));
  EXPECT_EQ(file.integers("signed"), (std::vector<int64_t>{-5, 5}));
  EXPECT_EQ(file.numbers("signed"), (std::vector<double>{-5.0, 5.0}));
  EXPECT_EQ(file.integers("unsigned"), std::nullopt);
  EXPECT_EQ(file.numbers("unsigned"), (std::vector<double>{0x1p63}));
  EXPECT_EQ(file.numbers("empty"), (std::vector<double>{}));
  EXPECT_EQ(file.strings("floats"), nullptr);
  EXPECT_EQ(file.integers("strings"), std::nullopt);
  const auto& nested = std::get<std::vector<GgufValue>>(file.metadata().at("nested").value);
  ASSERT_EQ(nested.size(), 2U);
  EXPECT_EQ(std::get<std::vector<uint64_t>>(nested[0].value), (std::vector<uint64_t>{7}));
  const auto& inner = std::get<std::vector<GgufValue>>(nested[1].value);
  EXPECT_EQ(std::get<std::vector<std::string>>(inner.at(0).value), (std::vector<std::string>{"deep"}));
}

TEST(Gguf, foreign_versions_and_byte_orders_are_refused) {
  expect_refused(Bytes().u32(0x12345678), "begins with the bytes 78563412");
  expect_refused(Bytes().head(0, 0, 1), "GGUF version 1, expected 2 or 3", ErrorKind::unsupported);
  expect_refused(Bytes().head(0, 0, 4), "GGUF version 4", ErrorKind::unsupported);
  expect_refused(Bytes().head(0, 0, 0), "GGUF version 0", ErrorKind::unsupported);
  expect_refused(Bytes().head(0, 0, 0x03000000), "big endian", ErrorKind::unsupported);
}

TEST(Gguf, counts_are_compared_with_the_file) {
  expect_refused(Bytes().head(0, kHuge), "metadata count 9223372036854775808, but only 0 bytes follow");
  expect_refused(Bytes().head(kHuge, 0), "tensor count 9223372036854775808, but only 0 bytes follow");
  expect_refused(Bytes().head(~uint64_t{0}, 0).data(100), "tensor count 18446744073709551615");
  expect_refused(Bytes().head(1, 0).data(8), "tensor count 1, but only 16 bytes follow");
  for (const Type type : {Type::u8, Type::string, Type::array, Type::boolean, Type::f64}) {
    expect_refused(Bytes().head(0, 1).array("list", type, kHuge).data(64),
                   "metadata key 'list' is an array of 9223372036854775808");
  }
  expect_refused(Bytes().head(0, 1).array("list", Type::string, 2).u64(0),
                 "metadata key 'list' is an array of 2 string");
}

TEST(Gguf, lengths_of_strings_are_compared_with_the_file) {
  expect_refused(Bytes().head(0, 1).u64(kHuge).data(64),
                 "inside a metadata key, which needs 9223372036854775808 bytes");
  expect_refused(Bytes().head(0, 1).key("k", Type::string).u64(~uint64_t{0}), "inside metadata key 'k'");
  expect_refused(Bytes().head(0, 1).array("k", Type::string, 1).u64(9).u64(0),
                 "inside metadata key 'k', which needs 9");
  expect_refused(Bytes().head(1, 0).u64(kHuge).data(64), "inside a tensor's name");
  expect_refused(Bytes().head(0, 1).text(std::string(65536, 'k')).u32(0).u32(0), "is 65536 bytes long, the limit");
  expect_refused(Bytes().head(1, 0).tensor(std::string(1025, 'n'), {}, kF32, 0).data(4), "is 1025 bytes long");
}

TEST(Gguf, values_are_checked) {
  expect_refused(Bytes().head(0, 1).text("k").u32(13).u64(0), "metadata key 'k' has value type 13, expected 0 to 12");
  expect_refused(Bytes().head(0, 1).key("k", Type::array).u32(13).u64(0), "an array of value type 13");
  expect_refused(Bytes().head(0, 1).key("k", Type::boolean).put<uint8_t>(2), "has the truth value 2");
  expect_refused(Bytes().head(0, 1).array("k", Type::boolean, 1).put<uint8_t>(255), "has the truth value 255");
  expect_refused(Bytes().head(0, 2).key("k", Type::u8).put<uint8_t>(1).key("k", Type::u8).put<uint8_t>(1),
                 "metadata key 'k' is there twice");
}

TEST(Gguf, arrays_nested_too_deep_are_refused) {
  Bytes deepest;
  deepest.head(0, 1).array("k", Type::array, 1);
  for (int depth = 1; depth < kGgufArrayDepthMax - 1; ++depth) deepest.u32(9).u64(1);
  Bytes too_deep = deepest;
  EXPECT_TRUE(parse(deepest.u32(0).u64(0).str()).ok());
  expect_refused(too_deep.u32(9).u64(1).u32(0).u64(0), "nests arrays deeper than 8");
}

TEST(Gguf, tensors_of_foreign_types_are_unsupported_by_name) {
  expect_refused(Bytes().head(1, 0).tensor("blk.0.w", {256}, 16, 0).data(66), "tensor 'blk.0.w' has type 16 (IQ2_XXS)",
                 ErrorKind::unsupported);
  expect_refused(Bytes().head(1, 0).tensor("blk.0.w", {256}, 4, 0).data(66), "has type 4,", ErrorKind::unsupported);
  expect_refused(Bytes().head(1, 0).tensor("w", {1}, ~0U, 0).data(66), "type 4294967295,", ErrorKind::unsupported);
}

TEST(Gguf, duplicate_tensors_are_refused) {
  expect_refused(Bytes().head(2, 0).tensor("a", {1}, kF32, 0).tensor("a", {1}, kF32, 32).data(36),
                 "tensor 'a' is there twice");
}

TEST(Gguf, shapes_are_checked) {
  expect_refused(Bytes().head(1, 0).tensor("a", {33}, kQ40, 0).data(64), "tensor 'a' has shape [33] of Q4_0");
  expect_refused(Bytes().head(1, 0).tensor("a", {}, kQ40, 0).data(64), "tensor 'a' has shape [] of Q4_0");
  expect_refused(Bytes().head(1, 0).tensor("a", {kHuge}, kF32, 0).data(64), "has the dimension 9223372036854775808");
  expect_refused(Bytes().head(1, 0).tensor("a", {kHuge - 1}, kF32, 0).data(64), "the byte count overflows");
  expect_refused(Bytes().head(1, 0).tensor("a", {1U << 31, 1U << 31, 8}, kF32, 0).data(64), "overflows");
  expect_refused(Bytes().head(1, 0).tensor("a", {1, 1, 1, 1, 1, 1, 1, 1, 1}, kF32, 0).data(64), "has 9 dimensions");
  expect_refused(Bytes().head(1, 0).text("a").u32(~0U).data(64), "has 4294967295 dimensions");
}

TEST(Gguf, offsets_are_checked) {
  const auto with_offset = [](uint64_t offset) { return Bytes().head(1, 0).tensor("a", {2}, kF32, offset).data(40); };
  EXPECT_TRUE(parse(with_offset(32).str()).ok());
  expect_refused(with_offset(8), "tensor 'a' has offset 8, expected a multiple of 32 (general.alignment)");
  expect_refused(with_offset(64), "tensor 'a' takes 8 bytes (F32 [2]) at offset 64, but the file holds 40 bytes");
  expect_refused(with_offset(kHuge), "at offset 9223372036854775808, but the file holds 40");
  expect_refused(with_offset(~uint64_t{0} - 31), "but the file holds 40");
  expect_refused(Bytes().head(1, 0).tensor("a", {11}, kF32, 0).data(40), "takes 44 bytes");
}

TEST(Gguf, overlapping_tensors_are_refused_and_holes_are_not) {
  const auto two = [](uint64_t first, uint64_t second) {
    return Bytes().head(2, 0).tensor("a", {9}, kF32, first).tensor("b", {9}, kF32, second).data(256);
  };
  EXPECT_TRUE(parse(two(0, 64).str()).ok());
  EXPECT_TRUE(parse(two(128, 0).str()).ok());
  expect_refused(two(0, 32), "tensor 'b' at offset 32 overlaps tensor 'a', which ends at 36");
  expect_refused(two(32, 0), "tensor 'a' at offset 32 overlaps tensor 'b'");
  expect_refused(two(0, 0), "overlaps");
}

TEST(Gguf, empty_tensors_are_fine) {
  const std::string bytes = Bytes().head(2, 0).tensor("a", {32, 0}, kQ40, 0).tensor("b", {1}, kF32, 0).data(4).str();
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file.value()->find("a")->data.size(), 0U);
}

TEST(Gguf, the_alignment_key_is_obeyed_and_checked) {
  const auto with_alignment = [](uint32_t alignment) {
    return Bytes().head(1, 1).key("general.alignment", Type::u32).u32(alignment).tensor("a", {1}, kF32, 64);
  };
  EXPECT_TRUE(parse(with_alignment(64).data(68, 64).str()).ok());
  expect_refused(with_alignment(128).data(68, 128), "has offset 64, expected a multiple of 128");
  for (const uint32_t alignment : {0U, 3U, 48U, 1U << 31, ~0U}) {
    expect_refused(with_alignment(alignment).data(68), "general.alignment is " + std::to_string(alignment));
  }
  expect_refused(Bytes().head(0, 1).key("general.alignment", Type::string).text("x"), "general.alignment is string");
}

TEST(Gguf, every_truncation_is_refused) {
  const std::string bytes = good_file().str();
  ASSERT_TRUE(parse(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    const auto result = parse(cut);
    ASSERT_FALSE(result.ok()) << size;
    EXPECT_EQ(result.error().kind, ErrorKind::corrupt_data) << size;
  }
}

TEST(Gguf, a_missing_file_is_not_found) {
  EXPECT_EQ(GgufFile::open("/nonexistent/x.gguf").error().kind, ErrorKind::not_found);
}

// The writer.

using Metadata = std::vector<std::pair<std::string, GgufValue>>;

TensorView view(std::string name, DType dtype, std::vector<int64_t> shape, std::string_view data) {
  return {.name = std::move(name), .dtype = dtype, .shape = std::move(shape), .data = std::as_bytes(std::span(data))};
}

Metadata one_of_each() {
  const GgufValue inner{.type = Type::array, .element_type = Type::i8, .value = std::vector<int64_t>{-1, 1}};
  return {
      {"general.architecture", {.type = Type::string, .value = std::string("llama")}},
      {"u8", {.type = Type::u8, .value = uint64_t{255}}},
      {"i8", {.type = Type::i8, .value = int64_t{-128}}},
      {"u16", {.type = Type::u16, .value = uint64_t{65535}}},
      {"i16", {.type = Type::i16, .value = int64_t{-32768}}},
      {"u32", {.type = Type::u32, .value = uint64_t{7}}},
      {"i32", {.type = Type::i32, .value = int64_t{-7}}},
      {"f32", {.type = Type::f32, .value = 0.5}},
      {"bool", {.type = Type::boolean, .value = true}},
      {"u64", {.type = Type::u64, .value = kHuge}},
      {"i64", {.type = Type::i64, .value = int64_t{-1}}},
      {"f64", {.type = Type::f64, .value = 0.1}},
      {"u8s", {.type = Type::array, .element_type = Type::u8, .value = std::vector<uint64_t>{0, 255}}},
      {"f32s", {.type = Type::array, .element_type = Type::f32, .value = std::vector<double>{0.25}}},
      {"bools", {.type = Type::array, .element_type = Type::boolean, .value = std::vector<bool>{true, false}}},
      {"texts", {.type = Type::array, .element_type = Type::string, .value = std::vector<std::string>{"a", ""}}},
      {"arrays", {.type = Type::array, .element_type = Type::array, .value = std::vector<GgufValue>{inner, inner}}}};
}

void expect_equal(const GgufValue& found, const GgufValue& expected, const std::string& key) {
  EXPECT_EQ(found.type, expected.type) << key;
  if (expected.type == Type::array) {
    EXPECT_EQ(found.element_type, expected.element_type) << key;
  }
  ASSERT_EQ(found.value.index(), expected.value.index()) << key;
  if (const auto* values = std::get_if<std::vector<GgufValue>>(&expected.value)) {
    const auto& found_values = std::get<std::vector<GgufValue>>(found.value);
    ASSERT_EQ(found_values.size(), values->size()) << key;
    for (size_t i = 0; i < values->size(); ++i) expect_equal(found_values[i], (*values)[i], key);
    return;
  }
  std::visit(
      [&](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (!std::is_same_v<Value, std::vector<GgufValue>>) {
          EXPECT_EQ(std::get<Value>(found.value), value) << key;
        }
      },
      expected.value);
}

TEST(GgufWriter, a_written_file_reads_back_equal) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "written.gguf";
  const std::string codes(2 * 18, 'q');
  const TensorView tensors[] = {view("norm.weight", DType::f32, {3}, "0123456789ab"),
                                view("empty", DType::f16, {0, 4}, ""), view("w", DType::q4_0, {2, 32}, codes),
                                view("i", DType::i64, {1}, "01234567")};
  const Metadata metadata = one_of_each();
  for (const uint32_t alignment : {32U, 8U, 4096U}) {
    const auto written = write_gguf(path, metadata, tensors, alignment);
    ASSERT_TRUE(written.ok()) << written.error().message;
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    for (const auto& [key, value] : metadata) expect_equal(file.value()->metadata().at(key), value, key);
    ASSERT_EQ(file.value()->tensors().size(), std::size(tensors));
    for (const TensorView& expected : tensors) {
      const TensorView* found = file.value()->find(expected.name);
      ASSERT_NE(found, nullptr) << expected.name;
      EXPECT_EQ(found->dtype, expected.dtype);
      EXPECT_EQ(found->shape, expected.shape);
      EXPECT_TRUE(std::ranges::equal(found->data, expected.data));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(found->data.data()) % alignment, 0U);
    }
  }
  std::filesystem::remove(path);
}

TEST(GgufWriter, refuses_what_could_not_be_read_and_leaves_nothing_behind) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "gguf_refused";
  std::filesystem::create_directories(folder);
  const auto refuse = [&](const Metadata& metadata, const std::vector<TensorView>& tensors, const std::string& because,
                          uint32_t alignment = 32) {
    const auto result = write_gguf(folder / "x.gguf", metadata, tensors, alignment);
    ASSERT_FALSE(result.ok()) << because;
    EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(result.error().message, HasSubstr(because));
  };
  const GgufValue one{.type = Type::u8, .value = uint64_t{1}};
  refuse({{"k", one}, {"k", one}}, {}, "metadata key 'k': it is there twice");
  refuse({{"k", {.type = Type::u8, .value = uint64_t{256}}}}, {}, "its value does not fit its type u8");
  refuse({{"k", {.type = Type::i8, .value = int64_t{128}}}}, {}, "its value does not fit its type i8");
  refuse({{"k", {.type = Type::u8, .value = int64_t{1}}}}, {}, "its value does not fit its type u8");
  refuse({{"k", {.type = Type::u8, .value = std::string("x")}}}, {}, "its value does not fit its type u8");
  refuse({{"k", {.type = Type::u8, .value = true}}}, {}, "its value does not fit its type u8");
  refuse({{"k", {.type = Type::f32, .value = uint64_t{1}}}}, {}, "its value does not fit its type f32");
  refuse({{"k", {.type = Type::array, .element_type = Type::u8, .value = uint64_t{1}}}}, {}, "type array");
  refuse({{"k", {.type = Type::u8, .value = std::vector<uint64_t>{1}}}}, {}, "its value does not fit its type u8");
  refuse({{"k", {.type = Type::array, .element_type = Type::u8, .value = std::vector<uint64_t>{256}}}}, {},
         "elements u8");
  refuse({{"k", {.type = Type::array, .element_type = Type::array, .value = std::vector<GgufValue>{one}}}}, {},
         "array");
  refuse({{"general.alignment", {.type = Type::u32, .value = uint64_t{8}}}}, {}, "written from the alignment given");
  refuse({}, {view("a", DType::u8, {1}, "x")}, "GGUF has no type U8");
  refuse({}, {view("a", DType::f32, {1}, "x")}, "1 bytes do not fit F32 [1]");
  refuse({}, {view("a", DType::q4_0, {31}, "x")}, "do not fit Q4_0 [31]");
  refuse({}, {view("a", DType::i8, {1}, "x"), view("a", DType::i8, {1}, "x")}, "tensor 'a': the name is there twice");
  refuse({}, {}, "alignment 24, expected a power of two", 24);
  refuse({}, {}, "alignment 0, expected a power of two", 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace kedge::formats
