// map, select, reject and their forms for attributes: generators, as in Python, that run once.

#include <fmt/format.h>

#include "text/jinja/filters.h"

namespace kedge::text::jinja {
namespace {

Value empty_generator(Runtime& runtime) {
  return runtime.heap.generator([](Value&) { return false; });
}

Value map_attribute(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("map", arguments, {"attribute", "default"}, 1);
  const Value fallback = bound[1].is_none() ? Value() : bound[1];
  return runtime.heap.generator(
      [&runtime, fallback, path = AttributePath(runtime, bound[0]), next = iterate(runtime, input)](Value& item) {
        if (!next(item)) return false;
        runtime.heap.spend();
        item = path.of(runtime, item, fallback);
        return true;
      });
}

Value map_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  if (!is_true(input)) return empty_generator(runtime);
  const bool by_attribute = arguments.positional.empty() && !arguments.keywords.empty();
  if (by_attribute) return map_attribute(runtime, input, arguments);
  if (arguments.positional.empty()) throw Failure{"map needs the name of a filter or attribute=..."};
  const std::string_view name = require_string(arguments.positional[0], "the filter of map");
  const FilterFunction filter = find_filter(name);
  if (filter == nullptr) throw Failure{fmt::format("map: there is no filter named '{}'", name)};
  arguments.positional.erase(arguments.positional.begin());
  return runtime.heap.generator([&runtime, filter, arguments, next = iterate(runtime, input)](Value& item) {
    if (!next(item)) return false;
    runtime.heap.spend();
    if (item.is_string()) runtime.heap.spend_on(item.as_string());
    CallArguments own = arguments;
    item = filter(runtime, item, own);
    return true;
  });
}

template <bool keeps, bool by_attribute>
Value choose_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  if (!is_true(input)) return empty_generator(runtime);
  auto& positional = arguments.positional;
  Value attribute;
  if (by_attribute) {
    if (positional.empty()) throw Failure{"selectattr and rejectattr need the name of an attribute"};
    attribute = positional[0];
    positional.erase(positional.begin());
  }
  TestFunction test = nullptr;
  if (!positional.empty()) {
    const std::string_view name = require_string(positional[0], "the test of select and reject");
    test = find_test(name);
    if (test == nullptr) throw Failure{fmt::format("there is no test named '{}'", name)};
    positional.erase(positional.begin());
  }
  return runtime.heap.generator([&runtime, test, arguments, path = AttributePath(runtime, attribute),
                                 next = iterate(runtime, input)](Value& item) {
    while (next(item)) {
      runtime.heap.spend();
      const Value subject = path.of(runtime, item);
      CallArguments own = arguments;
      const bool passes = test == nullptr ? is_true(subject) : test(runtime, subject, own);
      if (passes == keeps) return true;
    }
    return false;
  });
}

constexpr FilterRow kFilters[] = {
    {"map", map_filter},
    {"select", choose_filter<true, false>},
    {"reject", choose_filter<false, false>},
    {"selectattr", choose_filter<true, true>},
    {"rejectattr", choose_filter<false, true>},
};

}  // namespace

std::span<const FilterRow> selection_filters() {
  return kFilters;
}

}  // namespace kedge::text::jinja
