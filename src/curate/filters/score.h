#pragma once
// A filter's verdict on a document, and how verdicts are written.

#include <optional>
#include <string>
#include <string_view>

namespace kedge::curate {

struct Score {
  std::optional<double> value;  // nothing: not defined for this document
  bool keep = false;
};

/// value / total, or nothing when there is nothing to divide by.
inline std::optional<double> share(double part, double total) {
  if (total == 0) return std::nullopt;
  return part / total;
}

inline Score at_most(std::optional<double> value, double limit) {
  return {value, value && *value <= limit};
}
inline Score at_least(std::optional<double> value, double limit) {
  return {value, value && *value >= limit};
}
inline Score between(std::optional<double> value, double low, double high) {
  return {value, value && low <= *value && *value <= high};
}

/// `"name":[score,keep]`, after a comma where one is needed.
void append_score(std::string& line, std::string_view name, const Score& score);

/// Opens `{"id":ID`.
void open_line(std::string& line, const std::string& id_json);
/// `,"name":` (no comma after an opening brace).
void append_key(std::string& line, std::string_view name);
void append_bool(std::string& line, bool value);
void append_optional(std::string& line, const std::optional<double>& value);

}  // namespace kedge::curate
