#pragma once
// Check digits, lengths and ranges: what tells a number that means someone from one that does not.

#include <optional>
#include <string_view>

#include "curate/pii/spans.h"

namespace kedge::curate {

/// Luhn's check over ASCII digits; everything else is skipped.
bool passes_luhn(std::string_view digits);
struct CardPlace {
  size_t begin, end;
};
/// The card number in a row of digits with single spaces or hyphens: whole, or beside short numbers ("7 4111...").
std::optional<CardPlace> find_card(std::string_view row);
/// Mod 97 over letters and digits; spaces are skipped.
bool passes_mod97(std::string_view iban);
/// Letters and digits of an IBAN of this country; 0 for a country that has none.
size_t iban_length(std::string_view country);
/// ipv4 or ipv4_private; nothing for addresses that mean nobody (0/8, documentation, benchmarks, multicast).
std::optional<PiiType> classify_ipv4(std::string_view address);
/// A valid address that says more than "::" and is no slice of a program.
bool is_telling_ipv6(std::string_view address);

}  // namespace kedge::curate
