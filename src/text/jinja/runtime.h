#pragma once
// What filters, tests, methods and operators share while a template runs.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/heap.h"
#include "text/jinja/value.h"

namespace kedge::text::jinja {

struct Runtime {
  Heap heap;
  std::string date;            // YYYY-MM-DD, or with " HH:MM:SS" after it; empty: strftime_now fails
  size_t generator_depth = 0;  // generators that are reading from each other right now
};

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> keywords;
};

struct CallableObject : Object {
  virtual Value call(Runtime& runtime, CallArguments& arguments) = 0;
};

/// A function of the engine, perhaps bound to the object whose method it is.
struct FunctionObject : CallableObject {
  using Function = Value (*)(Runtime& runtime, const Value& self, CallArguments& arguments);
  Function function = nullptr;
  Value self;

  Value call(Runtime& runtime, CallArguments& arguments) override { return function(runtime, self, arguments); }
};

using FilterFunction = Value (*)(Runtime& runtime, const Value& input, CallArguments& arguments);
using TestFunction = bool (*)(Runtime& runtime, const Value& input, CallArguments& arguments);

/// Null where there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);

/// range, namespace, dict, raise_exception, strftime_now, ...; missing where there is none of that name.
Value find_global(Runtime& runtime, std::string_view name);

/// object.name: an attribute first, then an item.
Value get_attribute(Runtime& runtime, const Value& object, std::string_view name);

/// object[key]: an item first, then an attribute.
Value get_item(Runtime& runtime, const Value& object, const Value& key);

/// object[start:stop:step]; `none` for what is left out.
Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step);

/// A method or attribute of the object's own; missing where it has none of that name.
Value find_method(Runtime& runtime, const Value& object, std::string_view name);

Value call_value(Runtime& runtime, const Value& callee, CallArguments& arguments);

/// for item in value. Throws Failure for what Python cannot iterate.
std::function<bool(Value&)> iterate(Runtime& runtime, const Value& value);
std::vector<Value> items_of(Runtime& runtime, const Value& value);
bool is_iterable(const Value& value);

/// str(value), kept by the heap; a string is returned as it is (and stays markup).
Value soft_string(Runtime& runtime, const Value& value);

/// HTML's five special characters replaced; markup stays as it is.
Value escape(Runtime& runtime, const Value& value);

/// The arguments of a call in the order of `names`, by position or keyword; missing for those not given.
/// The first `required` must be given. Throws Failure naming `function`.
std::vector<Value> bind_arguments(std::string_view function, const CallArguments& arguments,
                                  std::initializer_list<std::string_view> names, size_t required = 0);

/// Throws Failure where the value is of another kind; `what` names the argument in the message.
Integer require_integer(const Value& value, std::string_view what);
std::string_view require_string(const Value& value, std::string_view what);

/// "%s" % value and "{}".format(...).
Value percent_format(Runtime& runtime, const Value& format, const Value& values);
Value brace_format(Runtime& runtime, const Value& format, const CallArguments& arguments);

}  // namespace kedge::text::jinja
