#include "data/parquet_plugin/columns_plugin.h"

#include <array>
#include <charconv>
#include <cmath>

#include "data/json_text.h"

namespace kedge::data {
namespace {

template <typename Number>
void append_number(std::string& out, Number value) {
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) {
      out += "null";
      return;
    }
  }
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

template <typename Type>
void append_of(std::string& out, const arrow::Array& column, int64_t row) {
  append_number(out, static_cast<const arrow::NumericArray<Type>&>(column).Value(row));
}

/// Whether these bytes are UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto at = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U; };
    const unsigned first = at(0), second = at(1);
    const auto follows = [&](size_t k) { return (at(k) & 0xC0U) == 0x80U; };
    if (first < 0x80) {
      i += 1;
    } else if (first >= 0xC2 && first <= 0xDF && follows(1)) {
      i += 2;
    } else if ((first & 0xF0U) == 0xE0U && follows(1) && follows(2) && (first != 0xE0 || second >= 0xA0) &&
               (first != 0xED || second < 0xA0)) {
      i += 3;
    } else if (first >= 0xF0 && first <= 0xF4 && follows(1) && follows(2) && follows(3) &&
               (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second < 0x90)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

void append_bytes(std::string& out, std::string_view bytes) {
  if (is_utf8(bytes)) return append_json_string(out, bytes);
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4U];
    out += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  out += '"';
}

template <typename List>
void append_list(std::string& out, const arrow::Array& column, int64_t row) {
  const auto& list = static_cast<const List&>(column);
  out += '[';
  for (int64_t i = 0; i < list.value_length(row); ++i) {
    if (i > 0) out += ',';
    append_value(out, *list.values(), list.value_offset(row) + i);
  }
  out += ']';
}

void append_struct(std::string& out, const arrow::Array& column, int64_t row) {
  const auto& object = static_cast<const arrow::StructArray&>(column);
  out += '{';
  for (int i = 0; i < object.num_fields(); ++i) {
    if (i > 0) out += ',';
    append_bytes(out, object.struct_type()->field(i)->name());
    out += ':';
    append_value(out, *object.field(i), row);
  }
  out += '}';
}

void append_map(std::string& out, const arrow::Array& column, int64_t row) {
  const auto& map = static_cast<const arrow::MapArray&>(column);
  out += '[';
  for (int64_t i = 0; i < map.value_length(row); ++i) {
    out += i > 0 ? ",{\"key\":" : "{\"key\":";
    append_value(out, *map.keys(), map.value_offset(row) + i);
    out += ",\"value\":";
    append_value(out, *map.items(), map.value_offset(row) + i);
    out += '}';
  }
  out += ']';
}

/// Nested types and types by another name; false: it is none of these.
bool append_nested(std::string& out, const arrow::Array& column, int64_t row) {
  switch (column.type_id()) {
    case arrow::Type::LIST:
      append_list<arrow::ListArray>(out, column, row);
      return true;
    case arrow::Type::LARGE_LIST:
      append_list<arrow::LargeListArray>(out, column, row);
      return true;
    case arrow::Type::FIXED_SIZE_LIST:
      append_list<arrow::FixedSizeListArray>(out, column, row);
      return true;
    case arrow::Type::STRUCT:
      append_struct(out, column, row);
      return true;
    case arrow::Type::MAP:
      append_map(out, column, row);
      return true;
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(column);
      append_value(out, *dictionary.dictionary(), dictionary.GetValueIndex(row));
      return true;
    }
    case arrow::Type::EXTENSION:
      append_value(out, *static_cast<const arrow::ExtensionArray&>(column).storage(), row);
      return true;
    default:
      return false;
  }
}

/// The text in a cell; false: it holds none.
bool append_text(std::string& out, const arrow::Array& column, int64_t row) {
  switch (column.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      append_bytes(out, static_cast<const arrow::BinaryArray&>(column).GetView(row));
      return true;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      append_bytes(out, static_cast<const arrow::LargeBinaryArray&>(column).GetView(row));
      return true;
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      append_bytes(out, static_cast<const arrow::BinaryViewArray&>(column).GetView(row));
      return true;
    case arrow::Type::FIXED_SIZE_BINARY:
      append_bytes(out, static_cast<const arrow::FixedSizeBinaryArray&>(column).GetView(row));
      return true;
    default:
      return false;
  }
}

}  // namespace

void append_value(std::string& out, const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) {
    out += "null";
    return;
  }
  switch (column.type_id()) {
    case arrow::Type::NA:
      out += "null";
      return;
    case arrow::Type::BOOL:
      out += static_cast<const arrow::BooleanArray&>(column).Value(row) ? "true" : "false";
      return;
    case arrow::Type::INT8:
      return append_of<arrow::Int8Type>(out, column, row);
    case arrow::Type::INT16:
      return append_of<arrow::Int16Type>(out, column, row);
    case arrow::Type::INT32:
      return append_of<arrow::Int32Type>(out, column, row);
    case arrow::Type::INT64:
      return append_of<arrow::Int64Type>(out, column, row);
    case arrow::Type::UINT8:
      return append_of<arrow::UInt8Type>(out, column, row);
    case arrow::Type::UINT16:
      return append_of<arrow::UInt16Type>(out, column, row);
    case arrow::Type::UINT32:
      return append_of<arrow::UInt32Type>(out, column, row);
    case arrow::Type::UINT64:
      return append_of<arrow::UInt64Type>(out, column, row);
    case arrow::Type::FLOAT:
      return append_of<arrow::FloatType>(out, column, row);
    case arrow::Type::DOUBLE:
      return append_of<arrow::DoubleType>(out, column, row);
    default:
      break;
  }
  if (append_text(out, column, row) || append_nested(out, column, row)) return;
  const auto scalar = column.GetScalar(row);
  append_bytes(out, scalar.ok() ? (*scalar)->ToString() : std::string());
}

void append_row(std::string& out, const arrow::RecordBatch& batch, int64_t row) {
  out += '{';
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (i > 0) out += ',';
    append_bytes(out, batch.column_name(i));
    out += ':';
    append_value(out, *batch.column(i), row);
  }
  out += '}';
}

}  // namespace kedge::data
