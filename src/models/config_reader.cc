#include "models/config_reader.h"

#include <fmt/format.h>

#include <cmath>

namespace kedge::models {
namespace {

const Json& empty_object() {
  static const Json kEmpty = Json::object();
  return kEmpty;
}

std::string shown(const Json& value) {
  std::string text = to_text(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

const Json* ConfigReader::find(std::string_view key) const {
  if (!json_->is_object()) return nullptr;
  const auto it = json_->find(std::string(key));
  return it == json_->end() || it->is_null() ? nullptr : &*it;
}

bool ConfigReader::has(std::string_view key) const {
  return find(key) != nullptr;
}

void ConfigReader::fail(ErrorKind kind, std::string_view message) {
  if (!error_) error_ = Error{kind, fmt::format("{}: {}", name_, message)};
}

Status ConfigReader::status() const {
  if (error_) return *error_;
  return Done{};
}

int64_t ConfigReader::integer(std::string_view key, int64_t min, int64_t max) {
  const Json* value = find(key);
  if (value == nullptr) {
    fail(ErrorKind::corrupt_data, fmt::format("'{}' is missing, expected an integer", key));
    return min;
  }
  const bool whole = value->is_number_integer() ||
                     (value->is_number_float() && std::floor(value->get<double>()) == value->get<double>());
  const double wide = value->is_number() ? value->get<double>() : 0;
  if (!whole || wide < static_cast<double>(min) || wide > static_cast<double>(max)) {
    fail(ErrorKind::corrupt_data,
         fmt::format("'{}' is {}, expected an integer from {} to {}", key, shown(*value), min, max));
    return min;
  }
  return value->is_number_integer() ? value->get<int64_t>() : static_cast<int64_t>(wide);
}

int64_t ConfigReader::integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) {
  return has(key) ? integer(key, min, max) : fallback;
}

double ConfigReader::number_of(std::string_view key, const Json& value) {
  if (value.is_number() && std::isfinite(value.get<double>())) return value.get<double>();
  fail(ErrorKind::corrupt_data, fmt::format("'{}' is {}, expected a number", key, shown(value)));
  return 1;
}

double ConfigReader::number(std::string_view key) {
  if (const Json* value = find(key)) return number_of(key, *value);
  fail(ErrorKind::corrupt_data, fmt::format("'{}' is missing, expected a number", key));
  return 1;
}

double ConfigReader::number_or(std::string_view key, double fallback) {
  return has(key) ? number(key) : fallback;
}

bool ConfigReader::boolean_or(std::string_view key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  fail(ErrorKind::corrupt_data, fmt::format("'{}' is {}, expected true or false", key, shown(*value)));
  return fallback;
}

std::string ConfigReader::text_or(std::string_view key, std::string_view fallback) {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  fail(ErrorKind::corrupt_data, fmt::format("'{}' is {}, expected a string", key, shown(*value)));
  return std::string(fallback);
}

std::vector<double> ConfigReader::numbers(std::string_view key, size_t count) {
  std::vector<double> result;
  const Json* value = find(key);
  if (value == nullptr || !value->is_array() || value->size() != count) {
    fail(ErrorKind::corrupt_data,
         fmt::format("'{}' is {}, expected a list of {} numbers", key, value ? shown(*value) : "missing", count));
    return std::vector<double>(count, 1.0);
  }
  result.reserve(count);
  for (const Json& element : *value) result.push_back(number_of(key, element));
  return result;
}

std::vector<std::string> ConfigReader::texts(std::string_view key) {
  std::vector<std::string> result;
  const Json* value = find(key);
  if (value == nullptr) return result;
  if (!value->is_array()) {
    fail(ErrorKind::corrupt_data, fmt::format("'{}' is {}, expected a list of strings", key, shown(*value)));
    return result;
  }
  for (const Json& element : *value) {
    if (!element.is_string()) {
      fail(ErrorKind::corrupt_data, fmt::format("'{}' holds {}, expected strings", key, shown(element)));
      return {};
    }
    result.push_back(element.get<std::string>());
  }
  return result;
}

ConfigReader ConfigReader::object(std::string_view key) const {
  const Json* value = find(key);
  return {value != nullptr && value->is_object() ? *value : empty_object(), fmt::format("{}: {}", name_, key)};
}

}  // namespace kedge::models
