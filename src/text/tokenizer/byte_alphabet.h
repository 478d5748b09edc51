#pragma once
// The alphabet in which byte-level vocabularies spell bytes: a printable character for each of the 256.

#include <cstdint>
#include <string>
#include <string_view>

namespace kedge::text {

/// Appends the bytes that `spelled` stands for. False, with nothing appended, when a character is not of the alphabet.
bool append_spelled_bytes(std::string& out, std::string_view spelled);

/// Appends the spelling of `bytes`.
void append_byte_spelling(std::string& out, std::string_view bytes);

/// The byte that a token like "<0x0A>" names; -1 for any other token.
int byte_of_fallback_token(std::string_view token);

/// "<0x0A>" for 10.
std::string fallback_token(uint8_t byte);

}  // namespace kedge::text
