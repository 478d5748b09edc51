#pragma once
// Character references of XML and the usual ones of HTML.

#include <string>
#include <string_view>

namespace kedge::data {

/// Once over the text; what is no reference stays.
std::string decode_entities(std::string_view text);

}  // namespace kedge::data
