#include "python/module/text_column.h"

#include <fmt/format.h>

#include <cstring>

namespace kedge::python {
namespace {

struct WholeType {
  char format;
  uint8_t bytes;
  bool is_signed;
};
constexpr WholeType kWholeTypes[] = {{'c', 1, true}, {'C', 1, false}, {'s', 2, true}, {'S', 2, false},
                                     {'i', 4, true}, {'I', 4, false}, {'l', 8, true}, {'L', 8, false}};

const WholeType* whole_type(std::string_view format) {
  for (const WholeType& type : kWholeTypes) {
    if (format.size() == 1 && format[0] == type.format) return &type;
  }
  return nullptr;
}

template <typename T>
T value_at(const void* values, int64_t at) {
  T value;
  std::memcpy(&value, static_cast<const char*>(values) + at * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <typename Offset>
std::optional<std::string_view> between(const void* offsets, const void* bytes, int64_t at) {
  const auto begin = value_at<Offset>(offsets, at), end = value_at<Offset>(offsets, at + 1);
  if (begin < 0 || end < begin) return std::nullopt;
  return std::string_view(static_cast<const char*>(bytes) + begin, static_cast<size_t>(end - begin));
}

}  // namespace

Result<Column> Column::open(const ArrowSchema& schema, const ArrowArray& array, const std::string& name) {
  const std::string_view format = schema.format;
  Column column;
  column.offset_ = array.offset;
  column.buffers_ = array.buffers;
  const WholeType* const whole = whole_type(format);
  if (schema.dictionary != nullptr && array.dictionary != nullptr && whole != nullptr) {
    KEDGE_ASSIGN(Column values, open(*schema.dictionary, *array.dictionary, name));
    column.kind_ = Kind::dictionary;
    column.dictionary_ = std::make_shared<const Column>(std::move(values));
    column.dictionary_length_ = array.dictionary->length;
  } else if (format == "u") {
    column.kind_ = Kind::offsets32;
  } else if (format == "U") {
    column.kind_ = Kind::offsets64;
  } else if (format == "vu") {
    column.kind_ = Kind::views;
  } else if (whole != nullptr) {
    column.kind_ = whole->is_signed ? Kind::whole : Kind::unsigned_whole;
  } else {
    return Error{ErrorKind::invalid_input,
                 fmt::format("column '{}': found Arrow's type '{}', expected string, large_string, string_view, a "
                             "dictionary of strings or (ids) whole numbers; cast it first",
                             name, format)};
  }
  if (whole != nullptr) {
    column.bytes_ = whole->bytes;
    column.signed_ = whole->is_signed;
  }
  if (array.n_buffers < 2 || array.buffers == nullptr) {
    return Error{ErrorKind::invalid_input, fmt::format("column '{}': its array has no buffers", name)};
  }
  column.validity_ = static_cast<const uint8_t*>(array.buffers[0]);
  column.first_ = array.buffers[1];
  return column;
}

bool Column::is_large() const {
  return kind_ == Kind::dictionary ? dictionary_->is_large() : kind_ == Kind::offsets64;
}

bool Column::is_null(int64_t at) const {
  return validity_ != nullptr && (validity_[at / 8] >> (at % 8) & 1) == 0;
}

int64_t Column::whole(int64_t at) const {
  switch (bytes_) {
    case 1:
      return signed_ ? value_at<int8_t>(first_, at) : value_at<uint8_t>(first_, at);
    case 2:
      return signed_ ? value_at<int16_t>(first_, at) : value_at<uint16_t>(first_, at);
    case 4:
      return signed_ ? value_at<int32_t>(first_, at) : value_at<uint32_t>(first_, at);
    default:
      return value_at<int64_t>(first_, at);
  }
}

std::optional<std::string_view> Column::view(int64_t at) const {
  constexpr int32_t kInlineBytesMax = 12;
  constexpr int64_t kViewBytes = 16;
  const char* const entry = static_cast<const char*>(first_) + at * kViewBytes;
  const auto size = value_at<int32_t>(entry, 0);
  if (size < 0) return std::nullopt;
  if (size <= kInlineBytesMax) return std::string_view(entry + sizeof(int32_t), static_cast<size_t>(size));
  const auto buffer = value_at<int32_t>(entry, 2), begin = value_at<int32_t>(entry, 3);
  if (buffer < 0 || begin < 0) return std::nullopt;
  return std::string_view(static_cast<const char*>(buffers_[2 + buffer]) + begin, static_cast<size_t>(size));
}

std::optional<std::string_view> Column::text(int64_t row) const {
  const int64_t at = row + offset_;
  if (is_null(at)) return std::nullopt;
  switch (kind_) {
    case Kind::offsets32:
      return between<int32_t>(first_, buffers_[2], at);
    case Kind::offsets64:
      return between<int64_t>(first_, buffers_[2], at);
    case Kind::views:
      return view(at);
    case Kind::dictionary: {
      const int64_t index = whole(at);
      if (index < 0 || index >= dictionary_length_ || !dictionary_->is_text()) return std::nullopt;
      return dictionary_->text(index);
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::string> Column::digits(int64_t row) const {
  const int64_t at = row + offset_;
  if (is_null(at)) return std::nullopt;
  if (kind_ == Kind::unsigned_whole && bytes_ == 8) return std::to_string(value_at<uint64_t>(first_, at));
  return std::to_string(whole(at));
}

}  // namespace kedge::python
