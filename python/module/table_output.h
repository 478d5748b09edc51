#pragma once
// Tables made here, handed out by the Arrow C Data Interface.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "python/module/arrow_abi.h"

namespace kedge::python {

/// A column that grows value by value. One thread at a time.
class OutputColumn {
 public:
  enum class Type : uint8_t { boolean, whole, number, text, large_text };
  OutputColumn(std::string name, Type type);

  void add_null();
  void add(bool value);
  void add(int64_t value);
  void add(double value);
  void add(std::string_view value);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const char* format() const;
  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] int64_t null_count() const { return nulls_; }
  /// Validity, then values; or validity, offsets and bytes.
  [[nodiscard]] std::vector<const void*> buffers() const;

 private:
  void push_valid(bool valid);
  void end_text();
  /// Offsets of 32 bits become 64 bits: a text column becomes a large one.
  void widen();
  template <typename T>
  void push(T value);

  std::string name_;
  Type type_;
  int64_t length_ = 0, nulls_ = 0;
  std::vector<uint8_t> validity_;
  std::vector<char> values_;  // or offsets
  std::string bytes_;         // of texts
};

/// Columns of the same length. Immutable, shared with whoever imported it.
class Table {
 public:
  explicit Table(std::vector<OutputColumn> columns) : columns_(std::move(columns)) {}
  [[nodiscard]] const std::vector<OutputColumn>& columns() const { return columns_; }
  [[nodiscard]] int64_t length() const { return columns_.empty() ? 0 : columns_.front().length(); }

 private:
  std::vector<OutputColumn> columns_;
};

/// Filled structures that their consumer releases. Nothing is copied: they share the table.
void export_schema(const std::shared_ptr<const Table>& table, ArrowSchema& out);
void export_array(const std::shared_ptr<const Table>& table, ArrowArray& out);
void export_stream(const std::shared_ptr<const Table>& table, ArrowArrayStream& out);

}  // namespace kedge::python
