#include "text/tokenizer/protobuf_reader.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace kedge::text {

float ProtobufField::as_float() const {
  return std::bit_cast<float>(static_cast<uint32_t>(value));
}

Error ProtobufReader::corrupt(std::string_view what) const {
  return Error{ErrorKind::corrupt_data,
               fmt::format("protobuf message: {} at byte {} of {}", what, bytes_.size() - rest_.size(), bytes_.size())};
}

Result<uint64_t> ProtobufReader::read_varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return corrupt("a number is cut off");
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return corrupt("a number has more than 10 bytes");
}

Result<std::string_view> ProtobufReader::read_bytes(uint64_t size) {
  if (size > rest_.size()) return corrupt(fmt::format("a field of {} bytes runs past the end", size));
  const std::string_view bytes = rest_.substr(0, static_cast<size_t>(size));
  rest_.remove_prefix(bytes.size());
  return bytes;
}

Result<std::optional<ProtobufField>> ProtobufReader::next() {
  if (rest_.empty()) return std::optional<ProtobufField>();
  KEDGE_ASSIGN(const uint64_t key, read_varint());
  ProtobufField field;
  if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) return corrupt("a field has no valid number");
  field.number = static_cast<uint32_t>(key >> 3);
  std::string_view bytes;
  switch (key & 7) {
    case 0: {
      KEDGE_ASSIGN(field.value, read_varint());
      return std::optional<ProtobufField>(field);
    }
    case 1: {
      KEDGE_ASSIGN(bytes, read_bytes(8));
      field.type = ProtobufField::Type::fixed64;
      break;
    }
    case 2: {
      KEDGE_ASSIGN(const uint64_t size, read_varint());
      KEDGE_ASSIGN(field.bytes, read_bytes(size));
      field.type = ProtobufField::Type::bytes;
      return std::optional<ProtobufField>(field);
    }
    case 5: {
      KEDGE_ASSIGN(bytes, read_bytes(4));
      field.type = ProtobufField::Type::fixed32;
      break;
    }
    default:
      return corrupt("a field has an unknown type");
  }
  std::memcpy(&field.value, bytes.data(), bytes.size());
  return std::optional<ProtobufField>(field);
}

}  // namespace kedge::text
