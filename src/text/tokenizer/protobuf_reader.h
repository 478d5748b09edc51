#pragma once
// The wire format of protocol buffers, as far as reading needs it: fields one after the other, every size checked.

#include <cstdint>
#include <optional>
#include <string_view>

#include "kedge/result.h"

namespace kedge::text {

struct ProtobufField {
  uint32_t number = 0;
  enum class Type { varint, fixed64, bytes, fixed32 } type = Type::varint;
  uint64_t value = 0;      // varint, fixed64, fixed32
  std::string_view bytes;  // bytes: a string, or a message inside

  [[nodiscard]] float as_float() const;  // fixed32
  [[nodiscard]] bool as_bool() const { return value != 0; }
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : bytes_(bytes), rest_(bytes) {}

  /// The next field; nothing at the end. Fails with corrupt_data.
  Result<std::optional<ProtobufField>> next();

 private:
  Result<uint64_t> read_varint();
  Result<std::string_view> read_bytes(uint64_t size);
  [[nodiscard]] Error corrupt(std::string_view what) const;

  std::string_view bytes_;
  std::string_view rest_;
};

/// Calls visit(ProtobufField) for every field of a message until one call fails.
template <typename Visit>
Status for_each_field(std::string_view message, Visit&& visit) {
  ProtobufReader reader(message);
  while (true) {
    KEDGE_ASSIGN(const std::optional<ProtobufField> field, reader.next());
    if (!field.has_value()) return Done{};
    KEDGE_TRY(visit(*field));
  }
}

}  // namespace kedge::text
