#pragma once
// Runs a bound template once. One Evaluator per rendering; one thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace kedge::text::jinja {

class Evaluator {
 public:
  struct Limits {
    size_t output_bytes_max;
    size_t depth_max;
  };

  /// `tree`, `runtime` and `variables` outlive the evaluator.
  Evaluator(const TemplateTree& tree, Runtime& runtime, const DictObject& variables, const Limits& limits)
      : tree_(tree), runtime_(runtime), variables_(variables), limits_(limits) {}

  /// The rendered text. Throws Failure.
  std::string run();

  /// Where the template stood when it failed.
  [[nodiscard]] int line() const { return line_; }

 private:
  /// The variables of one call of a function of the template.
  struct Activation : Object {
    Activation* outer = nullptr;
    std::vector<Value> slots;
  };
  struct Macro;
  enum class Flow : uint8_t { normal, break_loop, continue_loop };
  class Depth;
  class Capture;

  // statements
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow execute_if(const IfStatement& node);
  Flow execute_for(const ForStatement& node);
  Flow execute_block(const Statement& statement);
  void execute_set(const SetStatement& node);
  void execute_macro(const MacroStatement& node);
  void execute_call_block(const CallBlockStatement& node);
  Flow execute_set_block(const SetBlockStatement& node);
  Flow execute_filter_block(const FilterBlockStatement& node);
  Flow execute_with(const WithStatement& node);
  void execute_named_block(const NamedBlockStatement& node);
  void output(const Value& value);

  // loops
  Flow run_loop(const ForStatement& node, const Value& items, LoopObject& loop);
  bool passes(const ForStatement& node, const Value& item, Activation* activation);
  Value run_recursive(const ForStatement& node, const Value& items, Activation* outer, Integer depth0);
  LoopObject* make_loop(const ForStatement& node, const Value& items);

  // functions and variables
  Value make_macro(const MacroDefinition& definition);
  Value run_macro(const Macro& macro, CallArguments& arguments);
  void bind_parameters(const MacroDefinition& definition, CallArguments& arguments, Activation& activation);
  void evaluate_defaults(const MacroDefinition& definition);
  Activation* make_activation(Activation* outer, uint32_t slot_count);
  void enter(const Scope& scope);
  void leave(const Scope& scope);
  Value& slot(const Slot& slot);
  Value resolve(const std::string& name);
  void assign(const Target& target, const Value& value);
  void assign_attribute(const Target& target, const Value& value);
  void export_names(const Target& target);

  // expressions
  Value evaluate(const Expression& expression);
  Value evaluate_or(const ExpressionPtr& expression, const Value& fallback);
  Value evaluate_name(const NameExpression& node);
  Value evaluate_sequence(const SequenceExpression& node);
  Value evaluate_dict(const DictExpression& node);
  Value evaluate_unary(const UnaryExpression& node);
  Value evaluate_arithmetic(const ArithmeticExpression& node);
  Value evaluate_concat(const ConcatExpression& node);
  Value evaluate_logical(const LogicalExpression& node);
  Value evaluate_compare(const CompareExpression& node);
  Value evaluate_conditional(const ConditionalExpression& node);
  Value evaluate_slice(const SliceExpression& node);
  Value evaluate_access(const Expression& expression);
  Value evaluate_invocation(const Expression& expression);
  Value evaluate_call(const CallExpression& node, const Value* caller = nullptr);
  Value evaluate_filter(const FilterExpression& node);
  Value evaluate_test(const TestExpression& node);
  CallArguments evaluate_arguments(const ArgumentExpressions& expressions);
  void add_keywords(CallArguments& arguments, const Value& mapping);

  const TemplateTree& tree_;
  Runtime& runtime_;
  const DictObject& variables_;
  Limits limits_;
  std::unordered_map<std::string_view, Value> exported_;  // top-level variables, for named blocks
  Activation* activation_ = nullptr;
  std::string* out_ = nullptr;
  Value block_text_;  // what the filters of a block start from
  size_t depth_ = 0;
  size_t macro_depth_ = 0;
  int line_ = 1;
};

}  // namespace kedge::text::jinja
