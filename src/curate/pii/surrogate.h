#pragma once
// What stands in place of personal data: another value of the same kind, or a keyed hash.

#include <string>
#include <string_view>

#include "curate/pii/spans.h"

namespace kedge::curate {

/// Another value of the kind, as valid as the first one (check digits, areas, networks) and of its form; always the
/// same for one value and key. A custom pattern of which none is found by chance gives "[NAME]".
std::string surrogate_of(const PiiFinder& finder, const PiiSpan& span, std::string_view value, std::string_view key);

/// "[TYPE:0123456789abcdef]": HMAC-SHA-256 of type and value with `salt`, its first 64 bits.
std::string hash_of(std::string_view type, std::string_view value, std::string_view salt);

}  // namespace kedge::curate
