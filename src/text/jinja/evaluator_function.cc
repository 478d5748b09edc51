// Variables and macros.

#include <algorithm>

#include "text/jinja/evaluator_internal.h"

namespace kedge::text::jinja {

Evaluator::Activation* Evaluator::make_activation(Activation* outer, uint32_t slot_count) {
  auto* activation = runtime_.heap.make<Activation>();
  runtime_.heap.allocate(slot_count * sizeof(Value));
  activation->outer = outer;
  activation->slots.resize(slot_count);
  return activation;
}

Value& Evaluator::slot(const Slot& slot) {
  Activation* activation = activation_;
  for (uint32_t hop = 0; hop < slot.hops; ++hop) activation = activation->outer;
  return activation->slots[slot.index];
}

void Evaluator::enter(const Scope& scope) {
  runtime_.heap.spend(1 + scope.entries.size() / 8);
  for (const Scope::Entry& entry : scope.entries) {
    Value& target = activation_->slots[entry.index];
    switch (entry.load) {
      case Scope::Load::unset:
        target = {};
        break;
      case Scope::Load::copy:
        target = slot(entry.source);
        break;
      case Scope::Load::resolve:
        target = resolve(entry.name);
        break;
      case Scope::Load::parameter:
        break;
    }
  }
}

void Evaluator::leave(const Scope& scope) {
  for (const Scope::Entry& entry : scope.entries) activation_->slots[entry.index] = {};
}

Value Evaluator::resolve(const std::string& name) {
  if (const auto found = exported_.find(name); found != exported_.end()) return found->second;
  if (const Value* found = variables_.find(name)) return *found;
  return find_global(runtime_, name);
}

void Evaluator::assign(const Target& target, const Value& value) {
  switch (target.kind) {
    case Target::Kind::name:
      slot(target.slot) = value;
      return;
    case Target::Kind::attribute:
      return assign_attribute(target, value);
    case Target::Kind::tuple: {
      const std::vector<Value> items = items_of(runtime_, value);
      if (items.size() != target.items.size()) {
        throw Failure{fmt::format("{} values cannot be assigned to {} names", items.size(), target.items.size())};
      }
      for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], items[i]);
      return;
    }
  }
}

void Evaluator::assign_attribute(const Target& target, const Value& value) {
  const Value& object = slot(target.slot);
  if (!object.is(Kind::name_space)) {
    throw Failure{
        fmt::format("'{}.{}' cannot be set: '{}' is no namespace", target.name, target.attribute, target.name)};
  }
  if (target.attribute.starts_with('_')) {
    throw Failure{fmt::format("'{}': names of attributes must not begin with an underscore", target.attribute)};
  }
  runtime_.heap.set(object.name_space().attributes, Value::string(target.attribute), value);
}

void Evaluator::export_names(const Target& target) {
  if (target.kind == Target::Kind::name) exported_[target.name] = slot(target.slot);
  for (const Target& item : target.items) export_names(item);
}

Value Evaluator::make_macro(const MacroDefinition& definition) {
  auto* macro = runtime_.heap.make<Macro>();
  macro->evaluator = this;
  macro->definition = &definition;
  macro->closure = activation_;
  return Value::object(Kind::callable, macro);
}

Value Evaluator::run_macro(const Macro& macro, CallArguments& arguments) {
  const Depth depth(*this);
  if (macro_depth_ >= limits_.depth_max) {
    throw Failure{fmt::format("macros call each other more than {} levels deep (depth_max)", limits_.depth_max)};
  }
  const MacroDefinition& definition = *macro.definition;
  Activation* activation = make_activation(macro.closure, definition.slot_count);
  bind_parameters(definition, arguments, *activation);
  Activation* const caller = std::exchange(activation_, activation);
  const Value outer_text = block_text_;
  ++macro_depth_;
  Capture capture(*this);
  enter(definition.scope);
  evaluate_defaults(definition);
  execute(definition.body);
  --macro_depth_;
  activation_ = caller;
  block_text_ = outer_text;
  return capture.take();
}

void Evaluator::bind_parameters(const MacroDefinition& definition, CallArguments& arguments, Activation& activation) {
  const auto& parameters = definition.parameters;
  auto& keywords = arguments.keywords;
  const auto take_keyword = [this, &keywords](std::string_view name) -> Value {
    runtime_.heap.spend(1 + keywords.size() / 8);
    const auto found =
        std::find_if(keywords.begin(), keywords.end(), [name](const auto& entry) { return entry.first == name; });
    if (found == keywords.end()) return {};
    const Value value = found->second;
    keywords.erase(found);
    return value;
  };
  bool takes_caller = false;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool by_position = i < arguments.positional.size();
    activation.slots[parameters[i].index] = by_position ? arguments.positional[i] : take_keyword(parameters[i].name);
    takes_caller = takes_caller || parameters[i].name == "caller";
  }
  if (definition.caller_index && !takes_caller) {
    const Value caller = take_keyword("caller");
    activation.slots[*definition.caller_index] =
        caller.is(Kind::missing) ? Value::undefined_hint("no caller is defined") : caller;
  }
  if (definition.kwargs_index) {
    const auto [value, dict] = runtime_.heap.dict();
    for (const auto& [name, argument] : keywords) runtime_.heap.set(*dict, Value::string(name), argument);
    activation.slots[*definition.kwargs_index] = value;
  } else if (!keywords.empty()) {
    throw Failure{fmt::format("the macro '{}' has no parameter '{}' left to set", definition.name, keywords[0].first)};
  }
  const size_t extra = arguments.positional.size() - std::min(arguments.positional.size(), parameters.size());
  if (definition.varargs_index) {
    activation.slots[*definition.varargs_index] = runtime_.heap.tuple(
        {arguments.positional.end() - static_cast<std::ptrdiff_t>(extra), arguments.positional.end()});
  } else if (extra > 0) {
    throw Failure{fmt::format("the macro '{}' takes at most {} arguments", definition.name, parameters.size())};
  }
}

void Evaluator::evaluate_defaults(const MacroDefinition& definition) {
  for (const auto& parameter : definition.parameters) {
    if (!activation_->slots[parameter.index].is(Kind::missing)) continue;
    const Value value = parameter.fallback != nullptr ? evaluate(*parameter.fallback)
                                                      : Value::undefined_hint(runtime_.heap.keep(fmt::format(
                                                            "the parameter '{}' was not given", parameter.name)));
    activation_->slots[parameter.index] = value;
  }
}

}  // namespace kedge::text::jinja
