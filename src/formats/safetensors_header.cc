#include "formats/safetensors_header.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "formats/json_sax.h"
#include "formats/message.h"
#include "formats/safetensors.h"

namespace kedge::formats {
namespace {

constexpr DType kDTypes[] = {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3,
                             DType::i8,  DType::i32, DType::i64,  DType::u8};

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DType dtype : kDTypes) {
    if (safetensors_dtype_name(dtype) == name) return dtype;
  }
  return std::nullopt;
}

/// Reads {"__metadata__": {string: string}, NAME: {"dtype": string, "shape": [...], "data_offsets": [begin, end]}}.
class HeaderEvents final : public JsonEvents {
 public:
  explicit HeaderEvents(SafetensorsHeader& header) : header_(header) {}
  [[nodiscard]] bool unsupported() const { return unsupported_; }

  bool start_object(size_t /*size*/) override {
    switch (place_) {
      case Place::outside:
        place_ = Place::root;
        return true;
      case Place::tensor_value:
        header_.entries.push_back({.name = name_});
        fields_seen_ = 0;
        place_ = Place::tensor;
        return true;
      case Place::metadata_value:
        place_ = Place::metadata;
        return true;
      default:
        return refuse_here("has an unexpected object");
    }
  }

  bool key(std::string& name) override {
    if (place_ == Place::root) return root_key(name);
    if (place_ == Place::tensor) return tensor_key(name);
    name_ = std::move(name);
    if (header_.metadata.contains(name_)) return refuse("__metadata__ has the key " + printable(name_) + " twice");
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      header_.metadata.emplace(name_, std::move(value));
      return true;
    }
    if (place_ != Place::tensor || field_ != Field::dtype) return refuse_here("has an unexpected string");
    const std::optional<DType> dtype = dtype_from_name(value);
    if (!dtype.has_value()) {
      unsupported_ = true;
      return refuse_here("has dtype " + printable(value) +
                         ", expected one of F32, F16, BF16, F8_E4M3, I8, I32, I64, U8 (the types kedge reads)");
    }
    header_.entries.back().dtype = *dtype;
    field_ = Field::none;
    return true;
  }

  bool start_array(size_t /*size*/) override {
    if (place_ != Place::tensor || (field_ != Field::shape && field_ != Field::data_offsets)) {
      return refuse_here("has an unexpected array");
    }
    place_ = Place::numbers;
    offset_count_ = 0;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::numbers) return refuse_here("has an unexpected number");
    return field_ == Field::shape ? shape_number(value) : offset_number(value);
  }
  bool number_integer(int64_t value) override {
    return refuse_here(fmt::format("has the number {}, expected none below 0", value));
  }
  bool number_float(double /*value*/, const std::string& text) override {
    return refuse_here("has the number " + text.substr(0, 40) + ", expected a whole number below 2^63");
  }

  bool end_array() override {
    if (field_ == Field::data_offsets && offset_count_ != 2) {
      return refuse_here(fmt::format("has {} data_offsets, expected 2: begin and end", offset_count_));
    }
    field_ = Field::none;
    place_ = Place::tensor;
    return true;
  }

  bool end_object() override {
    switch (place_) {
      case Place::tensor:
        place_ = Place::root;
        return fields_seen_ == kAllFields || refuse_here("lacks a field, expected dtype, shape and data_offsets");
      case Place::metadata:
        place_ = Place::root;
        return true;
      default:
        place_ = Place::outside;
        return true;
    }
  }

  bool null() override { return refuse_here("has an unexpected null"); }
  bool boolean(bool /*value*/) override { return refuse_here("has an unexpected true or false"); }

 private:
  enum class Place { outside, root, tensor_value, tensor, numbers, metadata_value, metadata };
  enum class Field : unsigned { none = 0, dtype = 1, shape = 2, data_offsets = 4 };
  static constexpr unsigned kAllFields = 7;

  /// Names the tensor or the metadata key that is being read.
  bool refuse_here(const std::string& why) {
    if (place_ == Place::outside) return refuse("the header is not a JSON object");
    if (place_ == Place::metadata || place_ == Place::metadata_value) return refuse("__metadata__ " + why);
    if (name_.empty()) return refuse("the header " + why);
    return refuse("tensor " + printable(name_) + " " + why);
  }

  bool root_key(std::string& name) {
    name_ = std::move(name);
    if (!names_.insert(name_).second) return refuse("tensor " + printable(name_) + " is in the header twice");
    place_ = name_ == "__metadata__" ? Place::metadata_value : Place::tensor_value;
    if (header_.entries.size() >= kTensorCountMax) {
      return refuse(fmt::format("more than {} tensors, the limit", kTensorCountMax));
    }
    return true;
  }

  bool tensor_key(const std::string& name) {
    if (name == "dtype") {
      field_ = Field::dtype;
    } else if (name == "shape") {
      field_ = Field::shape;
    } else if (name == "data_offsets") {
      field_ = Field::data_offsets;
    } else {
      return refuse_here("has an unknown field " + printable(name) + ", expected dtype, shape and data_offsets");
    }
    const auto bit = static_cast<unsigned>(field_);
    if ((fields_seen_ & bit) != 0) return refuse_here("has the field " + name + " twice");
    fields_seen_ |= bit;
    return true;
  }

  bool shape_number(uint64_t value) {
    std::vector<int64_t>& shape = header_.entries.back().shape;
    if (shape.size() >= kTensorRankMax) {
      return refuse_here(fmt::format("has more than {} dimensions, the limit", kTensorRankMax));
    }
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return refuse_here(fmt::format("has the dimension {}, expected a number below 2^63", value));
    }
    shape.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool offset_number(uint64_t value) {
    SafetensorsEntry& entry = header_.entries.back();
    if (offset_count_ >= 2) return refuse_here("has more than 2 data_offsets, expected begin and end");
    (offset_count_ == 0 ? entry.begin : entry.end) = value;
    ++offset_count_;
    return true;
  }

  SafetensorsHeader& header_;
  std::unordered_set<std::string> names_;
  std::string name_;  // of the tensor or metadata key being read
  Place place_ = Place::outside;
  Field field_ = Field::none;
  unsigned fields_seen_ = 0;
  int offset_count_ = 0;
  bool unsupported_ = false;
};

}  // namespace

std::string_view safetensors_dtype_name(DType dtype) {
  for (const DType known : kDTypes) {
    if (known == dtype) return name_of(dtype);
  }
  return {};
}

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view file) {
  SafetensorsHeader header;
  HeaderEvents events(header);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &events)) {
    return Error{events.unsupported() ? ErrorKind::unsupported : ErrorKind::corrupt_data,
                 fmt::format("{}: {}", file, events.error())};
  }
  return header;
}

}  // namespace kedge::formats
