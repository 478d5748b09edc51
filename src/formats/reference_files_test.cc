// Goal: the reference checkpoints and GGUF files are read as their makers recorded them.
// Method: name, dtype, shape and the first 16 hex digits of the SHA-256 of every tensor's bytes (safetensors), name,
// type and shape (GGUF; the values are compared in models/gguf_dequantize_test.cc) against expected.json.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/json.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "formats/sha256_for_tests.h"

namespace kedge::formats {
namespace {

const std::filesystem::path kModels = KEDGE_SOURCE_DIR "/../shared/data/models";
constexpr const char* kAbsent = "THE REFERENCE FILES ARE ABSENT: nothing was compared";

void compare_folder(const std::filesystem::path& path, const Json& expected) {
  SCOPED_TRACE(path.string());
  const auto folder = SafetensorsFolder::open(path);
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_EQ(folder.value()->tensors().size(), expected.size());
  for (const auto& [name, record] : expected.items()) {
    const TensorView* tensor = folder.value()->find(name);
    ASSERT_NE(tensor, nullptr) << name;
    const auto dtype = record["dtype"].get<std::string>();
    EXPECT_EQ(name_of(tensor->dtype), dtype == "float32" ? "F32" : dtype == "bfloat16" ? "BF16" : dtype) << name;
    EXPECT_EQ(tensor->shape, record["shape"].get<std::vector<int64_t>>()) << name;
    if (record.contains("file")) {
      EXPECT_EQ(folder.value()->file_of(name), (path / record["file"].get<std::string>()).string());
    }
    EXPECT_EQ(sha256_hex(tensor->data).substr(0, 16), record["sha256_16"].get<std::string>()) << name;
  }
}

TEST(ReferenceFiles, checkpoints_are_read_as_recorded) {
  if (!std::filesystem::exists(kModels / "models")) GTEST_SKIP() << kAbsent;
  size_t folders = 0;
  for (const auto& family : std::filesystem::directory_iterator(kModels / "models")) {
    if (!family.is_directory()) continue;
    const auto expected = read_json_file(family.path() / "expected.json");
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    for (const auto& [precision, tensors] : expected.value()["tensors"].items()) {
      compare_folder(family.path() / precision, tensors);
      ++folders;
    }
  }
  EXPECT_GE(folders, 40U);
}

TEST(ReferenceFiles, gguf_files_are_read_as_recorded) {
  if (!std::filesystem::exists(kModels / "gguf")) GTEST_SKIP() << kAbsent;
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kModels / "gguf")) {
    if (entry.path().extension() != ".gguf") continue;
    SCOPED_TRACE(entry.path().string());
    const auto file = GgufFile::open(entry.path());
    ASSERT_TRUE(file.ok()) << file.error().message;
    std::filesystem::path beside = entry.path();
    const auto expected = read_json_file(beside.replace_extension(".expected.json"));
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    EXPECT_EQ(file.value()->tensors().size(), expected.value()["tensors"].size());
    for (const auto& [name, record] : expected.value()["tensors"].items()) {
      const TensorView* tensor = file.value()->find(name);
      ASSERT_NE(tensor, nullptr) << name;
      EXPECT_EQ(name_of(tensor->dtype), record["type"].get<std::string>()) << name;
      EXPECT_EQ(tensor->shape, record["shape_rows_cols"].get<std::vector<int64_t>>()) << name;
    }
    ++files;
  }
  EXPECT_GE(files, 10U);
}

}  // namespace
}  // namespace kedge::formats
