#pragma once
// The tree of a parsed template. Names are bound to variable slots by binder.cc; immutable afterwards.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace kedge::text::jinja {

/// Where a variable lives: `hops` functions (macros, recursive loops) outwards, at `index` there.
struct Slot {
  uint32_t hops = 0;
  uint32_t index = 0;
};

enum class ExpressionKind : uint8_t {
  literal,
  name,
  list,
  tuple,
  dict,
  unary,
  arithmetic,
  concat,
  logical,
  compare,
  conditional,
  attribute,
  item,
  slice,
  call,
  filter,
  test
};

struct Expression {
  Expression(ExpressionKind expression_kind, int source_line) : kind(expression_kind), line(source_line) {}
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;
  virtual ~Expression() = default;

  ExpressionKind kind;
  int line;
  uint32_t height = 1;  // of the tree below: what walking it recursively costs
};
using ExpressionPtr = std::unique_ptr<Expression>;

struct LiteralExpression : Expression {
  LiteralExpression(Value literal, int source_line)
      : Expression(ExpressionKind::literal, source_line), value(literal) {}
  LiteralExpression(std::string literal, int source_line)
      : Expression(ExpressionKind::literal, source_line), text(std::move(literal)), value(Value::string(text)) {}
  std::string text;  // what a string value points to
  Value value;
};

struct NameExpression : Expression {
  NameExpression(std::string variable, int source_line)
      : Expression(ExpressionKind::name, source_line), name(std::move(variable)) {}
  std::string name;
  Slot slot;
};

struct SequenceExpression : Expression {  // list or tuple
  using Expression::Expression;
  std::vector<ExpressionPtr> items;
};

struct DictExpression : Expression {
  explicit DictExpression(int source_line) : Expression(ExpressionKind::dict, source_line) {}
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

enum class UnaryOperator : uint8_t { negative, positive, logical_not };

struct UnaryExpression : Expression {
  UnaryExpression(UnaryOperator unary, ExpressionPtr value, int source_line)
      : Expression(ExpressionKind::unary, source_line), op(unary), operand(std::move(value)) {}
  UnaryOperator op;
  ExpressionPtr operand;
};

enum class ArithmeticOperator : uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };

/// first op operand op operand ...: a chain of one precedence, from the left, so that long sums nest nothing.
struct ArithmeticExpression : Expression {
  explicit ArithmeticExpression(int source_line) : Expression(ExpressionKind::arithmetic, source_line) {}
  ExpressionPtr first;
  std::vector<std::pair<ArithmeticOperator, ExpressionPtr>> rest;
};

struct ConcatExpression : Expression {  // a ~ b ~ c
  explicit ConcatExpression(int source_line) : Expression(ExpressionKind::concat, source_line) {}
  std::vector<ExpressionPtr> parts;
};

struct LogicalExpression : Expression {  // and, or
  LogicalExpression(bool conjunction, int source_line)
      : Expression(ExpressionKind::logical, source_line), is_and(conjunction) {}
  bool is_and;
  std::vector<ExpressionPtr> operands;
};

enum class CompareOperator : uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

struct CompareExpression : Expression {  // a < b < c
  explicit CompareExpression(int source_line) : Expression(ExpressionKind::compare, source_line) {}
  ExpressionPtr first;
  std::vector<std::pair<CompareOperator, ExpressionPtr>> rest;
};

struct ConditionalExpression : Expression {
  explicit ConditionalExpression(int source_line) : Expression(ExpressionKind::conditional, source_line) {}
  ExpressionPtr condition, when_true, when_false;  // when_false may be null
};

struct AttributeExpression : Expression {
  explicit AttributeExpression(int source_line) : Expression(ExpressionKind::attribute, source_line) {}
  ExpressionPtr object;
  std::string name;
};

struct ItemExpression : Expression {
  explicit ItemExpression(int source_line) : Expression(ExpressionKind::item, source_line) {}
  ExpressionPtr object, index;
};

struct SliceExpression : Expression {
  explicit SliceExpression(int source_line) : Expression(ExpressionKind::slice, source_line) {}
  ExpressionPtr object, start, stop, step;  // the last three may be null
};

struct ArgumentExpressions {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr star, double_star;  // may be null
};

struct CallExpression : Expression {
  explicit CallExpression(int source_line) : Expression(ExpressionKind::call, source_line) {}
  ExpressionPtr callee;
  ArgumentExpressions arguments;
};

struct FilterExpression : Expression {
  explicit FilterExpression(int source_line) : Expression(ExpressionKind::filter, source_line) {}
  ExpressionPtr input;  // null: the body of a {% filter %} or {% set %} block
  std::string name;
  ArgumentExpressions arguments;
};

struct TestExpression : Expression {
  explicit TestExpression(int source_line) : Expression(ExpressionKind::test, source_line) {}
  ExpressionPtr input;
  std::string name;
  ArgumentExpressions arguments;
};

/// Calls `visit` with every direct part of the expression, in source order.
void for_each_part(const Expression& expression, const std::function<void(Expression&)>& visit);

/// What an assignment writes to.
struct Target {
  enum class Kind : uint8_t { name, attribute, tuple };
  Kind kind = Kind::name;
  std::string name;
  std::string attribute;  // of the namespace `name`
  Slot slot;
  std::vector<Target> items;
};

enum class StatementKind : uint8_t {
  text,
  output,
  if_block,
  for_loop,
  set,
  set_block,
  macro,
  call_block,
  filter_block,
  with_block,
  named_block,
  break_loop,
  continue_loop,
  refuse
};

struct Statement {
  Statement(StatementKind statement_kind, int source_line) : kind(statement_kind), line(source_line) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  virtual ~Statement() = default;

  StatementKind kind;
  int line;
};
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

/// What happens to the variables of a scope when it is entered. Left again, all of them are unset.
struct Scope {
  /// `copy` from an outer scope; `resolve` by name in the context; a `parameter` is set by whoever enters.
  enum class Load : uint8_t { unset, copy, resolve, parameter };
  struct Entry {
    Load load = Load::unset;
    uint32_t index = 0;
    Slot source;       // of copy
    std::string name;  // of resolve
  };
  std::vector<Entry> entries;
};

struct TextStatement : Statement {
  TextStatement(std::string data, int source_line)
      : Statement(StatementKind::text, source_line), text(std::move(data)) {}
  std::string text;
};

struct OutputStatement : Statement {
  explicit OutputStatement(int source_line) : Statement(StatementKind::output, source_line) {}
  std::vector<ExpressionPtr> values;
};

struct IfStatement : Statement {
  explicit IfStatement(int source_line) : Statement(StatementKind::if_block, source_line) {}
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};

struct ForStatement : Statement {
  explicit ForStatement(int source_line) : Statement(StatementKind::for_loop, source_line) {}
  Target target, test_target;  // the same names, in the scopes of the body and of the test
  ExpressionPtr items, test;   // test may be null
  Body body, otherwise;
  bool is_recursive = false;
  std::optional<uint32_t> loop_index;  // slot of the variable `loop`, where the body uses it
  Scope body_scope, test_scope, else_scope;
  uint32_t slot_count = 0;  // of the function that a recursive loop is
};

struct SetStatement : Statement {
  explicit SetStatement(int source_line) : Statement(StatementKind::set, source_line) {}
  Target target;
  ExpressionPtr value;
  bool is_exported = false;  // at the top level: blocks see it too
};

struct SetBlockStatement : Statement {
  explicit SetBlockStatement(int source_line) : Statement(StatementKind::set_block, source_line) {}
  Target target;
  ExpressionPtr filter;  // null or a chain of filters whose innermost input is the body
  Body body;
  Scope scope;
  bool is_exported = false;
};

/// A macro, or the body of a {% call %} block.
struct MacroDefinition {
  struct Parameter {
    std::string name;
    ExpressionPtr fallback;  // may be null
    uint32_t index = 0;
  };
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  Scope scope;
  uint32_t slot_count = 0;
  std::optional<uint32_t> caller_index, kwargs_index, varargs_index;  // where the body uses them
};

struct MacroStatement : Statement {
  explicit MacroStatement(int source_line) : Statement(StatementKind::macro, source_line) {}
  MacroDefinition definition;
  Slot slot;
  bool is_exported = false;
};

struct CallBlockStatement : Statement {
  explicit CallBlockStatement(int source_line) : Statement(StatementKind::call_block, source_line) {}
  MacroDefinition definition;
  ExpressionPtr call;  // a CallExpression; null: {% generation %}, which only renders its body
};

struct FilterBlockStatement : Statement {
  explicit FilterBlockStatement(int source_line) : Statement(StatementKind::filter_block, source_line) {}
  ExpressionPtr filter;
  Body body;
  Scope scope;
};

struct WithStatement : Statement {
  explicit WithStatement(int source_line) : Statement(StatementKind::with_block, source_line) {}
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
  Scope scope;
};

struct NamedBlockStatement : Statement {
  explicit NamedBlockStatement(int source_line) : Statement(StatementKind::named_block, source_line) {}
  std::string name;
  bool is_scoped = false;  // sees the variables around it
  Body body;
  Scope scope;
  uint32_t slot_count = 0;
};

struct BreakStatement : Statement {
  explicit BreakStatement(int source_line) : Statement(StatementKind::break_loop, source_line) {}
};

struct ContinueStatement : Statement {
  explicit ContinueStatement(int source_line) : Statement(StatementKind::continue_loop, source_line) {}
};

/// What Jinja parses but a chat template cannot do: include, import, extends.
struct RefuseStatement : Statement {
  RefuseStatement(std::string reason, int source_line)
      : Statement(StatementKind::refuse, source_line), message(std::move(reason)) {}
  std::string message;
};

struct TemplateTree {
  Body body;
  Scope scope;
  uint32_t slot_count = 0;
};

}  // namespace kedge::text::jinja
