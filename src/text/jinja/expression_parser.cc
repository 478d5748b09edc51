#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace kedge::text::jinja {
namespace {

constexpr size_t kKeywordsMax = 1000;

template <typename Operator, size_t N>
std::optional<Operator> find_operator(const Token& token,
                                      const std::array<std::pair<std::string_view, Operator>, N>& table) {
  if (token.kind != TokenKind::op) return std::nullopt;
  for (const auto& [text, op] : table) {
    if (token.text == text) return op;
  }
  return std::nullopt;
}

using ArithmeticRow = std::pair<std::string_view, ArithmeticOperator>;
constexpr std::array<ArithmeticRow, 2> kSumOperators = {
    {{"+", ArithmeticOperator::add}, {"-", ArithmeticOperator::subtract}}};
constexpr std::array<ArithmeticRow, 4> kProductOperators = {{{"*", ArithmeticOperator::multiply},
                                                             {"/", ArithmeticOperator::divide},
                                                             {"//", ArithmeticOperator::floor_divide},
                                                             {"%", ArithmeticOperator::modulo}}};
constexpr std::array<ArithmeticRow, 1> kPowerOperators = {{{"**", ArithmeticOperator::power}}};
constexpr std::array<std::pair<std::string_view, CompareOperator>, 6> kCompareOperators = {
    {{"==", CompareOperator::equal},
     {"!=", CompareOperator::not_equal},
     {"<", CompareOperator::less},
     {"<=", CompareOperator::less_equal},
     {">", CompareOperator::greater},
     {">=", CompareOperator::greater_equal}}};

/// A left-to-right chain of operators of one precedence.
template <size_t N, typename Operand>
ExpressionPtr arithmetic_chain(TokenStream& tokens, const std::array<ArithmeticRow, N>& table, const Operand& operand) {
  const int line = tokens.line();
  ExpressionPtr first = operand();
  if (!find_operator(tokens.current(), table)) return first;
  auto chain = std::make_unique<ArithmeticExpression>(line);
  chain->first = std::move(first);
  while (const auto op = find_operator(tokens.current(), table)) {
    tokens.next();
    chain->rest.emplace_back(*op, operand());
  }
  return chain;
}

Integer parse_integer(const std::string& text, const TokenStream& tokens) {
  int base = 10;
  size_t begin = 0;
  if (text.size() > 2 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    begin = base == 10 ? 0 : 2;
  }
  Integer value = 0;
  for (const char c : text.substr(begin)) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (__builtin_mul_overflow(value, Integer{base}, &value) || __builtin_add_overflow(value, Integer{digit}, &value)) {
      tokens.fail("an integer of more than 128 bits");
    }
  }
  return value;
}

}  // namespace

ExpressionPtr ExpressionParser::expression(bool conditional_allowed) {
  const TokenStream::Nesting nesting(tokens_);
  return conditional_allowed ? conditional() : logical_or();
}

ExpressionPtr ExpressionParser::conditional() {
  const int line = tokens_.line();
  ExpressionPtr result = logical_or();
  while (tokens_.skip_name("if")) {
    auto node = std::make_unique<ConditionalExpression>(line);
    node->when_true = std::move(result);
    node->condition = logical_or();
    if (tokens_.skip_name("else")) node->when_false = expression();
    result = finish(std::move(node));
  }
  return result;
}

ExpressionPtr ExpressionParser::logical_or() {
  const int line = tokens_.line();
  ExpressionPtr first = logical_and();
  if (!tokens_.current().is_name("or")) return first;
  auto node = std::make_unique<LogicalExpression>(false, line);
  node->operands.push_back(std::move(first));
  while (tokens_.skip_name("or")) node->operands.push_back(logical_and());
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::logical_and() {
  const int line = tokens_.line();
  ExpressionPtr first = logical_not();
  if (!tokens_.current().is_name("and")) return first;
  auto node = std::make_unique<LogicalExpression>(true, line);
  node->operands.push_back(std::move(first));
  while (tokens_.skip_name("and")) node->operands.push_back(logical_not());
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::logical_not() {
  if (!tokens_.current().is_name("not")) return comparison();
  const TokenStream::Nesting nesting(tokens_);
  const int line = tokens_.next().line;
  return finish(std::make_unique<UnaryExpression>(UnaryOperator::logical_not, logical_not(), line));
}

ExpressionPtr ExpressionParser::comparison() {
  const int line = tokens_.line();
  ExpressionPtr first = sum();
  auto node = std::make_unique<CompareExpression>(line);
  while (true) {
    if (const auto op = find_operator(tokens_.current(), kCompareOperators)) {
      tokens_.next();
      node->rest.emplace_back(*op, sum());
    } else if (tokens_.skip_name("in")) {
      node->rest.emplace_back(CompareOperator::in, sum());
    } else if (tokens_.current().is_name("not") && tokens_.following().is_name("in")) {
      tokens_.next();
      tokens_.next();
      node->rest.emplace_back(CompareOperator::not_in, sum());
    } else {
      break;
    }
  }
  if (node->rest.empty()) return first;
  node->first = std::move(first);
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::sum() {
  return finish(arithmetic_chain(tokens_, kSumOperators, [this] { return concat(); }));
}

ExpressionPtr ExpressionParser::concat() {
  const int line = tokens_.line();
  ExpressionPtr first = product();
  if (!tokens_.current().is_op("~")) return first;
  auto node = std::make_unique<ConcatExpression>(line);
  node->parts.push_back(std::move(first));
  while (tokens_.skip_op("~")) node->parts.push_back(product());
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::product() {
  return finish(arithmetic_chain(tokens_, kProductOperators, [this] { return power(); }));
}

ExpressionPtr ExpressionParser::power() {
  return finish(arithmetic_chain(tokens_, kPowerOperators, [this] { return unary(); }));
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const int line = tokens_.line();
  ExpressionPtr node;
  const bool negative = tokens_.current().is_op("-");
  if (negative || tokens_.current().is_op("+")) {
    const TokenStream::Nesting nesting(tokens_);
    tokens_.next();
    node = finish(std::make_unique<UnaryExpression>(negative ? UnaryOperator::negative : UnaryOperator::positive,
                                                    unary(false), line));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::primary() {
  const Token& token = tokens_.current();
  switch (token.kind) {
    case TokenKind::name: {
      tokens_.next();
      const std::string& name = token.text;
      if (name == "true" || name == "True")
        return std::make_unique<LiteralExpression>(Value::boolean(true), token.line);
      if (name == "false" || name == "False") {
        return std::make_unique<LiteralExpression>(Value::boolean(false), token.line);
      }
      if (name == "none" || name == "None") return std::make_unique<LiteralExpression>(Value::none(), token.line);
      return std::make_unique<NameExpression>(name, token.line);
    }
    case TokenKind::string:
      return literal_string();
    case TokenKind::integer:
    case TokenKind::number:
      return literal_number();
    default:
      if (token.is_op("(")) return parenthesized();
      if (token.is_op("[")) return list();
      if (token.is_op("{")) return dict();
      tokens_.fail(fmt::format("expected an expression, found {}", describe(token)));
  }
}

ExpressionPtr ExpressionParser::literal_string() {
  const int line = tokens_.line();
  std::string text;
  while (tokens_.current().kind == TokenKind::string) text += tokens_.next().text;
  return std::make_unique<LiteralExpression>(std::move(text), line);
}

ExpressionPtr ExpressionParser::literal_number() {
  const Token& token = tokens_.current();
  if (token.kind == TokenKind::integer) {
    const Integer value = parse_integer(token.text, tokens_);
    tokens_.next();
    return std::make_unique<LiteralExpression>(Value::integer(value), token.line);
  }
  tokens_.next();
  const double value = std::strtod(token.text.c_str(), nullptr);  // beyond the range: infinity, as in Python
  return std::make_unique<LiteralExpression>(Value::number(value), token.line);
}

ExpressionPtr ExpressionParser::parenthesized() {
  const int line = tokens_.next().line;
  if (tokens_.skip_op(")")) return std::make_unique<SequenceExpression>(ExpressionKind::tuple, line);
  ExpressionPtr node = tuple();
  tokens_.expect_op(")");
  return node;
}

ExpressionPtr ExpressionParser::list() {
  auto node = std::make_unique<SequenceExpression>(ExpressionKind::list, tokens_.next().line);
  while (!tokens_.current().is_op("]")) {
    if (!node->items.empty()) {
      tokens_.expect_op(",");
      if (tokens_.current().is_op("]")) break;
    }
    node->items.push_back(expression());
  }
  tokens_.expect_op("]");
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::dict() {
  auto node = std::make_unique<DictExpression>(tokens_.next().line);
  while (!tokens_.current().is_op("}")) {
    if (!node->entries.empty()) {
      tokens_.expect_op(",");
      if (tokens_.current().is_op("}")) break;
    }
    ExpressionPtr key = expression();
    tokens_.expect_op(":");
    node->entries.emplace_back(std::move(key), expression());
  }
  tokens_.expect_op("}");
  return finish(std::move(node));
}

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  const Token& token = tokens_.current();
  return token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_op(")") ||
         (!end_name.empty() && token.is_name(end_name));
}

ExpressionPtr ExpressionParser::tuple(bool conditional_allowed, std::string_view end_name) {
  const int line = tokens_.line();
  auto node = std::make_unique<SequenceExpression>(ExpressionKind::tuple, line);
  bool is_tuple = false;
  while (!at_tuple_end(end_name)) {
    node->items.push_back(expression(conditional_allowed));
    if (!tokens_.skip_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return finish(std::move(node));
  if (node->items.empty()) tokens_.fail(fmt::format("expected an expression, found {}", describe(tokens_.current())));
  return std::move(node->items[0]);
}

ExpressionPtr ExpressionParser::finish(ExpressionPtr node) const {
  for_each_part(*node, [&node](const Expression& part) { node->height = std::max(node->height, part.height + 1); });
  if (node->height > tokens_.depth_max()) {
    TokenStream::fail_at(node->line,
                         fmt::format("an expression nested deeper than {} levels (depth_max)", tokens_.depth_max()));
  }
  return node;
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr object) {
  while (true) {
    if (tokens_.current().is_op(".") || tokens_.current().is_op("[")) {
      object = subscript(std::move(object));
    } else if (tokens_.current().is_op("(")) {
      object = call(std::move(object));
    } else {
      return object;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  const Token& token = tokens_.next();
  if (token.is_op("[")) return bracket_subscript(std::move(object), token.line);
  const Token& name = tokens_.next();
  if (name.kind == TokenKind::name) {
    auto node = std::make_unique<AttributeExpression>(token.line);
    node->object = std::move(object);
    node->name = name.text;
    return finish(std::move(node));
  }
  if (name.kind != TokenKind::integer)
    tokens_.fail_at(name.line, fmt::format("expected a name after '.', found {}", describe(name)));
  auto node = std::make_unique<ItemExpression>(token.line);
  node->object = std::move(object);
  node->index = std::make_unique<LiteralExpression>(Value::integer(parse_integer(name.text, tokens_)), name.line);
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::bracket_subscript(ExpressionPtr object, int line) {
  const auto ends = [this] { return tokens_.current().is_op("]") || tokens_.current().is_op(":"); };
  ExpressionPtr start = ends() ? nullptr : expression();
  if (!tokens_.current().is_op(":")) {
    if (start == nullptr) tokens_.fail("expected a subscript between '[' and ']'");
    auto node = std::make_unique<ItemExpression>(line);
    node->object = std::move(object);
    if (tokens_.current().is_op(",")) {
      auto key = std::make_unique<SequenceExpression>(ExpressionKind::tuple, line);
      key->items.push_back(std::move(start));
      while (tokens_.skip_op(",")) key->items.push_back(expression());
      start = std::move(key);
    }
    tokens_.expect_op("]");
    node->index = std::move(start);
    return finish(std::move(node));
  }
  tokens_.expect_op(":");
  auto node = std::make_unique<SliceExpression>(line);
  node->object = std::move(object);
  node->start = std::move(start);
  if (!ends()) node->stop = expression();
  if (tokens_.skip_op(":") && !ends()) node->step = expression();
  tokens_.expect_op("]");
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::call(ExpressionPtr callee) {
  auto node = std::make_unique<CallExpression>(tokens_.line());
  node->callee = std::move(callee);
  node->arguments = arguments();
  return finish(std::move(node));
}

ArgumentExpressions ExpressionParser::arguments() {
  const int line = tokens_.line();
  tokens_.expect_op("(");
  ArgumentExpressions result;
  bool needs_comma = false;
  while (!tokens_.current().is_op(")")) {
    if (needs_comma) {
      tokens_.expect_op(",");
      if (tokens_.current().is_op(")")) break;
    }
    if (result.keywords.size() >= kKeywordsMax)
      tokens_.fail(fmt::format("more than {} keyword arguments", kKeywordsMax));
    argument(result, line);
    needs_comma = true;
  }
  tokens_.expect_op(")");
  return result;
}

void ExpressionParser::argument(ArgumentExpressions& result, int line) {
  const auto require = [&](bool condition) {
    if (!condition) tokens_.fail_at(line, "arguments of a call in the wrong order");
  };
  if (tokens_.skip_op("*")) {
    require(!result.star && !result.double_star);
    result.star = expression();
  } else if (tokens_.skip_op("**")) {
    require(!result.double_star);
    result.double_star = expression();
  } else if (tokens_.current().kind == TokenKind::name && tokens_.following().is_op("=")) {
    require(!result.double_star);
    std::string name = tokens_.next().text;
    tokens_.next();
    for (const auto& keyword : result.keywords) {
      if (keyword.first == name) tokens_.fail_at(line, fmt::format("the argument '{}' is given twice", name));
    }
    result.keywords.emplace_back(std::move(name), expression());
  } else {
    require(!result.star && !result.double_star && result.keywords.empty());
    result.positional.push_back(expression());
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input, bool first_without_bar) {
  while (first_without_bar || tokens_.current().is_op("|")) {
    if (!first_without_bar) tokens_.next();
    first_without_bar = false;
    auto node = std::make_unique<FilterExpression>(tokens_.line());
    node->input = std::move(input);
    node->name = tokens_.expect(TokenKind::name, "the name of a filter").text;
    while (tokens_.skip_op(".")) node->name += "." + tokens_.expect(TokenKind::name, "the name of a filter").text;
    if (tokens_.current().is_op("(")) node->arguments = arguments();
    input = finish(std::move(node));
  }
  return input;
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr input) {
  while (true) {
    if (tokens_.current().is_op("|")) {
      input = filters(std::move(input));
    } else if (tokens_.current().is_name("is")) {
      input = test(std::move(input));
    } else if (tokens_.current().is_op("(")) {
      input = call(std::move(input));
    } else {
      return input;
    }
  }
}

ExpressionPtr ExpressionParser::test(ExpressionPtr input) {
  const int line = tokens_.next().line;
  const bool negated = tokens_.skip_name("not");
  auto node = std::make_unique<TestExpression>(line);
  node->input = std::move(input);
  node->name = tokens_.expect(TokenKind::name, "the name of a test").text;
  while (tokens_.skip_op(".")) node->name += "." + tokens_.expect(TokenKind::name, "the name of a test").text;
  const Token& token = tokens_.current();
  const bool begins_operand = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                              token.kind == TokenKind::integer || token.kind == TokenKind::number || token.is_op("[") ||
                              token.is_op("{");
  if (token.is_op("(")) {
    node->arguments = arguments();
  } else if (begins_operand && !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) tokens_.fail("tests cannot be chained with 'is'");
    const TokenStream::Nesting nesting(tokens_);
    node->arguments.positional.push_back(postfix(primary()));
  }
  ExpressionPtr result = finish(std::move(node));
  if (!negated) return result;
  return finish(std::make_unique<UnaryExpression>(UnaryOperator::logical_not, std::move(result), line));
}

Target ExpressionParser::name_target() {
  const Token& token = tokens_.expect(TokenKind::name, "a name");
  constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none", "True", "False", "None"};
  if (std::find(kConstants.begin(), kConstants.end(), token.text) != kConstants.end()) {
    tokens_.fail_at(token.line, fmt::format("cannot assign to '{}'", token.text));
  }
  Target target;
  target.name = token.text;
  return target;
}

Target ExpressionParser::target_item(bool with_namespace) {
  if (tokens_.skip_op("(")) {
    const TokenStream::Nesting nesting(tokens_);
    Target nested = target({}, with_namespace);
    tokens_.expect_op(")");
    return nested;
  }
  Target item = name_target();
  if (with_namespace && tokens_.skip_op(".")) {
    item.kind = Target::Kind::attribute;
    item.attribute = tokens_.expect(TokenKind::name, "the name of an attribute").text;
  }
  return item;
}

Target ExpressionParser::target(std::string_view end_name, bool with_namespace) {
  Target tuple_target;
  tuple_target.kind = Target::Kind::tuple;
  bool is_tuple = false;
  while (!at_tuple_end(end_name)) {
    tuple_target.items.push_back(target_item(with_namespace));
    if (!tokens_.skip_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return tuple_target;
  if (tuple_target.items.empty())
    tokens_.fail(fmt::format("expected a name to assign to, found {}", describe(tokens_.current())));
  return std::move(tuple_target.items[0]);
}

}  // namespace kedge::text::jinja
