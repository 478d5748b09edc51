#include "text/jinja/evaluator.h"

#include "text/jinja/evaluator_internal.h"
#include "text/jinja/print.h"

namespace kedge::text::jinja {
namespace {

template <typename T>
const T& as(const Statement& statement) {
  return static_cast<const T&>(statement);
}

}  // namespace

std::string Evaluator::run() {
  std::string text;
  out_ = &text;
  activation_ = make_activation(nullptr, tree_.slot_count);
  enter(tree_.scope);
  execute(tree_.body);
  return text;
}

Evaluator::Flow Evaluator::execute(const Body& body) {
  for (const StatementPtr& statement : body) {
    const Flow flow = execute(*statement);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute(const Statement& statement) {
  const Depth depth(*this);
  runtime_.heap.spend();
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::text:
      output(Value::string(as<TextStatement>(statement).text));
      return Flow::normal;
    case StatementKind::output:
      for (const ExpressionPtr& value : as<OutputStatement>(statement).values) output(evaluate(*value));
      return Flow::normal;
    case StatementKind::if_block:
      return execute_if(as<IfStatement>(statement));
    case StatementKind::for_loop:
      return execute_for(as<ForStatement>(statement));
    case StatementKind::break_loop:
      return Flow::break_loop;
    case StatementKind::continue_loop:
      return Flow::continue_loop;
    default:
      return execute_block(statement);
  }
}

Evaluator::Flow Evaluator::execute_block(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::set:
      execute_set(as<SetStatement>(statement));
      return Flow::normal;
    case StatementKind::set_block:
      return execute_set_block(as<SetBlockStatement>(statement));
    case StatementKind::macro:
      execute_macro(as<MacroStatement>(statement));
      return Flow::normal;
    case StatementKind::call_block:
      execute_call_block(as<CallBlockStatement>(statement));
      return Flow::normal;
    case StatementKind::filter_block:
      return execute_filter_block(as<FilterBlockStatement>(statement));
    case StatementKind::with_block:
      return execute_with(as<WithStatement>(statement));
    case StatementKind::named_block:
      execute_named_block(as<NamedBlockStatement>(statement));
      return Flow::normal;
    case StatementKind::refuse:
      throw Failure{as<RefuseStatement>(statement).message};
    default:
      return Flow::normal;
  }
}

void Evaluator::output(const Value& value) {
  append_text(*out_, value, runtime_.heap);
  if (out_->size() > limits_.output_bytes_max) {
    throw Failure{fmt::format("the output is longer than {} bytes (output_bytes_max)", limits_.output_bytes_max)};
  }
}

Evaluator::Flow Evaluator::execute_if(const IfStatement& node) {
  for (const auto& [condition, body] : node.branches) {
    if (is_true(evaluate(*condition))) return execute(body);
  }
  return execute(node.otherwise);
}

void Evaluator::execute_set(const SetStatement& node) {
  assign(node.target, evaluate(*node.value));
  if (node.is_exported) export_names(node.target);
}

Evaluator::Flow Evaluator::execute_set_block(const SetBlockStatement& node) {
  Value text;
  {
    Capture capture(*this);
    enter(node.scope);
    const Flow flow = execute(node.body);
    if (flow != Flow::normal) return flow;
    text = capture.take();
  }
  if (node.filter != nullptr) {
    const Value outer = std::exchange(block_text_, text);
    text = evaluate(*node.filter);
    block_text_ = outer;
  }
  assign(node.target, text);
  if (node.is_exported) export_names(node.target);
  leave(node.scope);
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute_filter_block(const FilterBlockStatement& node) {
  Value text;
  {
    Capture capture(*this);
    enter(node.scope);
    const Flow flow = execute(node.body);
    if (flow != Flow::normal) return flow;
    text = capture.take();
  }
  const Value outer = std::exchange(block_text_, text);
  output(evaluate(*node.filter));
  block_text_ = outer;
  leave(node.scope);
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute_with(const WithStatement& node) {
  enter(node.scope);
  for (const auto& [target, value] : node.assignments) assign(target, evaluate(*value));
  const Flow flow = execute(node.body);
  leave(node.scope);
  return flow;
}

void Evaluator::execute_named_block(const NamedBlockStatement& node) {
  Activation* const outer = activation_;
  if (!node.is_scoped) activation_ = make_activation(nullptr, node.slot_count);
  enter(node.scope);
  execute(node.body);
  activation_ = outer;
}

void Evaluator::execute_macro(const MacroStatement& node) {
  slot(node.slot) = make_macro(node.definition);
  if (node.is_exported) exported_[node.definition.name] = slot(node.slot);
}

void Evaluator::execute_call_block(const CallBlockStatement& node) {
  const Value caller = make_macro(node.definition);
  if (node.call != nullptr) {
    output(evaluate_call(static_cast<const CallExpression&>(*node.call), &caller));
    return;
  }
  CallArguments none;
  output(call_value(runtime_, caller, none));
}

Evaluator::Flow Evaluator::execute_for(const ForStatement& node) {
  const Value items = evaluate(*node.items);
  if (node.is_recursive) {
    output(run_recursive(node, items, activation_, 0));
    return Flow::normal;
  }
  LoopObject* loop = make_loop(node, items);
  return run_loop(node, items, *loop);
}

LoopObject* Evaluator::make_loop(const ForStatement& node, const Value& items) {
  auto* loop = runtime_.heap.make<LoopObject>();
  loop->pull = [this, &node, activation = activation_, next = iterate(runtime_, items)](Value& item) {
    while (next(item)) {
      runtime_.heap.spend();
      if (node.test == nullptr || passes(node, item, activation)) return true;
    }
    return false;
  };
  if (node.test == nullptr && !items.is_string()) {
    if (const auto length = length_of(items)) loop->total = static_cast<Integer>(*length);
  }
  return loop;
}

bool Evaluator::passes(const ForStatement& node, const Value& item, Activation* activation) {
  Activation* const outer = std::exchange(activation_, activation);
  enter(node.test_scope);
  assign(node.test_target, item);
  const bool result = is_true(evaluate(*node.test));
  leave(node.test_scope);
  activation_ = outer;
  return result;
}

Evaluator::Flow Evaluator::run_loop(const ForStatement& node, const Value& items, LoopObject& loop) {
  // As in Jinja, only a body that runs to its end keeps `else` from running: `continue` and `break` do not.
  bool finished_one = false;
  for (Value item; loop.advance(item);) {
    enter(node.body_scope);
    if (node.loop_index) activation_->slots[*node.loop_index] = Value::object(Kind::loop, &loop);
    assign(node.target, item);
    const Flow flow = execute(node.body);
    if (flow == Flow::break_loop) break;
    finished_one = finished_one || flow == Flow::normal;
  }
  leave(node.body_scope);
  static_cast<void>(items);
  if (finished_one || node.otherwise.empty()) return Flow::normal;
  enter(node.else_scope);
  const Flow flow = execute(node.otherwise);
  leave(node.else_scope);
  return flow;
}

Value Evaluator::run_recursive(const ForStatement& node, const Value& items, Activation* outer, Integer depth0) {
  const Depth depth(*this);
  if (depth0 >= static_cast<Integer>(limits_.depth_max)) throw Failure{"a recursive loop nests too deeply (depth_max)"};
  Activation* const caller = std::exchange(activation_, make_activation(outer, node.slot_count));
  Capture capture(*this);
  LoopObject* loop = make_loop(node, items);
  loop->depth0 = depth0;
  loop->recurse = [this, &node, outer, depth0](const Value& inner) {
    return run_recursive(node, inner, outer, depth0 + 1);
  };
  run_loop(node, items, *loop);
  activation_ = caller;
  return capture.take();
}

}  // namespace kedge::text::jinja
