#include "text/jinja/runtime.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/print.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

/// The position of a possibly negative index in a sequence; nothing outside of it.
std::optional<size_t> position_of(Integer index, Integer length) {
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::nullopt;
  return static_cast<size_t>(index);
}

std::optional<Value> character_at(Runtime& runtime, const Value& text, Integer index) {
  const std::string_view bytes = text.as_string();
  runtime.heap.spend_on(bytes);
  const auto position = position_of(index, static_cast<Integer>(code_point_count(bytes)));
  if (!position) return std::nullopt;
  const size_t begin = byte_offset(bytes, *position);
  size_t end = begin;
  next_code_point(bytes, end);
  return Value::string(bytes.substr(begin, end - begin), text.is_markup());
}

/// object[key] of Python; nothing where it raises TypeError or LookupError.
std::optional<Value> find_item(Runtime& runtime, const Value& object, const Value& key) {
  switch (object.kind()) {
    case Kind::dict: {
      if (key.is(Kind::list) || key.is(Kind::dict)) return std::nullopt;
      const Value* found = object.dict().find(key, runtime.heap);
      return found == nullptr ? std::nullopt : std::optional(*found);
    }
    case Kind::list:
    case Kind::tuple: {
      if (!key.is_integral()) return std::nullopt;
      const auto& items = object.list().items;
      const auto position = position_of(key.as_integer(), static_cast<Integer>(items.size()));
      return position ? std::optional(items[*position]) : std::nullopt;
    }
    case Kind::string:
      return key.is_integral() ? character_at(runtime, object, key.as_integer()) : std::nullopt;
    case Kind::range: {
      if (!key.is_integral()) return std::nullopt;
      const RangeObject& range = object.range();
      const auto position = position_of(key.as_integer(), range.length());
      if (!position) return std::nullopt;
      return Value::integer(range.start + static_cast<Integer>(*position) * range.step);
    }
    default:
      return std::nullopt;
  }
}

std::optional<Value> find_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::name_space)) {
    const Value* found = object.name_space().attributes.find(name);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  const Value method = find_method(runtime, object, name);
  return method.is(Kind::missing) ? std::nullopt : std::optional(method);
}

/// Python's slice.indices.
struct SliceBounds {
  Integer start, stop, step;
};

SliceBounds slice_bounds(Integer length, const Value& start, const Value& stop, const Value& step) {
  const auto read = [](const Value& value) {
    if (!value.is_integral())
      throw Failure{fmt::format("slice indices must be integers, not '{}'", type_name(value.kind()))};
    return static_cast<Integer>(clamp_integer(value));
  };
  SliceBounds bounds{0, 0, step.is_none() ? 1 : read(step)};
  if (bounds.step == 0) throw Failure{"a slice step cannot be zero"};
  const bool forward = bounds.step > 0;
  const Integer lowest = forward ? 0 : -1, highest = forward ? length : length - 1;
  const auto place = [&](const Value& value, Integer fallback) {
    if (value.is_none()) return fallback;
    Integer index = read(value);
    if (index < 0) index += length;
    return std::clamp(index, lowest, highest);
  };
  bounds.start = place(start, forward ? 0 : length - 1);
  bounds.stop = place(stop, forward ? length : -1);
  return bounds;
}

Value slice_text(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  const std::string_view text = object.as_string();
  runtime.heap.spend_on(text);
  const SliceBounds bounds = slice_bounds(static_cast<Integer>(code_point_count(text)), start, stop, step);
  if (bounds.step == 1) {
    if (bounds.stop <= bounds.start) return Value::string("", object.is_markup());
    const size_t begin = byte_offset(text, static_cast<size_t>(bounds.start));
    const size_t size = byte_offset(text.substr(begin), static_cast<size_t>(bounds.stop - bounds.start));
    return Value::string(text.substr(begin, size), object.is_markup());
  }
  std::vector<std::string_view> letters;
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    next_code_point(text, offset);
    letters.push_back(text.substr(begin, offset - begin));
  }
  std::string result;
  for (Integer i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) {
    result += letters[static_cast<size_t>(i)];
  }
  return runtime.heap.string(std::move(result), object.is_markup());
}

Value slice_range(Runtime& runtime, const RangeObject& range, const Value& start, const Value& stop,
                  const Value& step) {
  const SliceBounds bounds = slice_bounds(range.length(), start, stop, step);
  auto* result = runtime.heap.make<RangeObject>();
  result->start = range.start + bounds.start * range.step;
  result->stop = range.start + bounds.stop * range.step;
  result->step = range.step * bounds.step;
  return Value::object(Kind::range, result);
}

std::function<bool(Value&)> iterate_text(std::string_view text, bool markup) {
  return [text, markup, offset = size_t{0}](Value& item) mutable {
    if (offset == text.size()) return false;
    const size_t begin = offset;
    next_code_point(text, offset);
    item = Value::string(text.substr(begin, offset - begin), markup);
    return true;
  };
}

std::function<bool(Value&)> iterate_dict(Runtime& runtime, const DictObject& dict, DictPart part) {
  return [&runtime, &dict, part, index = size_t{0}](Value& item) mutable {
    if (index >= dict.entries.size()) return false;
    const auto& [key, value] = dict.entries[index++];
    if (part == DictPart::keys) item = key;
    if (part == DictPart::values) item = value;
    if (part == DictPart::items) item = runtime.heap.tuple({key, value});
    return true;
  };
}

/// Generators over generators over generators ... must not exhaust the stack.
bool read_generator(Runtime& runtime, GeneratorObject& generator, Value& item) {
  constexpr size_t kGeneratorDepthMax = 100;
  if (runtime.generator_depth >= kGeneratorDepthMax) throw Failure{"generators (map, select) are nested too deeply"};
  ++runtime.generator_depth;
  const bool found = generator.next(item);
  --runtime.generator_depth;
  return found;
}

}  // namespace

CallableObject& Value::callable() const {
  return static_cast<CallableObject&>(*object_);
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_undefined()) throw Failure{object.undefined_message()};
  if (const auto item = find_item(runtime, object, key)) return *item;
  if (key.is_string()) {
    if (const auto attribute = find_attribute(runtime, object, key.as_string())) return *attribute;
    return Value::undefined_attribute(object, key.as_string());
  }
  return Value::undefined_attribute(object, runtime.heap.keep(repr(key, runtime.heap)));
}

Value get_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is_undefined()) throw Failure{object.undefined_message()};
  if (const auto attribute = find_attribute(runtime, object, name)) return *attribute;
  if (object.is(Kind::dict)) {
    if (const Value* found = object.dict().find(Value::string(name), runtime.heap)) return *found;
  }
  return Value::undefined_attribute(object, name);
}

Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  switch (object.kind()) {
    case Kind::undefined:
      throw Failure{object.undefined_message()};
    case Kind::string:
      return slice_text(runtime, object, start, stop, step);
    case Kind::range:
      return slice_range(runtime, object.range(), start, stop, step);
    case Kind::list:
    case Kind::tuple: {
      const auto& items = object.list().items;
      const SliceBounds bounds = slice_bounds(static_cast<Integer>(items.size()), start, stop, step);
      std::vector<Value> result;
      for (Integer i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) {
        result.push_back(items[static_cast<size_t>(i)]);
      }
      return object.is(Kind::list) ? runtime.heap.list(std::move(result)) : runtime.heap.tuple(std::move(result));
    }
    default:
      throw Failure{fmt::format("a '{}' cannot be sliced", type_name(object.kind()))};
  }
}

Value call_value(Runtime& runtime, const Value& callee, CallArguments& arguments) {
  if (callee.is(Kind::callable)) return callee.callable().call(runtime, arguments);
  if (callee.is_undefined()) throw Failure{callee.undefined_message()};
  if (callee.is(Kind::joiner)) {
    JoinerObject& joiner = callee.joiner();
    if (std::exchange(joiner.used, true)) return joiner.separator;
    return Value::string("");
  }
  if (callee.is(Kind::loop)) {
    if (!callee.loop().recurse) throw Failure{"only the loop of a 'recursive' for can be called"};
    const auto bound = bind_arguments("loop", arguments, {"iterable"}, 1);
    return callee.loop().recurse(bound[0]);
  }
  throw Failure{fmt::format("a '{}' cannot be called", type_name(callee.kind()))};
}

std::function<bool(Value&)> iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return [](Value&) { return false; };
    case Kind::string:
      return iterate_text(value.as_string(), value.is_markup());
    case Kind::list:
    case Kind::tuple:
      return [&items = value.list().items, index = size_t{0}](Value& item) mutable {
        if (index == items.size()) return false;
        item = items[index++];
        return true;
      };
    case Kind::dict:
      return iterate_dict(runtime, value.dict(), DictPart::keys);
    case Kind::view:
      return iterate_dict(runtime, *value.view().dict, value.view().part);
    case Kind::range:
      return [&range = value.range(), index = Integer{0}](Value& item) mutable {
        if (index == range.length()) return false;
        item = Value::integer(range.start + index++ * range.step);
        return true;
      };
    case Kind::generator:
      return
          [&runtime, &generator = value.generator()](Value& item) { return read_generator(runtime, generator, item); };
    case Kind::loop:
      throw Failure{"iterating over the variable 'loop' is not supported"};
    default:
      throw Failure{fmt::format("a '{}' cannot be iterated", type_name(value.kind()))};
  }
}

std::vector<Value> items_of(Runtime& runtime, const Value& value) {
  std::vector<Value> items;
  const auto next = iterate(runtime, value);
  for (Value item; next(item);) {
    runtime.heap.spend();
    runtime.heap.allocate(sizeof(Value));
    items.push_back(item);
  }
  return items;
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::view:
    case Kind::range:
    case Kind::generator:
    case Kind::loop:
      return true;
    default:
      return false;
  }
}

Value soft_string(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.heap.string(to_text(value, runtime.heap));
}

Value escape(Runtime& runtime, const Value& value) {
  if (value.is_markup()) return value;
  const Value text = soft_string(runtime, value);
  std::string result;
  for (const char c : text.as_string()) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&#34;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return runtime.heap.string(std::move(result), true);
}

std::vector<Value> bind_arguments(std::string_view function, const CallArguments& arguments,
                                  std::initializer_list<std::string_view> names, size_t required) {
  if (arguments.positional.size() > names.size()) {
    throw Failure{fmt::format("{}() takes at most {} arguments, {} were given", function, names.size(),
                              arguments.positional.size())};
  }
  std::vector<Value> bound(arguments.positional);
  bound.resize(names.size());
  for (const auto& [name, value] : arguments.keywords) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw Failure{fmt::format("{}() has no argument '{}'", function, name)};
    Value& slot = bound[static_cast<size_t>(found - names.begin())];
    if (!slot.is(Kind::missing)) throw Failure{fmt::format("{}() got the argument '{}' twice", function, name)};
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i].is(Kind::missing))
      throw Failure{fmt::format("{}() needs the argument '{}'", function, names.begin()[i])};
  }
  return bound;
}

Integer require_integer(const Value& value, std::string_view what) {
  if (value.is_undefined()) throw Failure{value.undefined_message()};
  if (!value.is_integral())
    throw Failure{fmt::format("{} must be an integer, not '{}'", what, type_name(value.kind()))};
  return value.as_integer();
}

std::string_view require_string(const Value& value, std::string_view what) {
  if (value.is_undefined()) throw Failure{value.undefined_message()};
  if (!value.is_string()) throw Failure{fmt::format("{} must be a string, not '{}'", what, type_name(value.kind()))};
  return value.as_string();
}

}  // namespace kedge::text::jinja
