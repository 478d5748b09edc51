#include <fmt/format.h>

#include <set>

#include "core/json.h"
#include "formats/layout.h"
#include "formats/message.h"
#include "formats/safetensors.h"
#include "formats/safetensors_header.h"

namespace kedge::formats {
namespace {

constexpr size_t kHeaderAlignment = 8;

Error unwritable(const TensorView& tensor, const std::string& why) {
  return {ErrorKind::invalid_input, fmt::format("cannot write tensor {}: {}", printable(tensor.name), why)};
}

/// Refuses what `open` would refuse, so that a written file can always be read.
Status check_tensor(const TensorView& tensor) {
  if (safetensors_dtype_name(tensor.dtype).empty()) {
    return unwritable(tensor,
                      fmt::format("{} is a block type of GGUF, which safetensors has not", name_of(tensor.dtype)));
  }
  if (tensor.shape.size() > kTensorRankMax) {
    return unwritable(tensor, fmt::format("{} dimensions, the limit is {}", tensor.shape.size(), kTensorRankMax));
  }
  const std::optional<int64_t> expected = tensor_bytes(tensor.dtype, tensor.shape);
  if (!expected.has_value() || tensor.data.size() != static_cast<uint64_t>(*expected)) {
    return unwritable(tensor, fmt::format("{} bytes do not fit {} {}", tensor.data.size(), name_of(tensor.dtype),
                                          shape_text(tensor.shape)));
  }
  if (tensor.name == "__metadata__") return unwritable(tensor, "the name is reserved");
  return Done{};
}

/// `"key":{...}` pairs are joined by hand: a Json object looks for a key in all the keys before it.
Result<std::string> header_of(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + to_text(Json(metadata));
  std::set<std::string_view> names;
  uint64_t begin = 0;
  for (const TensorView& tensor : tensors) {
    KEDGE_TRY(check_tensor(tensor));
    if (!names.insert(tensor.name).second) return unwritable(tensor, "the name is there twice");
    if (header.size() > 1) header += ',';
    const uint64_t end = begin + tensor.data.size();
    header += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", to_text(Json(tensor.name)),
                          safetensors_dtype_name(tensor.dtype), fmt::join(tensor.shape, ","), begin, end);
    begin = end;
  }
  header += '}';
  header.append((kHeaderAlignment - header.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  if (header.size() > kSafetensorsHeaderBytesMax || tensors.size() > kTensorCountMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("cannot write {} tensors with a header of {} bytes: the limits "
                             "are {} and {}",
                             tensors.size(), header.size(), kTensorCountMax, kSafetensorsHeaderBytesMax)};
  }
  return header;
}

}  // namespace

Status write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const std::map<std::string, std::string>& metadata) {
  KEDGE_ASSIGN(const std::string header, header_of(tensors, metadata));
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  const uint64_t length = header.size();
  KEDGE_TRY(file.write(std::as_bytes(std::span(&length, 1))));
  KEDGE_TRY(file.write(header));
  for (const TensorView& tensor : tensors) KEDGE_TRY(file.write(tensor.data));
  return file.commit();
}

}  // namespace kedge::formats
