#pragma once
// Names from foreign bytes, for messages.

#include <cstddef>
#include <string>
#include <string_view>

namespace kedge {

inline constexpr size_t kPrintableBytesMax = 200;

/// 'text' with control bytes, quotes, backslashes and broken UTF-8 as \xNN, cut after kPrintableBytesMax bytes. (fmt's
/// {:?} of fmt 9 fails an assertion on UTF-8 that is cut off.)
std::string printable(std::string_view text);

/// A whole message as one line of UTF-8: line breaks and tabs become blanks, other control bytes and broken UTF-8 \xNN.
std::string one_line(std::string_view message);

}  // namespace kedge
