#pragma once
// Personal data in running text: what it is and where.

#include <cstdint>
#include <string_view>
#include <vector>

namespace kedge::curate {

enum class PiiType : uint8_t { email, phone, ipv4, ipv4_private, ipv6, credit_card, us_ssn, iban };

/// "EMAIL", "PHONE" ...
std::string_view name_of(PiiType type);

/// Bytes [begin, end) of the text.
struct PiiSpan {
  PiiType type;
  size_t begin, end;
};

/// In order, none overlapping another. REQUIRES: valid UTF-8. Takes time linear in the text. Safe from any thread.
std::vector<PiiSpan> find_pii(std::string_view text);

}  // namespace kedge::curate
