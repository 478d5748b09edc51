#include "text/jinja/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace kedge::text::jinja {
namespace {

template <DictPart part>
Value dict_view(Runtime& runtime, const Value& self, CallArguments& arguments) {
  bind_arguments("keys, values and items", arguments, {});
  auto* view = runtime.heap.make<ViewObject>();
  view->dict = &self.dict();
  view->part = part;
  return Value::object(Kind::view, view);
}

Value dict_get(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("get", arguments, {"key", "default"}, 1);
  hash_of(bound[0], runtime.heap);  // fails for what can be no key
  if (const Value* found = self.dict().find(bound[0], runtime.heap)) return *found;
  return bound[1].is(Kind::missing) ? Value::none() : bound[1];
}

Value dict_copy(Runtime& runtime, const Value& self, CallArguments& arguments) {
  bind_arguments("copy", arguments, {});
  const auto [value, dict] = runtime.heap.dict();
  for (const auto& [key, item] : self.dict().entries) runtime.heap.set(*dict, key, item);
  return value;
}

Value list_copy(Runtime& runtime, const Value& self, CallArguments& arguments) {
  bind_arguments("copy", arguments, {});
  return runtime.heap.list(self.list().items);
}

Value list_count(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("count", arguments, {"value"}, 1);
  const auto& items = self.list().items;
  return Value::integer(std::count_if(items.begin(), items.end(),
                                      [&](const Value& item) { return equal(item, bound[0], runtime.heap); }));
}

Value list_index(Runtime& runtime, const Value& self, CallArguments& arguments) {
  const auto bound = bind_arguments("index", arguments, {"value"}, 1);
  const auto& items = self.list().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(items[i], bound[0], runtime.heap)) return Value::integer(static_cast<Integer>(i));
  }
  throw Failure{"index: the value is not in the list"};
}

Value cycler_next(Runtime&, const Value& self, CallArguments& arguments) {
  bind_arguments("next", arguments, {});
  CyclerObject& cycler = self.cycler();
  const Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Value cycler_reset(Runtime&, const Value& self, CallArguments& arguments) {
  bind_arguments("reset", arguments, {});
  self.cycler().position = 0;
  return Value::none();
}

Value loop_cycle(Runtime&, const Value& self, CallArguments& arguments) {
  if (arguments.positional.empty()) throw Failure{"loop.cycle() needs at least one value"};
  const auto count = static_cast<Integer>(arguments.positional.size());
  return arguments.positional[static_cast<size_t>(self.loop().index0 % count)];
}

Value loop_changed(Runtime& runtime, const Value& self, CallArguments& arguments) {
  LoopObject& loop = self.loop();
  const auto& now = arguments.positional;
  const bool same = loop.changed_before && loop.last_changed.size() == now.size() &&
                    std::equal(now.begin(), now.end(), loop.last_changed.begin(),
                               [&](const Value& a, const Value& b) { return equal(a, b, runtime.heap); });
  if (!same) loop.last_changed = now;
  loop.changed_before = true;
  return Value::boolean(!same);
}

Value number_is_integer(Runtime&, const Value& self, CallArguments& arguments) {
  bind_arguments("is_integer", arguments, {});
  return Value::boolean(self.is_integral() ||
                        self.as_number() == static_cast<double>(static_cast<int64_t>(self.as_number())));
}

constexpr MethodRow kDictMethods[] = {{"items", dict_view<DictPart::items>},
                                      {"keys", dict_view<DictPart::keys>},
                                      {"values", dict_view<DictPart::values>},
                                      {"get", dict_get},
                                      {"copy", dict_copy}};
constexpr MethodRow kListMethods[] = {{"copy", list_copy}, {"count", list_count}, {"index", list_index}};
constexpr MethodRow kTupleMethods[] = {{"count", list_count}, {"index", list_index}};
constexpr MethodRow kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};
constexpr MethodRow kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};
constexpr MethodRow kNumberMethods[] = {{"is_integer", number_is_integer}};

/// transformers renders with jinja2's immutable sandbox: what would change a list or dict is refused when called.
constexpr std::array<std::string_view, 8> kListChangers = {"append", "clear", "pop",    "reverse",
                                                           "insert", "sort",  "extend", "remove"};
constexpr std::array<std::string_view, 5> kDictChangers = {"clear", "pop", "popitem", "setdefault", "update"};

template <typename Names>
bool has_name(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value refuse_change(Runtime& runtime, std::string_view kind, std::string_view name) {
  return Value::undefined_hint(
      runtime.heap.keep(fmt::format("'{}' would change a {}, which a chat template may not", name, kind)));
}

Value loop_attribute(Runtime& runtime, LoopObject& loop, std::string_view name) {
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(loop.peek() == nullptr);
  if (name == "length") return Value::integer(loop.length());
  if (name == "revindex") return Value::integer(loop.length() - loop.index0);
  if (name == "revindex0") return Value::integer(loop.length() - loop.index0 - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") {
    return loop.index0 == 0 ? Value::undefined_hint("there is no previous item") : loop.before;
  }
  if (name == "nextitem") {
    const Value* next = loop.peek();
    return next == nullptr ? Value::undefined_hint("there is no next item") : *next;
  }
  static_cast<void>(runtime);
  return {};
}

/// What is no method but a plain attribute; missing where there is none.
Value plain_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::loop:
      return loop_attribute(runtime, object.loop(), name);
    case Kind::list:
      return has_name(kListChangers, name) ? refuse_change(runtime, "list", name) : Value();
    case Kind::dict:
      return has_name(kDictChangers, name) ? refuse_change(runtime, "dict", name) : Value();
    case Kind::tuple:
      if (!object.list().is_group || (name != "grouper" && name != "list")) return {};
      return object.list().items[name == "grouper" ? 0 : 1];
    case Kind::cycler:
      return name == "current" ? object.cycler().items[object.cycler().position] : Value();
    case Kind::range: {
      const RangeObject& range = object.range();
      if (name == "start") return Value::integer(range.start);
      if (name == "stop") return Value::integer(range.stop);
      return name == "step" ? Value::integer(range.step) : Value();
    }
    default:
      return {};
  }
}

FunctionObject::Function method_of(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::string:
      return find_text_method(name);
    case Kind::dict:
      return find_method_row(kDictMethods, name);
    case Kind::list:
      return find_method_row(kListMethods, name);
    case Kind::tuple:
      return find_method_row(kTupleMethods, name);
    case Kind::cycler:
      return find_method_row(kCyclerMethods, name);
    case Kind::loop:
      return find_method_row(kLoopMethods, name);
    case Kind::number:
      return find_method_row(kNumberMethods, name);
    default:
      return nullptr;
  }
}

}  // namespace

Value find_method(Runtime& runtime, const Value& object, std::string_view name) {
  const FunctionObject::Function function = method_of(object.kind(), name);
  if (function == nullptr) return plain_attribute(runtime, object, name);
  auto* method = runtime.heap.make<FunctionObject>();
  method->function = function;
  method->self = object;
  return Value::object(Kind::callable, method);
}

}  // namespace kedge::text::jinja
