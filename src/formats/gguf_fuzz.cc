// Any bytes as a GGUF file: no crash, and what was accepted holds its promises.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/check.h"
#include "formats/gguf.h"
#include "formats/layout.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;  // NOLINT(google-build-using-namespace): a fuzzer's only function
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = formats::GgufFile::parse(bytes, "fuzz");
  if (!file.ok()) {
    KEDGE_CHECK(!file.error().message.empty());
    return 0;
  }
  uint64_t sum = 0;
  for (const TensorView& tensor : file.value()->tensors()) {
    KEDGE_CHECK(file.value()->find(tensor.name) == &tensor);
    KEDGE_CHECK(formats::tensor_bytes(tensor.dtype, tensor.shape) == static_cast<int64_t>(tensor.data.size()));
    for (const std::byte byte : tensor.data) sum += std::to_integer<unsigned>(byte);
  }
  KEDGE_CHECK(sum <= 255 * static_cast<uint64_t>(size));
  for (const auto& [key, value] : file.value()->metadata()) {
    const auto integers = file.value()->integers(key);
    const auto numbers = file.value()->numbers(key);
    if (integers.has_value()) KEDGE_CHECK(numbers.has_value() && numbers->size() == integers->size());
    if (file.value()->integer(key).has_value()) KEDGE_CHECK(file.value()->number(key).has_value());
  }
  return 0;
}
