// Typed look-ups of GGUF metadata.
#include <limits>

#include "formats/gguf.h"

namespace kedge::formats {
namespace {

constexpr auto kInt64Max = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

using Metadata = std::map<std::string, GgufValue, std::less<>>;

/// The value of `key` when it is stored as T.
template <typename T>
const T* stored(const Metadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : std::get_if<T>(&found->second.value);
}

}  // namespace

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
  if (const auto* value = stored<int64_t>(metadata_, key)) return *value;
  const auto* value = stored<uint64_t>(metadata_, key);
  if (value == nullptr || *value > kInt64Max) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  if (const auto* value = stored<double>(metadata_, key)) return *value;
  if (const auto* value = stored<uint64_t>(metadata_, key)) return static_cast<double>(*value);
  if (const auto* value = stored<int64_t>(metadata_, key)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const auto* value = stored<bool>(metadata_, key);
  return value == nullptr ? std::nullopt : std::optional<bool>(*value);
}

const std::string* GgufFile::string(std::string_view key) const {
  return stored<std::string>(metadata_, key);
}

const std::vector<std::string>* GgufFile::strings(std::string_view key) const {
  return stored<std::vector<std::string>>(metadata_, key);
}

std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
  if (const auto* values = stored<std::vector<int64_t>>(metadata_, key)) return *values;
  const auto* values = stored<std::vector<uint64_t>>(metadata_, key);
  if (values == nullptr) return std::nullopt;
  std::vector<int64_t> widened;
  widened.reserve(values->size());
  for (const uint64_t value : *values) {
    if (value > kInt64Max) return std::nullopt;
    widened.push_back(static_cast<int64_t>(value));
  }
  return widened;
}

std::optional<std::vector<double>> GgufFile::numbers(std::string_view key) const {
  if (const auto* values = stored<std::vector<double>>(metadata_, key)) return *values;
  if (const auto* values = stored<std::vector<uint64_t>>(metadata_, key)) {
    return std::vector<double>(values->begin(), values->end());
  }
  if (const auto* values = stored<std::vector<int64_t>>(metadata_, key)) {
    return std::vector<double>(values->begin(), values->end());
  }
  return std::nullopt;
}

}  // namespace kedge::formats
