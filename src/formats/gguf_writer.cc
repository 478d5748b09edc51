#include <fmt/format.h>

#include <bit>
#include <limits>
#include <set>
#include <type_traits>

#include "formats/gguf.h"
#include "formats/gguf_types.h"
#include "formats/layout.h"
#include "formats/message.h"
#include "formats/safetensors.h"

namespace kedge::formats {
namespace {

using Type = GgufValue::Type;
using Pair = std::pair<std::string, GgufValue>;

Error unwritable(std::string_view what, std::string_view name, const std::string& why) {
  return {ErrorKind::invalid_input, fmt::format("cannot write {} {}: {}", what, printable(name), why)};
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}

/// One number in its stored width; false when it does not fit there or the kinds disagree.
template <typename Stored, typename Kept>
bool put_number(std::string& out, Kept value) {
  if constexpr (std::is_floating_point_v<Stored>) {
    if (!std::is_floating_point_v<Kept>) return false;
  } else {
    if (!std::is_integral_v<Kept> || std::is_signed_v<Stored> != std::is_signed_v<Kept>) return false;
    if (static_cast<Kept>(static_cast<Stored>(value)) != value) return false;
  }
  put(out, static_cast<Stored>(value));
  return true;
}

template <typename Kept>
bool put_as(std::string& out, Type type, Kept value) {
  switch (type) {
    case Type::u8:
      return put_number<uint8_t>(out, value);
    case Type::i8:
      return put_number<int8_t>(out, value);
    case Type::u16:
      return put_number<uint16_t>(out, value);
    case Type::i16:
      return put_number<int16_t>(out, value);
    case Type::u32:
      return put_number<uint32_t>(out, value);
    case Type::i32:
      return put_number<int32_t>(out, value);
    case Type::f32:
      return put_number<float>(out, value);
    case Type::u64:
      return put_number<uint64_t>(out, value);
    case Type::i64:
      return put_number<int64_t>(out, value);
    case Type::f64:
      return put_number<double>(out, value);
    default:
      return false;
  }
}

bool put_payload(std::string& out, const GgufValue& value, int depth);

/// The elements of an array; false when one does not fit the element type.
class PutElements {
 public:
  PutElements(std::string& out, const GgufValue& array, int depth) : out_(out), array_(array), depth_(depth) {}

  template <typename T>
  bool operator()(const std::vector<T>& values) {
    put<uint64_t>(out_, values.size());
    for (const auto& value : values) {
      if (!element(value)) return false;
    }
    return true;
  }
  template <typename T>
  bool operator()(const T& /*not an array*/) {
    return false;
  }

 private:
  bool element(bool value) {
    if (array_.element_type != Type::boolean) return false;
    put<uint8_t>(out_, value ? 1 : 0);
    return true;
  }
  bool element(const std::string& value) {
    if (array_.element_type != Type::string) return false;
    put_text(out_, value);
    return true;
  }
  bool element(const GgufValue& value) {
    return array_.element_type == Type::array && value.type == Type::array && put_payload(out_, value, depth_ + 1);
  }
  bool element(uint64_t value) { return put_as(out_, array_.element_type, value); }
  bool element(int64_t value) { return put_as(out_, array_.element_type, value); }
  bool element(double value) { return put_as(out_, array_.element_type, value); }

  std::string& out_;
  const GgufValue& array_;
  int depth_;
};

/// What follows the value type in the file.
bool put_payload(std::string& out, const GgufValue& value, int depth) {
  if (value.type == Type::array) {
    if (depth >= kGgufArrayDepthMax || gguf_value_bytes_min(value.element_type) == 0) return false;
    put(out, static_cast<uint32_t>(value.element_type));
    return std::visit(PutElements(out, value, depth), value.value);
  }
  if (const auto* truth = std::get_if<bool>(&value.value)) {
    put<uint8_t>(out, *truth ? 1 : 0);
    return value.type == Type::boolean;
  }
  if (const auto* text = std::get_if<std::string>(&value.value)) {
    put_text(out, *text);
    return value.type == Type::string;
  }
  if (const auto* number = std::get_if<uint64_t>(&value.value)) return put_as(out, value.type, *number);
  if (const auto* number = std::get_if<int64_t>(&value.value)) return put_as(out, value.type, *number);
  if (const auto* number = std::get_if<double>(&value.value)) return put_as(out, value.type, *number);
  return false;
}

Status put_metadata(std::string& out, std::span<const Pair> metadata, uint32_t alignment) {
  std::set<std::string_view> keys;
  for (const auto& [key, value] : metadata) {
    if (!keys.insert(key).second) return unwritable("metadata key", key, "it is there twice");
    if (key.size() > kGgufKeyBytesMax) return unwritable("metadata key", key, "it is longer than 65535 bytes");
    if (key == kGgufAlignmentKey) return unwritable("metadata key", key, "it is written from the alignment given");
    put_text(out, key);
    put(out, static_cast<uint32_t>(value.type));
    if (!put_payload(out, value, 0)) {
      return unwritable("metadata key", key,
                        fmt::format("its value does not fit its type {} (elements {})", gguf_value_name(value.type),
                                    gguf_value_name(value.element_type)));
    }
  }
  if (alignment != kGgufAlignmentDefault) {
    put_text(out, kGgufAlignmentKey);
    put(out, static_cast<uint32_t>(Type::u32));
    put(out, alignment);
  }
  return Done{};
}

Status put_entry(std::string& out, const TensorView& tensor, uint64_t offset) {
  const std::optional<uint32_t> type = gguf_of_dtype(tensor.dtype);
  if (!type.has_value()) {
    return unwritable("tensor", tensor.name, fmt::format("GGUF has no type {}", name_of(tensor.dtype)));
  }
  if (tensor.name.size() > kGgufNameBytesMax || tensor.shape.size() > kTensorRankMax) {
    return unwritable("tensor", tensor.name,
                      fmt::format("its name or shape is past the limits of {} bytes and {} "
                                  "dimensions",
                                  kGgufNameBytesMax, kTensorRankMax));
  }
  const std::optional<int64_t> expected = tensor_bytes(tensor.dtype, tensor.shape);
  if (!expected.has_value() || tensor.data.size() != static_cast<uint64_t>(*expected)) {
    return unwritable(
        "tensor", tensor.name,
        fmt::format("{} bytes do not fit {} {}", tensor.data.size(), name_of(tensor.dtype), shape_text(tensor.shape)));
  }
  put_text(out, tensor.name);
  put(out, static_cast<uint32_t>(tensor.shape.size()));
  for (auto dimension = tensor.shape.rbegin(); dimension != tensor.shape.rend(); ++dimension) put(out, *dimension);
  put(out, *type);
  put(out, offset);
  return Done{};
}

uint64_t padding(uint64_t size, uint32_t alignment) {
  return (alignment - size % alignment) % alignment;
}

}  // namespace

Status write_gguf(const std::filesystem::path& path, std::span<const std::pair<std::string, GgufValue>> metadata,
                  std::span<const TensorView> tensors, uint32_t alignment) {
  if (!std::has_single_bit(alignment) || alignment > kGgufAlignmentMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("cannot write {}: alignment {}, expected a power of two up to {}", path.string(),
                             alignment, kGgufAlignmentMax)};
  }
  std::string head;
  put(head, kGgufMagic);
  put<uint32_t>(head, 3);
  put<uint64_t>(head, tensors.size());
  put<uint64_t>(head, metadata.size() + (alignment == kGgufAlignmentDefault ? 0 : 1));
  KEDGE_TRY(put_metadata(head, metadata, alignment));
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    if (!names.insert(tensor.name).second) return unwritable("tensor", tensor.name, "the name is there twice");
    KEDGE_TRY(put_entry(head, tensor, offset));
    offset += tensor.data.size() + padding(tensor.data.size(), alignment);
  }
  head.append(padding(head.size(), alignment), '\0');

  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(head));
  const std::string zeros(alignment, '\0');
  for (const TensorView& tensor : tensors) {
    KEDGE_TRY(file.write(tensor.data));
    KEDGE_TRY(file.write(std::string_view(zeros).substr(0, padding(tensor.data.size(), alignment))));
  }
  return file.commit();
}

}  // namespace kedge::formats
