#include "text/jinja/binder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "text/jinja/runtime.h"
#include "text/jinja/symbols.h"

namespace kedge::text::jinja {
namespace {

template <typename T>
T& as(Statement& statement) {
  return static_cast<T&>(statement);
}

/// Which of some names a body reads before it writes them (jinja2's find_undeclared).
class UndeclaredNames {
 public:
  explicit UndeclaredNames(std::initializer_list<std::string_view> names) : wanted_(names.begin(), names.end()) {}

  void visit(const Body& body) {
    for (const StatementPtr& statement : body) visit(*statement);
  }

  [[nodiscard]] bool found(std::string_view name) const { return found_.contains(std::string(name)); }
  [[nodiscard]] bool has_scoped_block() const { return has_scoped_block_; }

 private:
  void read(const Expression& expression) {
    if (expression.kind == ExpressionKind::name) {
      const std::string& name = static_cast<const NameExpression&>(expression).name;
      if (wanted_.contains(name)) found_.insert(name);
    }
    for_each_part(expression, [this](const Expression& part) { read(part); });
  }
  void read(const ExpressionPtr& expression) {
    if (expression != nullptr) read(*expression);
  }

  void write(const Target& target) {
    if (target.kind == Target::Kind::name) wanted_.erase(target.name);
    for (const Target& item : target.items) write(item);
  }

  void visit_function(const MacroDefinition& definition) {
    for (const auto& parameter : definition.parameters) wanted_.erase(parameter.name);
    for (const auto& parameter : definition.parameters) read(parameter.fallback);
    visit(definition.body);
  }

  void visit(Statement& statement) {
    switch (statement.kind) {
      case StatementKind::output:
        for (const auto& value : as<OutputStatement>(statement).values) read(*value);
        return;
      case StatementKind::if_block: {
        auto& node = as<IfStatement>(statement);
        for (const auto& [condition, body] : node.branches) {
          read(*condition);
          visit(body);
        }
        return visit(node.otherwise);
      }
      case StatementKind::for_loop: {
        auto& node = as<ForStatement>(statement);
        write(node.target);
        read(node.items);
        visit(node.body);
        visit(node.otherwise);
        return read(node.test);
      }
      case StatementKind::set:
        write(as<SetStatement>(statement).target);
        return read(as<SetStatement>(statement).value);
      case StatementKind::set_block:
        write(as<SetBlockStatement>(statement).target);
        read(as<SetBlockStatement>(statement).filter);
        return visit(as<SetBlockStatement>(statement).body);
      case StatementKind::macro:
        return visit_function(as<MacroStatement>(statement).definition);
      case StatementKind::call_block:
        read(as<CallBlockStatement>(statement).call);
        return visit_function(as<CallBlockStatement>(statement).definition);
      case StatementKind::filter_block:
        visit(as<FilterBlockStatement>(statement).body);
        return read(as<FilterBlockStatement>(statement).filter);
      case StatementKind::with_block: {
        auto& node = as<WithStatement>(statement);
        for (const auto& assignment : node.assignments) write(assignment.first);
        for (const auto& assignment : node.assignments) read(assignment.second);
        return visit(node.body);
      }
      case StatementKind::named_block:
        has_scoped_block_ = has_scoped_block_ || as<NamedBlockStatement>(statement).is_scoped;
        return;
      default:
        return;
    }
  }

  std::set<std::string, std::less<>> wanted_, found_;
  bool has_scoped_block_ = false;
};

/// First what a scope reads and writes, without going into scopes inside it.
class Collector {
 public:
  explicit Collector(Symbols& symbols) : symbols_(symbols) {}

  void read(const Expression& expression) {
    if (expression.kind == ExpressionKind::name) symbols_.load(static_cast<const NameExpression&>(expression).name);
    for_each_part(expression, [this](const Expression& part) { read(part); });
  }
  void read(const ExpressionPtr& expression) {
    if (expression != nullptr) read(*expression);
  }

  void write(const Target& target, bool as_parameter) {
    if (target.kind == Target::Kind::attribute) symbols_.load(target.name);
    if (target.kind == Target::Kind::name && as_parameter) symbols_.declare_parameter(target.name);
    if (target.kind == Target::Kind::name && !as_parameter) symbols_.store(target.name);
    for (const Target& item : target.items) write(item, as_parameter);
  }

  void visit(const Body& body) {
    for (const StatementPtr& statement : body) visit(*statement);
  }

 private:
  void visit_if(const IfStatement& node) {
    read(node.branches[0].first);
    std::vector<Symbols> branches(3, Symbols::branch_of(symbols_));
    Collector(branches[0]).visit(node.branches[0].second);
    for (size_t i = 1; i < node.branches.size(); ++i) {  // each `elif` is an `if` of its own inside the second branch
      Collector(branches[1]).read(node.branches[i].first);
      std::vector<Symbols> inner(1, Symbols::branch_of(branches[1]));
      Collector(inner[0]).visit(node.branches[i].second);
      branches[1].merge(inner);
    }
    Collector(branches[2]).visit(node.otherwise);
    symbols_.merge(branches);
  }

  void visit(Statement& statement) {
    switch (statement.kind) {
      case StatementKind::output:
        for (const auto& value : as<OutputStatement>(statement).values) read(*value);
        return;
      case StatementKind::if_block:
        return visit_if(as<IfStatement>(statement));
      case StatementKind::for_loop:
        return read(as<ForStatement>(statement).items);
      case StatementKind::set:
        read(as<SetStatement>(statement).value);
        return write(as<SetStatement>(statement).target, false);
      case StatementKind::set_block:
        return write(as<SetBlockStatement>(statement).target, false);
      case StatementKind::macro:
        return symbols_.store(as<MacroStatement>(statement).definition.name);
      case StatementKind::call_block:
        return read(as<CallBlockStatement>(statement).call);
      case StatementKind::filter_block:
        return read(as<FilterBlockStatement>(statement).filter);
      case StatementKind::with_block:
        for (const auto& assignment : as<WithStatement>(statement).assignments) read(assignment.second);
        return;
      default:
        return;
    }
  }

  Symbols& symbols_;
};

/// Then every name of the scope gets its slot, scope by scope.
class Binder {
 public:
  Binder(const Symbols& symbols, bool is_top_level, bool in_loop)
      : symbols_(symbols), is_top_level_(is_top_level), in_loop_(in_loop) {}

  void bind(const Body& body) {
    for (const StatementPtr& statement : body) bind(*statement);
  }

  void bind(Target& target) const {
    if (in_loop_ && target.kind == Target::Kind::name && target.name == "loop") {
      throw Failure{"the special variable 'loop' cannot be assigned to inside a loop"};
    }
    if (target.kind != Target::Kind::tuple) target.slot = slot_of(target.name);
    for (Target& item : target.items) bind(item);
  }

  void bind(Expression& expression, bool may_skip = false) const {
    const bool soft = may_skip || may_skip_ || expression.kind == ExpressionKind::conditional;
    switch (expression.kind) {
      case ExpressionKind::name: {
        auto& name = static_cast<NameExpression&>(expression);
        name.slot = slot_of(name.name);
        return;
      }
      case ExpressionKind::filter:
        check_known(find_filter(static_cast<const FilterExpression&>(expression).name) != nullptr, "filter",
                    static_cast<const FilterExpression&>(expression).name, expression.line, soft);
        break;
      case ExpressionKind::test:
        check_known(find_test(static_cast<const TestExpression&>(expression).name) != nullptr, "test",
                    static_cast<const TestExpression&>(expression).name, expression.line, soft);
        break;
      default:
        break;
    }
    for_each_part(expression, [this, soft](Expression& part) { bind(part, soft); });
  }
  void bind(const ExpressionPtr& expression) const {
    if (expression != nullptr) bind(*expression);
  }

 private:
  [[nodiscard]] Slot slot_of(const std::string& name) const {
    return symbols_.slot_of(name, symbols_.function().depth);
  }

  static void check_known(bool known, std::string_view what, const std::string& name, int line, bool may_skip) {
    if (!known && !may_skip) throw Failure{fmt::format("line {}: there is no {} named '{}'", line, what, name)};
  }

  void bind(Statement& statement) {
    switch (statement.kind) {
      case StatementKind::output:
        for (const auto& value : as<OutputStatement>(statement).values) bind(value);
        return;
      case StatementKind::if_block:
        return bind_if(as<IfStatement>(statement));
      case StatementKind::for_loop:
        return bind_for(as<ForStatement>(statement));
      case StatementKind::set:
        as<SetStatement>(statement).is_exported = is_top_level_;
        bind(as<SetStatement>(statement).value);
        return bind(as<SetStatement>(statement).target);
      case StatementKind::set_block:
        return bind_set_block(as<SetBlockStatement>(statement));
      case StatementKind::macro: {
        auto& node = as<MacroStatement>(statement);
        node.is_exported = is_top_level_;
        bind_function(node.definition, node.line);
        node.slot = slot_of(node.definition.name);
        return;
      }
      case StatementKind::call_block:
        bind_function(as<CallBlockStatement>(statement).definition, statement.line);
        return bind(as<CallBlockStatement>(statement).call);
      case StatementKind::filter_block:
        return bind_filter_block(as<FilterBlockStatement>(statement));
      case StatementKind::with_block:
        return bind_with(as<WithStatement>(statement));
      case StatementKind::named_block:
        return bind_named_block(as<NamedBlockStatement>(statement));
      default:
        return;
    }
  }

  void bind_if(IfStatement& node) {
    const bool was_soft = std::exchange(may_skip_, true);
    for (const auto& [condition, body] : node.branches) {
      bind(condition);
      bind(body);
    }
    bind(node.otherwise);
    may_skip_ = was_soft;
  }

  void bind_for(ForStatement& node) {
    bind(node.items);
    FunctionLayout own_function{symbols_.function().depth + 1, 0};
    FunctionLayout& function = node.is_recursive ? own_function : symbols_.function();
    UndeclaredNames undeclared({"loop"});
    undeclared.visit(node.body);
    Symbols body(function, &symbols_), test(function, &symbols_), otherwise(function, &symbols_);
    if (node.is_recursive || undeclared.found("loop") || undeclared.has_scoped_block()) {
      node.loop_index = body.declare_parameter("loop");
    }
    Collector(body).write(node.target, true);
    Collector(body).visit(node.body);
    Collector(test).write(node.test_target, true);
    Collector(test).read(node.test);
    Collector(otherwise).visit(node.otherwise);

    Binder body_binder(body, false, true);
    body_binder.bind(node.target);
    body_binder.bind(node.body);
    Binder test_binder(test, false, true);
    test_binder.bind(node.test_target);
    test_binder.bind(node.test);
    Binder(otherwise, false, in_loop_).bind(node.otherwise);
    node.body_scope = body.scope();
    node.test_scope = test.scope();
    node.else_scope = otherwise.scope();
    node.slot_count = function.slot_count;
  }

  void bind_set_block(SetBlockStatement& node) {
    node.is_exported = is_top_level_;
    Symbols inner(symbols_.function(), &symbols_);
    Collector(inner).visit(node.body);
    Collector(inner).read(node.filter);
    Binder binder(inner, false, in_loop_);
    binder.bind(node.body);
    binder.bind(node.filter);
    node.scope = inner.scope();
    bind(node.target);
  }

  void bind_filter_block(FilterBlockStatement& node) const {
    Symbols inner(symbols_.function(), &symbols_);
    Collector(inner).visit(node.body);
    Collector(inner).read(node.filter);
    Binder binder(inner, false, in_loop_);
    binder.bind(node.body);
    binder.bind(node.filter);
    node.scope = inner.scope();
  }

  void bind_with(WithStatement& node) const {
    Symbols inner(symbols_.function(), &symbols_);
    for (const auto& assignment : node.assignments) Collector(inner).write(assignment.first, true);
    Collector(inner).visit(node.body);
    Binder binder(inner, false, in_loop_);
    for (auto& [target, value] : node.assignments) {
      bind(value);
      binder.bind(target);
    }
    binder.bind(node.body);
    node.scope = inner.scope();
  }

  void bind_function(MacroDefinition& definition, int line) const {
    FunctionLayout function{symbols_.function().depth + 1, 0};
    Symbols inner(function, &symbols_);
    UndeclaredNames special({"caller", "kwargs", "varargs"});
    special.visit(definition.body);
    const auto declares = [&definition](std::string_view name) {
      return std::any_of(definition.parameters.begin(), definition.parameters.end(),
                         [name](const auto& parameter) { return parameter.name == name; });
    };
    for (auto& parameter : definition.parameters) {
      parameter.index = inner.declare_parameter(parameter.name);
      if (parameter.name == "caller" && special.found("caller") && parameter.fallback == nullptr) {
        throw Failure{fmt::format("line {}: the parameter 'caller' of a macro needs a default", line)};
      }
    }
    const auto declare_special = [&](const char* name) -> std::optional<uint32_t> {
      if (!special.found(name) || declares(name)) return std::nullopt;
      return inner.declare_parameter(name);
    };
    definition.caller_index = declare_special("caller");
    definition.kwargs_index = declare_special("kwargs");
    definition.varargs_index = declare_special("varargs");
    for (const auto& parameter : definition.parameters) Collector(inner).read(parameter.fallback);
    Collector(inner).visit(definition.body);

    Binder binder(inner, false, in_loop_);
    for (const auto& parameter : definition.parameters) binder.bind(parameter.fallback);
    binder.bind(definition.body);
    definition.scope = inner.scope();
    definition.slot_count = function.slot_count;
  }

  void bind_named_block(NamedBlockStatement& node) const {
    FunctionLayout own_function;  // a block sees what is exported, not what is around it, unless it is scoped
    FunctionLayout& function = node.is_scoped ? symbols_.function() : own_function;
    Symbols inner(function, node.is_scoped ? &symbols_ : nullptr);
    Collector(inner).visit(node.body);
    Binder(inner, false, in_loop_).bind(node.body);
    node.scope = inner.scope();
    node.slot_count = function.slot_count;
  }

  const Symbols& symbols_;
  bool is_top_level_;
  bool in_loop_;
  bool may_skip_ = false;
};

}  // namespace

void bind_names(TemplateTree& tree) {
  FunctionLayout function;
  Symbols symbols(function, nullptr);
  Collector(symbols).visit(tree.body);
  Binder(symbols, true, false).bind(tree.body);
  tree.scope = symbols.scope();
  tree.slot_count = function.slot_count;
}

}  // namespace kedge::text::jinja
