#pragma once
// Writing JSON into a growing line: strings, numbers that read back as they were.

#include <cstdint>
#include <string>
#include <string_view>

namespace kedge::data {

/// Appends `text` in quotation marks. REQUIRES: valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Appends the shortest form that reads back as `value`; what JSON cannot say (no number) becomes null.
void append_json_number(std::string& out, double value);
void append_json_number(std::string& out, int64_t value);

}  // namespace kedge::data
