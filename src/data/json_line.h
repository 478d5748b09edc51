#pragma once
// Changes to a JSON line that leave everything else in it as it stands.

#include <string>
#include <string_view>

namespace kedge::data {

/// Sets member `key` of the object in `line` to `value` (JSON): in place of the last member of that name, or as a new
/// one at the end. REQUIRES: `line` holds one valid JSON object.
void set_member(std::string& line, std::string_view key, std::string_view value);

/// Takes every member `key` out.
void remove_member(std::string& line, std::string_view key);

}  // namespace kedge::data
