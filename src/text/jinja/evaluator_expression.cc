// Expressions.

#include "text/jinja/evaluator_internal.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace kedge::text::jinja {
namespace {

template <typename T>
const T& as(const Expression& expression) {
  return static_cast<const T&>(expression);
}

}  // namespace

Value Evaluator::evaluate(const Expression& expression) {
  const Depth depth(*this);
  runtime_.heap.spend();
  line_ = expression.line;
  switch (expression.kind) {
    case ExpressionKind::literal:
      return as<LiteralExpression>(expression).value;
    case ExpressionKind::name:
      return evaluate_name(as<NameExpression>(expression));
    case ExpressionKind::list:
    case ExpressionKind::tuple:
      return evaluate_sequence(as<SequenceExpression>(expression));
    case ExpressionKind::dict:
      return evaluate_dict(as<DictExpression>(expression));
    case ExpressionKind::unary:
      return evaluate_unary(as<UnaryExpression>(expression));
    case ExpressionKind::arithmetic:
      return evaluate_arithmetic(as<ArithmeticExpression>(expression));
    case ExpressionKind::concat:
      return evaluate_concat(as<ConcatExpression>(expression));
    case ExpressionKind::logical:
      return evaluate_logical(as<LogicalExpression>(expression));
    case ExpressionKind::compare:
      return evaluate_compare(as<CompareExpression>(expression));
    case ExpressionKind::conditional:
      return evaluate_conditional(as<ConditionalExpression>(expression));
    case ExpressionKind::attribute:
    case ExpressionKind::item:
    case ExpressionKind::slice:
      return evaluate_access(expression);
    case ExpressionKind::call:
    case ExpressionKind::filter:
    case ExpressionKind::test:
      return evaluate_invocation(expression);
  }
  return {};
}

Value Evaluator::evaluate_or(const ExpressionPtr& expression, const Value& fallback) {
  return expression == nullptr ? fallback : evaluate(*expression);
}

Value Evaluator::evaluate_name(const NameExpression& node) {
  const Value& value = slot(node.slot);
  return value.is(Kind::missing) ? Value::undefined_name(node.name) : value;
}

Value Evaluator::evaluate_sequence(const SequenceExpression& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(*item));
  return node.kind == ExpressionKind::list ? runtime_.heap.list(std::move(items))
                                           : runtime_.heap.tuple(std::move(items));
}

Value Evaluator::evaluate_dict(const DictExpression& node) {
  const auto [value, dict] = runtime_.heap.dict();
  for (const auto& [key, item] : node.entries) {
    const Value name = evaluate(*key);
    runtime_.heap.set(*dict, name, evaluate(*item));
  }
  return value;
}

Value Evaluator::evaluate_unary(const UnaryExpression& node) {
  const Value operand = evaluate(*node.operand);
  switch (node.op) {
    case UnaryOperator::logical_not:
      return Value::boolean(!is_true(operand));
    case UnaryOperator::negative:
      return negate(operand);
    case UnaryOperator::positive:
      return make_positive(operand);
  }
  return {};
}

Value Evaluator::evaluate_arithmetic(const ArithmeticExpression& node) {
  Value result = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) result = apply(runtime_, op, result, evaluate(*operand));
  return result;
}

Value Evaluator::evaluate_concat(const ConcatExpression& node) {
  std::string text;
  for (const ExpressionPtr& part : node.parts) append_text(text, evaluate(*part), runtime_.heap);
  return runtime_.heap.string(std::move(text));
}

Value Evaluator::evaluate_logical(const LogicalExpression& node) {
  Value result;
  for (const ExpressionPtr& operand : node.operands) {
    result = evaluate(*operand);
    if (is_true(result) != node.is_and) return result;
  }
  return result;
}

Value Evaluator::evaluate_compare(const CompareExpression& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    const Value right = evaluate(*operand);
    if (!apply(runtime_, op, left, right)) return Value::boolean(false);
    left = right;
  }
  return Value::boolean(true);
}

Value Evaluator::evaluate_conditional(const ConditionalExpression& node) {
  if (is_true(evaluate(*node.condition))) return evaluate(*node.when_true);
  return evaluate_or(node.when_false, Value::undefined_hint("an inline 'if' was false and has no 'else'"));
}

Value Evaluator::evaluate_access(const Expression& expression) {
  if (expression.kind == ExpressionKind::attribute) {
    const auto& node = as<AttributeExpression>(expression);
    return get_attribute(runtime_, evaluate(*node.object), node.name);
  }
  if (expression.kind == ExpressionKind::item) {
    const auto& node = as<ItemExpression>(expression);
    const Value object = evaluate(*node.object);
    return get_item(runtime_, object, evaluate(*node.index));
  }
  return evaluate_slice(as<SliceExpression>(expression));
}

Value Evaluator::evaluate_slice(const SliceExpression& node) {
  const Value object = evaluate(*node.object);
  const Value start = evaluate_or(node.start, Value::none());
  const Value stop = evaluate_or(node.stop, Value::none());
  return get_slice(runtime_, object, start, stop, evaluate_or(node.step, Value::none()));
}

Value Evaluator::evaluate_invocation(const Expression& expression) {
  if (expression.kind == ExpressionKind::call) return evaluate_call(as<CallExpression>(expression));
  if (expression.kind == ExpressionKind::filter) return evaluate_filter(as<FilterExpression>(expression));
  return evaluate_test(as<TestExpression>(expression));
}

Value Evaluator::evaluate_call(const CallExpression& node, const Value* caller) {
  const Value callee = evaluate(*node.callee);
  CallArguments arguments = evaluate_arguments(node.arguments);
  if (caller != nullptr) arguments.keywords.emplace_back("caller", *caller);
  line_ = node.line;
  return call_value(runtime_, callee, arguments);
}

Value Evaluator::evaluate_filter(const FilterExpression& node) {
  const Value input = evaluate_or(node.input, block_text_);
  const FilterFunction filter = find_filter(node.name);
  if (filter == nullptr) throw Failure{fmt::format("there is no filter named '{}'", node.name)};
  CallArguments arguments = evaluate_arguments(node.arguments);
  line_ = node.line;
  if (input.is_string()) runtime_.heap.spend_on(input.as_string());
  return filter(runtime_, input, arguments);
}

Value Evaluator::evaluate_test(const TestExpression& node) {
  const Value input = evaluate(*node.input);
  const TestFunction test = find_test(node.name);
  if (test == nullptr) throw Failure{fmt::format("there is no test named '{}'", node.name)};
  CallArguments arguments = evaluate_arguments(node.arguments);
  return Value::boolean(test(runtime_, input, arguments));
}

CallArguments Evaluator::evaluate_arguments(const ArgumentExpressions& expressions) {
  CallArguments arguments;
  for (const ExpressionPtr& argument : expressions.positional) arguments.positional.push_back(evaluate(*argument));
  if (expressions.star != nullptr) {
    const std::vector<Value> items = items_of(runtime_, evaluate(*expressions.star));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  for (const auto& [name, argument] : expressions.keywords) arguments.keywords.emplace_back(name, evaluate(*argument));
  if (expressions.double_star != nullptr) add_keywords(arguments, evaluate(*expressions.double_star));
  return arguments;
}

void Evaluator::add_keywords(CallArguments& arguments, const Value& mapping) {
  if (!mapping.is(Kind::dict)) {
    throw Failure{fmt::format("'**' needs a dict, not a '{}'", type_name(mapping.kind()))};
  }
  for (const auto& [key, value] : mapping.dict().entries) {
    const std::string_view name = require_string(key, "a keyword");
    runtime_.heap.spend(1 + arguments.keywords.size() / 8);
    for (const auto& keyword : arguments.keywords) {
      if (keyword.first == name) throw Failure{fmt::format("the argument '{}' is given twice", name)};
    }
    arguments.keywords.emplace_back(name, value);
  }
}

}  // namespace kedge::text::jinja
