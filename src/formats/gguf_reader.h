#pragma once
// A cursor over the bytes of a GGUF file that never reads past their end, and the metadata values read with it.

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "formats/gguf.h"
#include "kedge/result.h"

namespace kedge::formats {

/// Reads little-endian values one after the other. Messages begin with the file's name.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint64_t remaining() const { return bytes_.size() - offset_; }
  [[nodiscard]] std::string_view file() const { return file_; }

  /// A number of any plain type. `what` names it in the error.
  template <typename T>
  Result<T> number(std::string_view what) {
    if (remaining() < sizeof(T)) return cut_off(what, sizeof(T));
    T value{};
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  /// A length and that many bytes; a view into the file.
  Result<std::string_view> string(std::string_view what, uint64_t bytes_max);

  /// A value of `type`. `key` names it in errors.
  Result<GgufValue> value(uint32_t type, std::string_view key, int depth = 0);

 private:
  [[nodiscard]] Error cut_off(std::string_view what, uint64_t expected) const;
  Result<GgufValue> array(std::string_view key, int depth);
  Result<GgufValue> arrays(GgufValue array, uint64_t count, std::string_view key, int depth);
  Result<bool> boolean(std::string_view key);

  std::span<const std::byte> bytes_;
  std::string_view file_;
  uint64_t offset_ = 0;
  uint64_t elements_read_ = 0;  // of all arrays
};

}  // namespace kedge::formats
