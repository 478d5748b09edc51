#pragma once
// The formats of JSON Schema's strings, as regular expressions. Each is a part of what the format allows: every text
// that matches is valid.

#include <string>
#include <string_view>
#include <vector>

namespace kedge::grammar {

/// Empty where there is none of this name.
std::string_view format_pattern(std::string_view name);

/// "date, date-time, ...", for messages.
const std::string& format_names();

}  // namespace kedge::grammar
