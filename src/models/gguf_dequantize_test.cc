// Goal: every tensor of the reference GGUF files dequantizes to the recorded values, bit for bit.
// Method: SHA-256 of the float32 data against FAMILY-TYPE.expected.json.

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <vector>

#include "core/json.h"
#include "cpu/dequantize.h"
#include "formats/gguf.h"
#include "formats/sha256_for_tests.h"

namespace kedge::models {
namespace {

std::vector<float> dequantized(const TensorView& tensor) {
  const int64_t columns = tensor.shape.back();
  const size_t stride = *row_bytes(tensor.dtype, static_cast<uint64_t>(columns));
  std::vector<float> values(tensor.data.size() / stride * static_cast<size_t>(columns));
  float* out = values.data();
  for (size_t offset = 0; offset < tensor.data.size(); offset += stride, out += columns) {
    cpu::dequantize_row_scalar(tensor.dtype, tensor.data.data() + offset, columns, out);
  }
  return values;
}

TEST(GgufDequantize, reference_files_have_the_recorded_values) {
  const std::filesystem::path folder = KEDGE_SOURCE_DIR "/../shared/data/models/gguf";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "THE REFERENCE FILES ARE ABSENT: nothing was compared";
  std::set<DType> seen;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    SCOPED_TRACE(entry.path().string());
    const auto file = formats::GgufFile::open(entry.path());
    ASSERT_TRUE(file.ok()) << file.error().message;
    std::filesystem::path beside = entry.path();
    const auto expected = read_json_file(beside.replace_extension(".expected.json"));
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    for (const TensorView& tensor : file.value()->tensors()) {
      const std::vector<float> values = dequantized(tensor);
      EXPECT_EQ(formats::sha256_hex(std::as_bytes(std::span(values))),
                expected.value().at("tensors").at(tensor.name).at("sha256_of_dequantized_f32").get<std::string>())
          << tensor.name << " " << name_of(tensor.dtype);
      seen.insert(tensor.dtype);
    }
  }
  for (const DType dtype : {DType::f32, DType::f16, DType::q8_0, DType::q4_0, DType::q4_k, DType::q6_k}) {
    EXPECT_TRUE(seen.contains(dtype)) << name_of(dtype);
  }
}

}  // namespace
}  // namespace kedge::models
