// The tests after `is`.

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

template <Kind kind>
bool is_kind(Runtime&, const Value& input, CallArguments& arguments) {
  bind_arguments("is", arguments, {});
  return input.is(kind);
}

bool is_defined(Runtime&, const Value& input, CallArguments& arguments) {
  bind_arguments("is defined", arguments, {});
  return !input.is_undefined();
}

template <bool wanted>
bool is_truth(Runtime&, const Value& input, CallArguments& arguments) {
  bind_arguments("is true", arguments, {});
  return input.is(Kind::boolean) && input.as_boolean() == wanted;
}

bool is_number(Runtime&, const Value& input, CallArguments&) {
  return input.is_numeric();
}

bool is_sequence(Runtime&, const Value& input, CallArguments&) {
  switch (input.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::range:
      return true;
    default:
      return false;
  }
}

bool is_iterable_test(Runtime&, const Value& input, CallArguments&) {
  return is_iterable(input);
}

bool is_callable(Runtime&, const Value& input, CallArguments&) {
  return input.is(Kind::callable) || input.is_undefined() || input.is(Kind::joiner) || input.is(Kind::loop);
}

bool is_escaped(Runtime&, const Value& input, CallArguments&) {
  return input.is_markup();
}

template <bool upper>
bool is_case(Runtime& runtime, const Value& input, CallArguments&) {
  return *has_property(soft_string(runtime, input).as_string(), upper ? "isupper" : "islower");
}

template <int rest>
bool has_rest_of_two(Runtime& runtime, const Value& input, CallArguments&) {
  const Value remainder = apply(runtime, ArithmeticOperator::modulo, input, Value::integer(2));
  return equal(remainder, Value::integer(rest), runtime.heap);
}

bool is_divisible(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("divisibleby", arguments, {"num"}, 1);
  const Value remainder = apply(runtime, ArithmeticOperator::modulo, input, bound[0]);
  return equal(remainder, Value::integer(0), runtime.heap);
}

template <CompareOperator op>
bool compares(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("this test", arguments, {"other"}, 1);
  return apply(runtime, op, input, bound[0]);
}

bool is_same(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("sameas", arguments, {"other"}, 1);
  if (input.kind() != bound[0].kind()) return false;
  switch (input.kind()) {
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::number:
    case Kind::string:
    case Kind::undefined:
      return equal(input, bound[0], runtime.heap);
    default:
      return input.identity() == bound[0].identity();
  }
}

bool is_filter(Runtime&, const Value& input, CallArguments&) {
  return input.is_string() && find_filter(input.as_string()) != nullptr;
}

bool is_test(Runtime&, const Value& input, CallArguments&) {
  return input.is_string() && find_test(input.as_string()) != nullptr;
}

struct Row {
  std::string_view name;
  TestFunction function;
};

constexpr Row kTests[] = {
    {"defined", is_defined},
    {"undefined", is_kind<Kind::undefined>},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"true", is_truth<true>},
    {"false", is_truth<false>},
    {"integer", is_kind<Kind::integer>},
    {"float", is_kind<Kind::number>},
    {"number", is_number},
    {"string", is_kind<Kind::string>},
    {"mapping", is_kind<Kind::dict>},
    {"sequence", is_sequence},
    {"iterable", is_iterable_test},
    {"callable", is_callable},
    {"escaped", is_escaped},
    {"lower", is_case<false>},
    {"upper", is_case<true>},
    {"odd", has_rest_of_two<1>},
    {"even", has_rest_of_two<0>},
    {"divisibleby", is_divisible},
    {"sameas", is_same},
    {"filter", is_filter},
    {"test", is_test},
    {"in", compares<CompareOperator::in>},
    {"==", compares<CompareOperator::equal>},
    {"eq", compares<CompareOperator::equal>},
    {"equalto", compares<CompareOperator::equal>},
    {"!=", compares<CompareOperator::not_equal>},
    {"ne", compares<CompareOperator::not_equal>},
    {">", compares<CompareOperator::greater>},
    {"gt", compares<CompareOperator::greater>},
    {"greaterthan", compares<CompareOperator::greater>},
    {">=", compares<CompareOperator::greater_equal>},
    {"ge", compares<CompareOperator::greater_equal>},
    {"<", compares<CompareOperator::less>},
    {"lt", compares<CompareOperator::less>},
    {"lessthan", compares<CompareOperator::less>},
    {"<=", compares<CompareOperator::less_equal>},
    {"le", compares<CompareOperator::less_equal>},
};

}  // namespace

TestFunction find_test(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTests), std::end(kTests), [name](const Row& row) { return row.name == name; });
  return found == std::end(kTests) ? nullptr : found->function;
}

}  // namespace kedge::text::jinja
