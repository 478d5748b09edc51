#pragma once
// The inside of a quoted string of a template: Python's escapes.

#include <string>
#include <string_view>

namespace kedge::text::jinja {

/// Throws Failure for an escape that Python refuses, and for one half of a surrogate pair.
std::string unescape_literal(std::string_view literal);

}  // namespace kedge::text::jinja
