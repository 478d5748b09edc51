#pragma once
// Reads settings from a config.json with bounds; remembers the first thing that is wrong, so that a family reads all
// its settings in a row and asks once.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::models {

inline constexpr int64_t kDimensionMax = int64_t{1} << 24;  // any single size in a config
inline constexpr int64_t kLayersMax = 1024;

class ConfigReader {
 public:
  /// `json` must outlive the reader. `name` is the file, for messages.
  ConfigReader(const Json& json, std::string name) : json_(&json), name_(std::move(name)) {}

  [[nodiscard]] bool has(std::string_view key) const;  // present and not null
  int64_t integer(std::string_view key, int64_t min, int64_t max);
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max);
  double number(std::string_view key);
  double number_or(std::string_view key, double fallback);
  bool boolean_or(std::string_view key, bool fallback);
  std::string text_or(std::string_view key, std::string_view fallback);
  std::vector<double> numbers(std::string_view key, size_t count);
  std::vector<std::string> texts(std::string_view key);  // empty when absent

  /// A size: an integer in [1, kDimensionMax].
  int64_t size(std::string_view key) { return integer(key, 1, kDimensionMax); }

  /// A reader of the object at `key` (of an empty object when absent); its errors stay its own.
  [[nodiscard]] ConfigReader object(std::string_view key) const;

  /// Records a failure found by the caller, unless one is recorded already.
  void fail(ErrorKind kind, std::string_view message);

  /// The first failure.
  [[nodiscard]] Status status() const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Json& json() const { return *json_; }

 private:
  const Json* find(std::string_view key) const;
  double number_of(std::string_view key, const Json& value);

  const Json* json_;
  std::string name_;
  std::optional<Error> error_;
};

}  // namespace kedge::models
