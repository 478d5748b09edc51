#include "text/jinja/operators.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

[[noreturn]] void fail_operands(std::string_view op, const Value& left, const Value& right) {
  if (left.is_undefined()) throw Failure{left.undefined_message()};
  if (right.is_undefined()) throw Failure{right.undefined_message()};
  throw Failure{
      fmt::format("unsupported operands for {}: '{}' and '{}'", op, type_name(left.kind()), type_name(right.kind()))};
}

double to_number(const Value& value) {
  return value.is(Kind::number) ? value.as_number() : static_cast<double>(value.as_integer());
}

[[noreturn]] void fail_overflow() {
  throw Failure{"an integer of more than 128 bits"};
}

Value add(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    Integer result = 0;
    if (__builtin_add_overflow(left.as_integer(), right.as_integer(), &result)) fail_overflow();
    return Value::integer(result);
  }
  if (left.is_numeric() && right.is_numeric()) return Value::number(to_number(left) + to_number(right));
  if (left.is_string() && right.is_string()) {
    const bool markup = left.is_markup() || right.is_markup();
    const Value a = markup ? escape(runtime, left) : left, b = markup ? escape(runtime, right) : right;
    if (!runtime.heap.affords(a.as_string().size() + b.as_string().size())) runtime.heap.allocate(UINT64_MAX);
    std::string text;
    text.reserve(a.as_string().size() + b.as_string().size());
    text += a.as_string();
    text += b.as_string();
    return runtime.heap.string(std::move(text), markup);
  }
  if (left.kind() == right.kind() && (left.is(Kind::list) || left.is(Kind::tuple))) {
    std::vector<Value> items(left.list().items);
    items.insert(items.end(), right.list().items.begin(), right.list().items.end());
    return left.is(Kind::list) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
  }
  fail_operands("+", left, right);
}

Value subtract(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    Integer result = 0;
    if (__builtin_sub_overflow(left.as_integer(), right.as_integer(), &result)) fail_overflow();
    return Value::integer(result);
  }
  if (left.is_numeric() && right.is_numeric()) return Value::number(to_number(left) - to_number(right));
  fail_operands("-", left, right);
}

Value repeat(Runtime& runtime, const Value& value, const Value& times) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(0, clamp_integer(times)));
  const uint64_t unit = value.is_string() ? value.as_string().size() : value.list().items.size() * sizeof(Value);
  if (unit != 0 && count > UINT64_MAX / 2 / unit) runtime.heap.allocate(UINT64_MAX);  // throws
  if (!runtime.heap.affords(unit * count)) runtime.heap.allocate(UINT64_MAX);
  if (value.is_string()) {
    std::string text;
    text.reserve(unit * count);
    for (uint64_t i = 0; unit != 0 && i < count; ++i) text += value.as_string();
    return runtime.heap.string(std::move(text), value.is_markup());
  }
  std::vector<Value> items;
  items.reserve(value.list().items.size() * (unit == 0 ? 0 : count));
  for (uint64_t i = 0; unit != 0 && i < count; ++i) {
    items.insert(items.end(), value.list().items.begin(), value.list().items.end());
  }
  return value.is(Kind::list) ? runtime.heap.list(std::move(items)) : runtime.heap.tuple(std::move(items));
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.is(Kind::list) || value.is(Kind::tuple);
}

Value multiply(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    Integer result = 0;
    if (__builtin_mul_overflow(left.as_integer(), right.as_integer(), &result)) fail_overflow();
    return Value::integer(result);
  }
  if (left.is_numeric() && right.is_numeric()) return Value::number(to_number(left) * to_number(right));
  if (is_repeatable(left) && right.is_integral()) return repeat(runtime, left, right);
  if (is_repeatable(right) && left.is_integral()) return repeat(runtime, right, left);
  fail_operands("*", left, right);
}

Value divide(const Value& left, const Value& right) {
  if (!left.is_numeric() || !right.is_numeric()) fail_operands("/", left, right);
  if (to_number(right) == 0) throw Failure{"division by zero"};
  return Value::number(to_number(left) / to_number(right));
}

/// The quotient rounded down and what is left, which has the sign of the divisor.
std::pair<Integer, Integer> divide_down(Integer left, Integer right) {
  if (right == 0) throw Failure{"division by zero"};
  if (right == -1) {
    Integer quotient = 0;
    if (__builtin_sub_overflow(Integer{0}, left, &quotient)) fail_overflow();
    return {quotient, 0};
  }
  Integer quotient = left / right, rest = left % right;
  if (rest != 0 && (rest < 0) != (right < 0)) {
    --quotient;
    rest += right;
  }
  return {quotient, rest};
}

std::pair<double, double> divide_down(double left, double right) {
  if (right == 0) throw Failure{"division by zero"};
  double rest = std::fmod(left, right);
  double quotient = (left - rest) / right;
  if (rest == 0) {
    rest = std::copysign(0.0, right);
  } else if ((rest < 0) != (right < 0)) {
    rest += right;
    quotient -= 1;
  }
  double floored = std::floor(quotient);
  if (quotient == 0) floored = std::copysign(0.0, left / right);
  if (quotient - floored > 0.5) floored += 1;
  return {floored, rest};
}

Value floor_divide(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral())
    return Value::integer(divide_down(left.as_integer(), right.as_integer()).first);
  if (left.is_numeric() && right.is_numeric())
    return Value::number(divide_down(to_number(left), to_number(right)).first);
  fail_operands("//", left, right);
}

Value modulo(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_string()) return percent_format(runtime, left, right);
  if (left.is_integral() && right.is_integral())
    return Value::integer(divide_down(left.as_integer(), right.as_integer()).second);
  if (left.is_numeric() && right.is_numeric())
    return Value::number(divide_down(to_number(left), to_number(right)).second);
  fail_operands("%", left, right);
}

Integer integer_power(Integer base, Integer exponent) {
  Integer result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return result;
}

Value power(const Value& left, const Value& right) {
  if (!left.is_numeric() || !right.is_numeric()) fail_operands("**", left, right);
  if (left.is_integral() && right.is_integral() && right.as_integer() >= 0) {
    return Value::integer(integer_power(left.as_integer(), right.as_integer()));
  }
  const double base = to_number(left), exponent = to_number(right);
  if (base == 0 && exponent < 0) throw Failure{"zero cannot be raised to a negative power"};
  if (base < 0 && exponent != std::floor(exponent)) throw Failure{"a negative number to a broken power is complex"};
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) throw Failure{"a power is out of range"};
  return Value::number(result);
}

bool in_sequence(Runtime& runtime, const Value& container, const Value& item) {
  const auto next = iterate(runtime, container);
  for (Value candidate; next(candidate);) {
    runtime.heap.spend();
    if (equal(candidate, item, runtime.heap)) return true;
  }
  return false;
}

bool in_range(const RangeObject& range, const Value& item) {
  if (item.is(Kind::number) && item.as_number() != std::floor(item.as_number())) return false;
  if (!item.is_numeric() || (item.is(Kind::number) && !(std::abs(item.as_number()) < 1e18))) return false;
  const Integer value = item.is_integral() ? item.as_integer() : static_cast<Integer>(item.as_number());
  if (range.step > 0 ? value < range.start || value >= range.stop : value > range.start || value <= range.stop)
    return false;
  return (value - range.start) % range.step == 0;
}

bool is_less(Runtime& runtime, const Value& left, const Value& right, bool or_equal) {
  const auto is_nan = [](const Value& value) { return value.is(Kind::number) && std::isnan(value.as_number()); };
  if (is_nan(left) || is_nan(right)) return false;
  const int order = compare(left, right, runtime.heap);
  return order < 0 || (or_equal && order == 0);
}

}  // namespace

Value apply(Runtime& runtime, ArithmeticOperator op, const Value& left, const Value& right) {
  switch (op) {
    case ArithmeticOperator::add:
      return add(runtime, left, right);
    case ArithmeticOperator::subtract:
      return subtract(left, right);
    case ArithmeticOperator::multiply:
      return multiply(runtime, left, right);
    case ArithmeticOperator::divide:
      return divide(left, right);
    case ArithmeticOperator::floor_divide:
      return floor_divide(left, right);
    case ArithmeticOperator::modulo:
      return modulo(runtime, left, right);
    case ArithmeticOperator::power:
      return power(left, right);
  }
  return {};
}

bool apply(Runtime& runtime, CompareOperator op, const Value& left, const Value& right) {
  switch (op) {
    case CompareOperator::equal:
      return equal(left, right, runtime.heap);
    case CompareOperator::not_equal:
      return !equal(left, right, runtime.heap);
    case CompareOperator::less:
      return is_less(runtime, left, right, false);
    case CompareOperator::less_equal:
      return is_less(runtime, left, right, true);
    case CompareOperator::greater:
      return is_less(runtime, right, left, false);
    case CompareOperator::greater_equal:
      return is_less(runtime, right, left, true);
    case CompareOperator::in:
      return contains(runtime, right, left);
    case CompareOperator::not_in:
      return !contains(runtime, right, left);
  }
  return false;
}

Value negate(const Value& value) {
  if (value.is_integral()) return subtract(Value::integer(0), value);
  if (value.is(Kind::number)) return Value::number(-value.as_number());
  if (value.is_undefined()) throw Failure{value.undefined_message()};
  throw Failure{fmt::format("a '{}' cannot be negated", type_name(value.kind()))};
}

Value make_positive(const Value& value) {
  if (value.is_integral()) return Value::integer(value.as_integer());
  if (value.is(Kind::number)) return value;
  if (value.is_undefined()) throw Failure{value.undefined_message()};
  throw Failure{fmt::format("a '{}' has no sign", type_name(value.kind()))};
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::string:
      runtime.heap.spend_on(container.as_string());
      return find_text(container.as_string(), require_string(item, "the left side of 'in' a string")) !=
             std::string_view::npos;
    case Kind::dict:
      hash_of(item, runtime.heap);  // fails for what can be no key
      return container.dict().find(item, runtime.heap) != nullptr;
    case Kind::range:
      return in_range(container.range(), item);
    default:
      return in_sequence(runtime, container, item);
  }
}

}  // namespace kedge::text::jinja
