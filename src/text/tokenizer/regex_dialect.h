#pragma once
// From Oniguruma's regular expressions to PCRE2's.

#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::text {

/// The same pattern for PCRE2 (with UTF, UCP and MULTILINE). Only constructs that both read alike, or that have an
/// exact translation, pass; fails with unsupported naming any other.
Result<std::string> translate_regex(std::string_view pattern);

}  // namespace kedge::text
