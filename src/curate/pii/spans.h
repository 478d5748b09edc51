#pragma once
// Personal data in running text: what it is and where.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

enum class PiiType : uint8_t {
  email,
  phone,
  ipv4,
  ipv4_private,
  ipv6,
  credit_card,
  us_ssn,
  iban,
  url_credentials,  // "user:password" of an address
  crypto_address,
  api_key,
  custom  // by a pattern of the user's
};
inline constexpr size_t kUsualPiiTypes = 8;   // these are always looked for
inline constexpr size_t kNamedPiiTypes = 11;  // these have a name

/// "EMAIL", "PHONE" ...
std::string_view name_of(PiiType type);

/// Bytes [begin, end) of the text.
struct PiiSpan {
  PiiType type;
  size_t begin, end;
  size_t pattern = 0;  // custom: which one
};

/// What tells a number of a kind from any other: Luhn, ISO 7064's mod 97-10 (as in an IBAN) and mod 11,10, Verhoeff.
enum class PiiCheck : uint8_t { none, luhn, mod97, mod11_10, verhoeff };

struct PiiPattern {
  std::string name;   // of the type: "DE_TAX_ID"
  std::string regex;  // RE2's syntax, over characters
  PiiCheck check = PiiCheck::none;
};

/// What is looked for. Immutable; safe from any thread.
class PiiFinder {
 public:
  /// `types`: in any order; empty: the usual ones. Fails with invalid_input: a pattern that
  /// does not compile or matches the empty text.
  static Result<std::shared_ptr<const PiiFinder>> make(const std::vector<PiiType>& types,
                                                       const std::vector<PiiPattern>& patterns);
  virtual ~PiiFinder() = default;

  /// As find_pii.
  [[nodiscard]] virtual std::vector<PiiSpan> find(std::string_view text) const = 0;
  [[nodiscard]] virtual std::string_view name_of(const PiiSpan& span) const = 0;
  /// Whether a value is one of this custom pattern.
  [[nodiscard]] virtual bool matches(size_t pattern, std::string_view value) const = 0;
};

/// Of a name; nothing where there is none.
std::optional<PiiType> pii_type_of(std::string_view name);

/// The usual types. In order, none overlapping another. REQUIRES: valid UTF-8. Takes time linear in the text. Safe from
/// any thread.
std::vector<PiiSpan> find_pii(std::string_view text);

}  // namespace kedge::curate
