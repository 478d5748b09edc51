#pragma once
// Numbers within bounds, as automata over their digits.

#include <optional>
#include <string>

#include "core/json.h"
#include "grammar/builder.h"

namespace kedge::grammar {

/// An exact decimal. Digits without leading (`whole`) and trailing (`fraction`) zeros; zero has none and no sign.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;
};

/// Fails with invalid_input for more than 60 digits.
Result<Decimal> to_decimal(const Json& number);

struct NumberBounds {
  bool integer = false;
  std::optional<Decimal> min, max, multiple_of;
  bool excludes_min = false, excludes_max = false;
};

/// Numbers within the bounds, without exponent; their parts have no more digits than the bounds need, or 16.
/// REQUIRES: some bound. Fails with invalid_input when multiple_of needs too many states.
Result<Dfa> number_automaton(Builder& builder, const NumberBounds& bounds);

}  // namespace kedge::grammar
