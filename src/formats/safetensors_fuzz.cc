// Any bytes as a .safetensors file and as an index of shards: no crash, and what was accepted holds its promises.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/check.h"
#include "formats/layout.h"
#include "formats/safetensors.h"
#include "formats/safetensors_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;  // NOLINT(google-build-using-namespace): a fuzzer's only function
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = formats::SafetensorsFile::parse(bytes, "fuzz");
  if (file.ok()) {
    unsigned sum = 0;
    for (const TensorView& tensor : file.value()->tensors()) {
      KEDGE_CHECK(file.value()->find(tensor.name) == &tensor);
      KEDGE_CHECK(formats::tensor_bytes(tensor.dtype, tensor.shape) == static_cast<int64_t>(tensor.data.size()));
      for (const std::byte byte : tensor.data) sum += std::to_integer<unsigned>(byte);
    }
    KEDGE_CHECK(sum <= 255 * size);
  } else {
    KEDGE_CHECK(!file.error().message.empty());
  }
  const auto index = formats::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (index.ok()) {
    for (const auto& [name, shard] : index.value()) KEDGE_CHECK(shard.find('/') == std::string::npos);
  }
  return 0;
}
