#pragma once
// Addresses that lead to the same page, written the same way.

#include <string>
#include <string_view>

namespace kedge::curate {

/// RFC 3986, 6.2: scheme and host in lower case, no port where it is the scheme's own, escapes in upper case and
/// undone where they stand for letters, digits, "-._~", dot segments removed. The fragment and slashes at the path's
/// end go too. What has no scheme and host stays, trimmed.
std::string comparable_url(std::string_view url);

}  // namespace kedge::curate
