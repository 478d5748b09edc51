#include "text/jinja/ast.h"

namespace kedge::text::jinja {
namespace {

using Visit = std::function<void(Expression&)>;

void visit_if(const ExpressionPtr& part, const Visit& visit) {
  if (part != nullptr) visit(*part);
}

void visit_arguments(const ArgumentExpressions& arguments, const Visit& visit) {
  for (const auto& argument : arguments.positional) visit(*argument);
  for (const auto& [name, argument] : arguments.keywords) visit(*argument);
  visit_if(arguments.star, visit);
  visit_if(arguments.double_star, visit);
}

template <typename Chain>
void visit_chain(const Chain& chain, const Visit& visit) {
  visit_if(chain.first, visit);
  for (const auto& [op, operand] : chain.rest) visit(*operand);
}

void visit_all(const std::vector<ExpressionPtr>& parts, const Visit& visit) {
  for (const auto& part : parts) visit(*part);
}

template <typename T>
const T& as(const Expression& expression) {
  return static_cast<const T&>(expression);
}

void visit_access(const Expression& expression, const Visit& visit) {
  if (expression.kind == ExpressionKind::attribute) {
    visit_if(as<AttributeExpression>(expression).object, visit);
  } else if (expression.kind == ExpressionKind::item) {
    visit_if(as<ItemExpression>(expression).object, visit);
    visit_if(as<ItemExpression>(expression).index, visit);
  } else {
    const auto& slice = as<SliceExpression>(expression);
    for (const ExpressionPtr* part : {&slice.object, &slice.start, &slice.stop, &slice.step}) visit_if(*part, visit);
  }
}

void visit_invocation(const Expression& expression, const Visit& visit) {
  if (expression.kind == ExpressionKind::call) {
    visit_if(as<CallExpression>(expression).callee, visit);
    visit_arguments(as<CallExpression>(expression).arguments, visit);
  } else if (expression.kind == ExpressionKind::filter) {
    visit_if(as<FilterExpression>(expression).input, visit);
    visit_arguments(as<FilterExpression>(expression).arguments, visit);
  } else {
    visit_if(as<TestExpression>(expression).input, visit);
    visit_arguments(as<TestExpression>(expression).arguments, visit);
  }
}

}  // namespace

void for_each_part(const Expression& expression, const Visit& visit) {
  switch (expression.kind) {
    case ExpressionKind::literal:
    case ExpressionKind::name:
      return;
    case ExpressionKind::list:
    case ExpressionKind::tuple:
      return visit_all(as<SequenceExpression>(expression).items, visit);
    case ExpressionKind::dict:
      for (const auto& [key, value] : as<DictExpression>(expression).entries) {
        visit(*key);
        visit(*value);
      }
      return;
    case ExpressionKind::unary:
      return visit_if(as<UnaryExpression>(expression).operand, visit);
    case ExpressionKind::arithmetic:
      return visit_chain(as<ArithmeticExpression>(expression), visit);
    case ExpressionKind::compare:
      return visit_chain(as<CompareExpression>(expression), visit);
    case ExpressionKind::concat:
      return visit_all(as<ConcatExpression>(expression).parts, visit);
    case ExpressionKind::logical:
      return visit_all(as<LogicalExpression>(expression).operands, visit);
    case ExpressionKind::conditional: {
      const auto& conditional = as<ConditionalExpression>(expression);
      visit_if(conditional.condition, visit);
      visit_if(conditional.when_true, visit);
      return visit_if(conditional.when_false, visit);
    }
    case ExpressionKind::attribute:
    case ExpressionKind::item:
    case ExpressionKind::slice:
      return visit_access(expression, visit);
    case ExpressionKind::call:
    case ExpressionKind::filter:
    case ExpressionKind::test:
      return visit_invocation(expression, visit);
  }
}

}  // namespace kedge::text::jinja
