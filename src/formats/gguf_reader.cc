#include "formats/gguf_reader.h"

#include <fmt/format.h>

#include <limits>
#include <utility>
#include <vector>

#include "formats/gguf_types.h"
#include "formats/message.h"

namespace kedge::formats {
namespace {

using Type = GgufValue::Type;

/// Reads one number stored as Stored and keeps it as Kept.
template <typename Stored, typename Kept>
Result<GgufValue> single(GgufReader& reader, Type type, std::string_view key) {
  KEDGE_ASSIGN(const Stored stored, reader.number<Stored>(key));
  return GgufValue{.type = type, .value = static_cast<Kept>(stored)};
}

/// REQUIRES: count * sizeof(Stored) bytes are there.
template <typename Stored, typename Kept>
Result<GgufValue> sequence(GgufReader& reader, GgufValue array, uint64_t count, std::string_view key) {
  std::vector<Kept> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    KEDGE_ASSIGN(const Stored stored, reader.number<Stored>(key));
    values.push_back(static_cast<Kept>(stored));
  }
  array.value = std::move(values);
  return array;
}

}  // namespace

Error GgufReader::cut_off(std::string_view what, uint64_t expected) const {
  return corrupt(file_, fmt::format("ends at byte {} inside {}, which needs {} bytes from byte {}: cut off, or a wrong "
                                    "length",
                                    bytes_.size(), what, expected, offset_));
}

Result<std::string_view> GgufReader::string(std::string_view what, uint64_t bytes_max) {
  KEDGE_ASSIGN(const uint64_t size, number<uint64_t>(what));
  if (size > remaining()) return cut_off(what, size);
  if (size > bytes_max) {
    return corrupt(file_, fmt::format("{} is {} bytes long, the limit is {}", what, size, bytes_max));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + offset_), size);
  offset_ += size;
  return text;
}

Result<bool> GgufReader::boolean(std::string_view key) {
  KEDGE_ASSIGN(const uint8_t byte, number<uint8_t>(key));
  if (byte > 1) return corrupt(file_, fmt::format("{} has the truth value {}, expected 0 or 1", key, byte));
  return byte == 1;
}

Result<GgufValue> GgufReader::value(uint32_t type, std::string_view key, int depth) {
  const auto kind = static_cast<Type>(type);
  switch (kind) {
    case Type::u8:
      return single<uint8_t, uint64_t>(*this, kind, key);
    case Type::i8:
      return single<int8_t, int64_t>(*this, kind, key);
    case Type::u16:
      return single<uint16_t, uint64_t>(*this, kind, key);
    case Type::i16:
      return single<int16_t, int64_t>(*this, kind, key);
    case Type::u32:
      return single<uint32_t, uint64_t>(*this, kind, key);
    case Type::i32:
      return single<int32_t, int64_t>(*this, kind, key);
    case Type::f32:
      return single<float, double>(*this, kind, key);
    case Type::u64:
      return single<uint64_t, uint64_t>(*this, kind, key);
    case Type::i64:
      return single<int64_t, int64_t>(*this, kind, key);
    case Type::f64:
      return single<double, double>(*this, kind, key);
    case Type::boolean: {
      KEDGE_ASSIGN(const bool truth, boolean(key));
      return GgufValue{.type = kind, .value = truth};
    }
    case Type::string: {
      KEDGE_ASSIGN(const std::string_view text, string(key, std::numeric_limits<uint64_t>::max()));
      return GgufValue{.type = kind, .value = std::string(text)};
    }
    case Type::array:
      return array(key, depth);
  }
  return corrupt(file_, fmt::format("{} has value type {}, expected 0 to 12", key, type));
}

Result<GgufValue> GgufReader::array(std::string_view key, int depth) {
  if (depth >= kGgufArrayDepthMax) {
    return corrupt(file_, fmt::format("{} nests arrays deeper than {}", key, kGgufArrayDepthMax));
  }
  KEDGE_ASSIGN(const uint32_t number_of_type, number<uint32_t>(key));
  KEDGE_ASSIGN(const uint64_t count, number<uint64_t>(key));
  GgufValue array{.type = Type::array, .element_type = static_cast<Type>(number_of_type)};
  const uint64_t bytes_min = gguf_value_bytes_min(array.element_type);
  if (bytes_min == 0) {
    return corrupt(file_, fmt::format("{} is an array of value type {}, expected 0 to 12", key, number_of_type));
  }
  if (count > remaining() / bytes_min) {
    return corrupt(file_, fmt::format("{} is an array of {} {}, but only {} bytes follow: cut off, or a wrong count",
                                      key, count, gguf_value_name(array.element_type), remaining()));
  }
  if (count > kGgufArrayElementsMax - elements_read_) {
    return corrupt(file_, fmt::format("{} brings the array elements over the limit of {}", key, kGgufArrayElementsMax));
  }
  elements_read_ += count;
  switch (array.element_type) {
    case Type::u8:
      return sequence<uint8_t, uint64_t>(*this, std::move(array), count, key);
    case Type::i8:
      return sequence<int8_t, int64_t>(*this, std::move(array), count, key);
    case Type::u16:
      return sequence<uint16_t, uint64_t>(*this, std::move(array), count, key);
    case Type::i16:
      return sequence<int16_t, int64_t>(*this, std::move(array), count, key);
    case Type::u32:
      return sequence<uint32_t, uint64_t>(*this, std::move(array), count, key);
    case Type::i32:
      return sequence<int32_t, int64_t>(*this, std::move(array), count, key);
    case Type::f32:
      return sequence<float, double>(*this, std::move(array), count, key);
    case Type::u64:
      return sequence<uint64_t, uint64_t>(*this, std::move(array), count, key);
    case Type::i64:
      return sequence<int64_t, int64_t>(*this, std::move(array), count, key);
    case Type::f64:
      return sequence<double, double>(*this, std::move(array), count, key);
    default:
      return arrays(std::move(array), count, key, depth);
  }
}

Result<GgufValue> GgufReader::arrays(GgufValue array, uint64_t count, std::string_view key, int depth) {
  if (array.element_type == Type::boolean) {
    std::vector<bool> truths;
    for (uint64_t i = 0; i < count; ++i) {
      KEDGE_ASSIGN(const bool truth, boolean(key));
      truths.push_back(truth);
    }
    array.value = std::move(truths);
  } else if (array.element_type == Type::string) {
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < count; ++i) {
      KEDGE_ASSIGN(const std::string_view text, string(key, std::numeric_limits<uint64_t>::max()));
      texts.emplace_back(text);
    }
    array.value = std::move(texts);
  } else {
    std::vector<GgufValue> values;
    for (uint64_t i = 0; i < count; ++i) {
      KEDGE_ASSIGN(GgufValue inner, value(static_cast<uint32_t>(Type::array), key, depth + 1));
      values.push_back(std::move(inner));
    }
    array.value = std::move(values);
  }
  return array;
}

}  // namespace kedge::formats
