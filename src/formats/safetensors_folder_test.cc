// Goal: a checkpoint folder is all of its shards and nothing else, or an error that names shard and tensor.
// Method: folders written into the temporary directory, one fault each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "formats/safetensors.h"
#include "formats/safetensors_index.h"

namespace kedge::formats {
namespace {

using testing::HasSubstr;

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("folder_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  void shard(const std::string& file, const std::vector<std::string>& names) {
    std::vector<TensorView> tensors;
    tensors.reserve(names.size());
    for (const std::string& name : names) {
      tensors.push_back({.name = name, .dtype = DType::u8, .shape = {1}, .data = std::as_bytes(std::span("x", 1))});
    }
    ASSERT_TRUE(write_safetensors(path_ / file, tensors).ok());
  }
  void index(const std::string& text) { std::ofstream(path_ / "model.safetensors.index.json") << text; }
  void expect_refused(const std::string& because, ErrorKind kind = ErrorKind::corrupt_data) {
    const auto folder = SafetensorsFolder::open(path_);
    ASSERT_FALSE(folder.ok());
    EXPECT_EQ(folder.error().kind, kind) << folder.error().message;
    EXPECT_THAT(folder.error().message, HasSubstr(because));
  }

  std::filesystem::path path_;
};

TEST_F(Folder, one_file) {
  shard("model.safetensors", {"a", "b"});
  const auto folder = SafetensorsFolder::open(path_);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_EQ(folder.value()->tensors().size(), 2U);
  EXPECT_EQ(folder.value()->file_of("b"), (path_ / "model.safetensors").string());
  EXPECT_EQ(folder.value()->file_of("c"), "");
  EXPECT_EQ(folder.value()->find("c"), nullptr);
}

TEST_F(Folder, shards_of_an_index) {
  shard("s1.safetensors", {"a", "b"});
  shard("s2.safetensors", {"c"});
  index(R"({"metadata":{"total_size":3,"more":[1,-2,{"weight_map":3.5}],"n":null,"t":true,"s":"x"},
            "weight_map":{"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"}})");
  const auto folder = SafetensorsFolder::open(path_);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_EQ(folder.value()->tensors().size(), 3U);
  EXPECT_EQ(folder.value()->file_of("c"), (path_ / "s2.safetensors").string());
  ASSERT_NE(folder.value()->find("a"), nullptr);
  EXPECT_EQ(folder.value()->find("a")->name, "a");
}

TEST_F(Folder, no_weights) {
  expect_refused("no weights, expected model.safetensors or", ErrorKind::not_found);
}

TEST_F(Folder, a_missing_shard) {
  shard("s1.safetensors", {"a"});
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  expect_refused("s2.safetensors: cannot open", ErrorKind::not_found);
  expect_refused("a shard named by", ErrorKind::not_found);
}

TEST_F(Folder, a_tensor_that_its_shard_lacks) {
  shard("s1.safetensors", {"a"});
  shard("s2.safetensors", {"b"});
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"}})");
  expect_refused("s1.safetensors: tensor 'b' is missing");
}

TEST_F(Folder, a_tensor_in_two_shards) {
  shard("s1.safetensors", {"a", "b"});
  shard("s2.safetensors", {"b"});
  index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  expect_refused("tensor 'b' is also in");
}

TEST_F(Folder, a_broken_shard) {
  std::ofstream(path_ / "s1.safetensors") << "{}";
  index(R"({"weight_map":{"a":"s1.safetensors"}})");
  expect_refused("s1.safetensors: 2 bytes long");
}

TEST_F(Folder, a_shard_outside_of_the_folder_is_refused) {
  shard("s1.safetensors", {"a"});
  for (const std::string name : {"../s1.safetensors", "/etc/passwd", "sub/s1.safetensors", "..", ".", ""}) {
    index(R"({"weight_map":{"a":")" + name + "\"}}");
    expect_refused("expected the name of a file in the same folder");
  }
}

TEST(SafetensorsIndex, indexes_that_are_not_of_the_format_are_refused) {
  const auto expect = [](const std::string& text, const std::string& because) {
    const auto result = parse_safetensors_index(text, "index.json");
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(result.error().message, HasSubstr(because)) << text;
    EXPECT_THAT(result.error().message, HasSubstr("index.json: "));
  };
  expect("", "not valid JSON");
  expect("[]", "not a JSON object");
  expect("3", "not a JSON object");
  expect("{}", "no weight_map");
  expect(R"({"metadata":{"weight_map":{"a":"b"}}})", "no weight_map");
  expect(R"({"weight_map":[]})", "weight_map is not an object");
  expect(R"({"weight_map":"x"})", "weight_map is not an object");
  expect(R"({"weight_map":{"a":3}})", "no file name for tensor 'a'");
  expect(R"({"weight_map":{"a":{}}})", "no file name for tensor 'a'");
  expect(R"({"weight_map":{"a":["x"]}})", "no file name for tensor 'a'");
  expect(R"({"weight_map":{"a":"x","a":"y"}})", "tensor 'a' twice");
  expect(R"({"weight_map":{"a":"x"},"weight_map":{"b":"x"}})", "weight_map is there twice");
  expect(R"({"metadata":)" + std::string(1000, '['), "nested deeper than 256 levels");
  expect(R"({"metadata":)" + std::string(1000, '{'), "not valid JSON");
}

TEST(SafetensorsIndex, the_member_after_the_map_is_not_part_of_it) {
  const auto result = parse_safetensors_index(R"({"weight_map":{"a":"x"},"metadata":{"b":"../y"},"c":"../z"})", "i");
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result.value(), (std::map<std::string, std::string>{{"a", "x"}}));
}

}  // namespace
}  // namespace kedge::formats
