#pragma once
// GGUF v2 and v3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): read mapped, written atomically.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/file.h"
#include "core/tensor.h"
#include "kedge/result.h"

namespace kedge::formats {

/// A metadata value. Integers of every width are widened to 64 bits, float32 to double; `type` keeps the stored kind.
struct GgufValue {
  enum class Type : uint32_t {  // the numbers of the specification
    u8 = 0,
    i8 = 1,
    u16 = 2,
    i16 = 3,
    u32 = 4,
    i32 = 5,
    f32 = 6,
    boolean = 7,
    string = 8,
    array = 9,
    u64 = 10,
    i64 = 11,
    f64 = 12
  };
  Type type = Type::u32;
  Type element_type = Type::u32;  // of an array
  std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<uint64_t>, std::vector<int64_t>,
               std::vector<double>, std::vector<bool>, std::vector<std::string>, std::vector<GgufValue>>
      value;
};

/// One checked GGUF file. Immutable; its views live as long as it does.
/// Tensor shapes are reversed from the file's order: [rows, columns], as everywhere in kedge.
class GgufFile {
 public:
  /// Fails with not_found, unsupported (version, big endian, tensor type) or corrupt_data naming key or tensor.
  static Result<std::shared_ptr<const GgufFile>> open(const std::filesystem::path& path);

  /// The same over bytes that the caller keeps alive (tests, fuzzers, the built-in demo model).
  static Result<std::shared_ptr<const GgufFile>> parse(std::span<const std::byte> bytes, std::string_view name);

  [[nodiscard]] uint32_t version() const { return version_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// See MappedFile::forget.
  void forget(std::span<const std::byte> bytes) const {
    if (file_ != nullptr) file_->forget(bytes);
  }
  [[nodiscard]] const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  [[nodiscard]] const std::vector<TensorView>& tensors() const { return tensors_; }
  [[nodiscard]] const TensorView* find(std::string_view name) const;

  // Typed look-ups: nothing when the key is absent or of another kind (any integer kind serves as an integer,
  // integers serve as numbers).
  [[nodiscard]] std::optional<int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  [[nodiscard]] const std::string* string(std::string_view key) const;
  [[nodiscard]] const std::vector<std::string>* strings(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<double>> numbers(std::string_view key) const;

 private:
  GgufFile() = default;
  friend class GgufParser;

  std::string name_;
  uint32_t version_ = 3;
  std::shared_ptr<const MappedFile> file_;  // null: the bytes are the caller's
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

/// Writes a GGUF v3 file: whole or not at all. Metadata keeps the given order.
Status write_gguf(const std::filesystem::path& path, std::span<const std::pair<std::string, GgufValue>> metadata,
                  std::span<const TensorView> tensors, uint32_t alignment = 32);

}  // namespace kedge::formats
