#include "grammar/json_number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

namespace kedge::grammar {
namespace {

constexpr size_t kDigitsMax = 16;
constexpr size_t kBoundDigitsMax = 60;
constexpr size_t kMultipleMax = 10'000;  // of the last place

/// Texts of digits behind a common beginning, compared with those of a bound.
class Digits {
 public:
  Digits(Builder& builder, bool integer) : b_(builder), integer_(integer) {}

  /// Numbers without sign that are at least (above: more than) `bound`.
  ExpressionId at_least(const Decimal& bound, bool above) {
    const std::string whole = bound.whole.empty() ? "0" : bound.whole;
    std::vector<ExpressionId> all;
    all.push_back(b_.sequence({b_.literal(whole), fraction_at_least(bound.fraction, above)}));
    for (size_t i = 0; i < whole.size(); ++i) {
      if (whole[i] == '9' || whole == "0") continue;
      all.push_back(b_.sequence({b_.literal(whole.substr(0, i)), digit(whole[i] + 1, '9'),
                                 many(whole.size() - i - 1, whole.size() - i - 1), any_fraction()}));
    }
    if (whole == "0") all.push_back(b_.sequence({digit('1', '9'), any_fraction()}));
    const size_t longest = std::max(kDigitsMax, whole.size() + 1);
    all.push_back(b_.sequence({digit('1', '9'), many(whole.size(), longest - 1), any_fraction()}));
    return b_.choice(std::move(all));
  }

  /// At most (below: less than) `bound`.
  ExpressionId at_most(const Decimal& bound, bool below) {
    const std::string whole = bound.whole.empty() ? "0" : bound.whole;
    std::vector<ExpressionId> all;
    all.push_back(b_.sequence({b_.literal(whole), fraction_at_most(bound.fraction, below)}));
    if (whole == "0") return b_.choice(std::move(all));
    all.push_back(b_.sequence({b_.literal("0"), any_fraction()}));
    if (whole.size() > 1) all.push_back(b_.sequence({digit('1', '9'), many(0, whole.size() - 2), any_fraction()}));
    for (size_t i = 0; i < whole.size(); ++i) {
      const char least = i == 0 ? '1' : '0';
      if (whole[i] <= least) continue;
      all.push_back(b_.sequence({b_.literal(whole.substr(0, i)), digit(least, whole[i] - 1),
                                 many(whole.size() - i - 1, whole.size() - i - 1), any_fraction()}));
    }
    return b_.choice(std::move(all));
  }

 private:
  ExpressionId digit(int first, int last) { return b_.bytes(static_cast<uint8_t>(first), static_cast<uint8_t>(last)); }
  ExpressionId many(size_t min, size_t max) {
    return b_.repeat(digit('0', '9'), static_cast<uint32_t>(min), static_cast<uint32_t>(max));
  }
  ExpressionId point() { return b_.literal("."); }
  ExpressionId any_fraction() {
    return integer_ ? b_.empty() : b_.optional(b_.sequence({point(), many(1, kDigitsMax)}));
  }
  ExpressionId nonzero(size_t longest) {
    return b_.sequence(
        {b_.repeat(digit('0', '0'), 0, static_cast<uint32_t>(longest)), digit('1', '9'), many(0, longest)});
  }

  ExpressionId fraction_at_least(const std::string& bound, bool above) {
    if (integer_) return bound.empty() && !above ? b_.empty() : b_.nothing();
    if (bound.empty()) return above ? b_.sequence({point(), nonzero(kDigitsMax - 1)}) : any_fraction();
    const size_t longest = std::max(kDigitsMax, bound.size() + 1);
    const size_t left = longest - bound.size();
    std::vector<ExpressionId> all;
    all.push_back(b_.sequence({b_.literal(bound), above ? nonzero(left - 1) : many(0, left)}));
    for (size_t i = 0; i < bound.size(); ++i) {
      if (bound[i] == '9') continue;
      all.push_back(b_.sequence({b_.literal(bound.substr(0, i)), digit(bound[i] + 1, '9'), many(0, longest - i - 1)}));
    }
    return b_.sequence({point(), b_.choice(std::move(all))});
  }

  ExpressionId fraction_at_most(const std::string& bound, bool below) {
    if (integer_) return bound.empty() && below ? b_.nothing() : b_.empty();
    const size_t longest = std::max(kDigitsMax, bound.size());
    const auto zeros = [&](size_t min) {
      return b_.repeat(digit('0', '0'), static_cast<uint32_t>(min), static_cast<uint32_t>(longest));
    };
    if (bound.empty()) {
      return below ? b_.nothing() : b_.optional(b_.sequence({point(), zeros(1)}));
    }
    std::vector<ExpressionId> all;
    if (!below) all.push_back(b_.sequence({b_.literal(bound), zeros(0)}));
    for (size_t i = 0; i < bound.size(); ++i) {
      if (i > 0) all.push_back(b_.literal(bound.substr(0, i)));
      if (bound[i] == '0') continue;
      all.push_back(b_.sequence({b_.literal(bound.substr(0, i)), digit('0', bound[i] - 1), many(0, longest - i - 1)}));
    }
    return b_.optional(b_.sequence({point(), b_.choice(std::move(all))}));
  }

  Builder& b_;
  const bool integer_;
};

bool is_zero(const Decimal& decimal) {
  return decimal.whole.empty() && decimal.fraction.empty();
}

Decimal magnitude(Decimal decimal) {
  decimal.negative = false;
  return decimal;
}

/// Both bounds on numbers without sign; either may be missing.
struct Side {
  std::optional<Decimal> min, max;
  bool above = false, below = false;
};

Result<Dfa> side_automaton(Builder& builder, const Side& side, bool integer) {
  Digits digits(builder, integer);
  const ExpressionId low = digits.at_least(side.min.value_or(Decimal()), side.min ? side.above : false);
  KEDGE_ASSIGN(Dfa dfa, builder.to_dfa(low));
  if (!side.max) return dfa;
  KEDGE_ASSIGN(const Dfa high, builder.to_dfa(digits.at_most(*side.max, side.below)));
  return intersect(dfa, high, builder.limits().states_max);
}

Result<ExpressionId> not_negative(Builder& builder, const NumberBounds& bounds) {
  if (bounds.max && bounds.max->negative) return builder.nothing();
  Side side;
  if (bounds.min && !bounds.min->negative) {
    side.min = bounds.min;
    side.above = bounds.excludes_min;
  }
  side.max = bounds.max;
  side.below = bounds.excludes_max;
  KEDGE_ASSIGN(Dfa dfa, side_automaton(builder, side, bounds.integer));
  return builder.automaton(std::move(dfa));
}

Result<ExpressionId> negative(Builder& builder, const NumberBounds& bounds) {
  if (bounds.min && !bounds.min->negative) return builder.nothing();
  Side side{.min = Decimal(), .above = true};  // "-0" is left to zero
  if (bounds.max && bounds.max->negative) {
    side.min = magnitude(*bounds.max);
    side.above = bounds.excludes_max;
  }
  if (bounds.min) {
    side.max = magnitude(*bounds.min);
    side.below = bounds.excludes_min;
  }
  KEDGE_ASSIGN(Dfa dfa, side_automaton(builder, side, bounds.integer));
  return builder.sequence({builder.literal("-"), builder.automaton(std::move(dfa))});
}

/// Multiples of a decimal: the remainder so far is the state. Fraction digits past those of the divisor are none.
class Multiples {
 public:
  Multiples(size_t divisor, size_t places) : divisor_(divisor), places_(places) {}

  Dfa make() {
    // 0: start, 1: behind '-', 2: a leading zero, 3 + r: digits with remainder r; then what follows a point.
    dfa_.states.resize(3 + divisor_);
    add_digits(0);
    add_digits(1);
    dfa_.states[0].bytes.insert(dfa_.states[0].bytes.begin(), {'-', '-', 1});
    dfa_.states[2].accepting = true;
    if (places_ > 0) add_point(2, 0);
    for (size_t rest = 0; rest < divisor_; ++rest) {
      const uint32_t state = whole(rest);
      dfa_.states[state].accepting = rest * scale(places_) % divisor_ == 0;
      if (places_ > 0) add_point(state, rest);
      for (size_t digit = 0; digit < 10; ++digit) add(state, digit, whole((rest * 10 + digit) % divisor_));
    }
    for (size_t i = 0; i < dfa_.states.size(); ++i) dfa_.states[i].alike = static_cast<uint32_t>(i);
    return std::move(dfa_);
  }

 private:
  [[nodiscard]] static size_t scale(size_t places) {
    size_t power = 1;
    for (size_t i = 0; i < places; ++i) power *= 10;
    return power;
  }
  [[nodiscard]] uint32_t whole(size_t rest) const { return static_cast<uint32_t>(3 + rest); }
  void add(uint32_t from, size_t digit, uint32_t to) {
    const auto byte = static_cast<uint8_t>('0' + digit);
    dfa_.states[from].bytes.push_back({byte, byte, to});
  }
  void add_digits(uint32_t from) {
    add(from, 0, 2);
    for (size_t digit = 1; digit < 10; ++digit) add(from, digit, whole(digit % divisor_));
  }

  void add_point(uint32_t from, size_t rest) {
    const uint32_t target = fraction(rest, 0);
    dfa_.states[from].bytes.push_back({'.', '.', target});
  }
  uint32_t fraction(size_t rest, size_t place) {
    const auto [it, added] = fractions_.try_emplace({rest, place}, static_cast<uint32_t>(dfa_.states.size()));
    if (!added) return it->second;
    const uint32_t state = it->second;
    dfa_.states.emplace_back();
    dfa_.states[state].accepting = place > 0 && rest * scale(places_ - place) % divisor_ == 0;
    if (place == places_) return state;
    for (size_t digit = 0; digit < 10; ++digit) {
      const uint32_t target = fraction((rest * 10 + digit) % divisor_, place + 1);
      add(state, digit, target);
    }
    return state;
  }

  const size_t divisor_, places_;
  Dfa dfa_;
  std::map<std::pair<size_t, size_t>, uint32_t> fractions_;
};

Result<Dfa> multiples_of(const Decimal& divisor, bool integer) {
  const Error refused = {
      ErrorKind::invalid_input,
      fmt::format("multiples are supported of numbers above 0 whose digits are at most {}", kMultipleMax)};
  const size_t places = divisor.fraction.size();
  const std::string digits = divisor.whole + divisor.fraction;
  size_t value = 0;
  for (const char c : digits) {
    value = value * 10 + static_cast<size_t>(c - '0');
    if (value > kMultipleMax) return refused;
  }
  if (value == 0 || divisor.negative || places > 6) return refused;
  size_t scale = 1;
  for (size_t i = 0; i < places; ++i) scale *= 10;
  if (!integer) return Multiples(value, places).make();
  // An integer i is a multiple of v / scale when v divides i * scale.
  size_t a = value, b = scale;
  while (b != 0) a = std::exchange(b, a % b);
  return Multiples(value / a, 0).make();
}

/// A bound on integers: decimals move to the next one.
void round_bound(std::optional<Decimal>& bound, bool& excludes, bool is_min) {
  if (!bound || bound->fraction.empty()) return;
  const bool away = bound->negative != is_min;  // from zero
  bound->fraction.clear();
  excludes = false;
  if (away) {
    size_t i = bound->whole.size();
    while (i > 0 && bound->whole[i - 1] == '9') bound->whole[--i] = '0';
    if (i == 0) {
      bound->whole.insert(bound->whole.begin(), '1');
    } else {
      ++bound->whole[i - 1];
    }
  }
  if (is_zero(*bound)) bound->negative = false;
}

}  // namespace

Result<Decimal> to_decimal(const Json& number) {
  Decimal result;
  std::string text = number.is_number_float() ? fmt::format("{}", number.get<double>()) : to_text(number);
  if (text.starts_with('-')) {
    result.negative = true;
    text.erase(0, 1);
  }
  long exponent = 0;
  if (const size_t e = text.find('e'); e != std::string::npos) {
    exponent = std::strtol(text.c_str() + e + 1, nullptr, 10);
    text.resize(e);
  }
  const size_t dot = text.find('.');
  std::string digits = text;
  long point = static_cast<long>(text.size());
  if (dot != std::string::npos) {
    digits.erase(dot, 1);
    point = static_cast<long>(dot);
  }
  point += exponent;
  const auto limit = static_cast<long>(kBoundDigitsMax);
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }) || point > limit || point < -limit) {
    return Error{ErrorKind::invalid_input, fmt::format("the number {} is out of range", to_text(number))};
  }
  if (point < 0) digits.insert(0, static_cast<size_t>(-point), '0');
  const auto whole_size = static_cast<size_t>(std::max(point, 0L));
  if (digits.size() < whole_size) digits.resize(whole_size, '0');
  result.whole = digits.substr(0, whole_size);
  result.fraction = digits.substr(whole_size);
  result.whole.erase(0, std::min(result.whole.find_first_not_of('0'), result.whole.size()));
  result.fraction.resize(result.fraction.find_last_not_of('0') + 1);
  if (is_zero(result)) result.negative = false;
  return result;
}

Result<Dfa> number_automaton(Builder& builder, const NumberBounds& asked) {
  NumberBounds bounds = asked;
  if (bounds.integer) {
    round_bound(bounds.min, bounds.excludes_min, true);
    round_bound(bounds.max, bounds.excludes_max, false);
  }
  KEDGE_ASSIGN(const ExpressionId low, negative(builder, bounds));
  KEDGE_ASSIGN(const ExpressionId high, not_negative(builder, bounds));
  KEDGE_ASSIGN(Dfa dfa, builder.to_dfa(builder.choice({low, high})));
  if (!bounds.multiple_of) return dfa;
  KEDGE_ASSIGN(const Dfa multiples, multiples_of(*bounds.multiple_of, bounds.integer));
  return intersect(dfa, multiples, builder.limits().states_max);
}

}  // namespace kedge::grammar
