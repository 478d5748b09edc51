#pragma once
// One column of an Arrow table, read where it lies.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kedge/result.h"
#include "python/module/arrow_abi.h"

namespace kedge::python {

/// Texts (string, large_string, string_view, or a dictionary of them) or whole numbers. Immutable; lives no longer than
/// the array that it was opened on. The array is trusted as any object of the same process is: of its layout only what
/// the interface states can be checked, and a length below 0 reads as null.
class Column {
 public:
  enum class Kind : uint8_t { offsets32, offsets64, views, dictionary, whole, unsigned_whole };

  /// Fails with invalid_input: the column has another type; `name` names it.
  static Result<Column> open(const ArrowSchema& schema, const ArrowArray& array, const std::string& name);

  [[nodiscard]] bool is_text() const { return kind_ != Kind::whole && kind_ != Kind::unsigned_whole; }
  /// As large_string has it: offsets of 64 bits, here or in the dictionary.
  [[nodiscard]] bool is_large() const;
  /// Nothing where it is null. REQUIRES: is_text(), 0 <= row < length.
  [[nodiscard]] std::optional<std::string_view> text(int64_t row) const;
  /// In decimal digits; nothing where it is null. REQUIRES: not is_text().
  [[nodiscard]] std::optional<std::string> digits(int64_t row) const;

 private:
  [[nodiscard]] bool is_null(int64_t at) const;
  [[nodiscard]] int64_t whole(int64_t at) const;
  [[nodiscard]] std::optional<std::string_view> view(int64_t at) const;

  Kind kind_ = Kind::offsets32;
  uint8_t bytes_ = 4;  // of a whole number
  bool signed_ = true;
  int64_t offset_ = 0;
  const uint8_t* validity_ = nullptr;  // null: none is null
  const void* first_ = nullptr;        // offsets, views or numbers
  const void* const* buffers_ = nullptr;
  std::shared_ptr<const Column> dictionary_;
  int64_t dictionary_length_ = 0;
};

}  // namespace kedge::python
