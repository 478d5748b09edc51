// The functions that every template has.

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ctime>

#include "text/jinja/methods.h"
#include "text/jinja/print.h"

namespace kedge::text::jinja {
namespace {

constexpr Integer kRangeLengthMax = 100'000;  // of jinja2's sandbox

Value range_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  if (!arguments.keywords.empty() || arguments.positional.empty() || arguments.positional.size() > 3) {
    throw Failure{"range() takes one to three integers"};
  }
  const auto& given = arguments.positional;
  const auto integer = [&given](size_t i) {
    require_integer(given[i], "an argument of range");
    return static_cast<Integer>(clamp_integer(given[i]));
  };
  auto* range = runtime.heap.make<RangeObject>();
  range->start = given.size() > 1 ? integer(0) : 0;
  range->stop = integer(given.size() > 1 ? 1 : 0);
  range->step = given.size() > 2 ? integer(2) : 1;
  if (range->step == 0) throw Failure{"range() needs a step other than zero"};
  if (range->length() > kRangeLengthMax) {
    throw Failure{fmt::format("range() is limited to {} items", integer_text(kRangeLengthMax))};
  }
  return Value::object(Kind::range, range);
}

/// dict(mapping or pairs, **keywords).
void fill_dict(Runtime& runtime, DictObject& dict, const CallArguments& arguments, std::string_view function) {
  if (arguments.positional.size() > 1)
    throw Failure{fmt::format("{}() takes at most one positional argument", function)};
  for (const Value& source : arguments.positional) {
    if (source.is(Kind::dict)) {
      for (const auto& [key, value] : source.dict().entries) runtime.heap.set(dict, key, value);
      continue;
    }
    for (const Value& pair : items_of(runtime, source)) {
      const std::vector<Value> items = items_of(runtime, pair);
      if (items.size() != 2) throw Failure{fmt::format("{}() needs pairs of a key and a value", function)};
      runtime.heap.set(dict, items[0], items[1]);
    }
  }
  for (const auto& [name, value] : arguments.keywords) runtime.heap.set(dict, Value::string(name), value);
}

Value dict_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  const auto [value, dict] = runtime.heap.dict();
  fill_dict(runtime, *dict, arguments, "dict");
  return value;
}

Value namespace_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  auto* result = runtime.heap.make<NamespaceObject>();
  fill_dict(runtime, result->attributes, arguments, "namespace");
  for (const auto& [name, value] : result->attributes.entries) {
    if (name.is_string() && name.as_string().starts_with('_')) {
      throw Failure{fmt::format("namespace(): '{}' begins with an underscore", name.as_string())};
    }
  }
  return Value::object(Kind::name_space, result);
}

Value cycler_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  if (arguments.positional.empty() || !arguments.keywords.empty()) throw Failure{"cycler() needs at least one value"};
  auto* cycler = runtime.heap.make<CyclerObject>();
  cycler->items = arguments.positional;
  return Value::object(Kind::cycler, cycler);
}

Value joiner_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  const auto bound = bind_arguments("joiner", arguments, {"sep"});
  auto* joiner = runtime.heap.make<JoinerObject>();
  joiner->separator = bound[0].is(Kind::missing) ? Value::string(", ") : bound[0];
  return Value::object(Kind::joiner, joiner);
}

Value raise_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  const auto bound = bind_arguments("raise_exception", arguments, {"message"}, 1);
  throw Failure{"the template refuses: " + to_text(bound[0], runtime.heap)};
}

Value refuse_lipsum(Runtime&, const Value&, CallArguments&) {
  throw Failure{"lipsum() is random, and templates must not be"};
}

int read_digits(std::string_view text, size_t offset, size_t count) {
  int value = -1;
  if (offset + count > text.size()) return value;
  const char* end = text.data() + offset + count;
  return std::from_chars(text.data() + offset, end, value).ptr == end ? value : -1;
}

std::tm parse_date(std::string_view date) {
  std::tm time = {};
  time.tm_year = read_digits(date, 0, 4) - 1900;
  time.tm_mon = read_digits(date, 5, 2) - 1;
  time.tm_mday = read_digits(date, 8, 2);
  if (date.size() >= 19) {
    time.tm_hour = read_digits(date, 11, 2);
    time.tm_min = read_digits(date, 14, 2);
    time.tm_sec = read_digits(date, 17, 2);
  }
  const std::tm wanted = time;
  timegm(&time);  // fills in the day of the week and of the year
  if (date.size() < 10 || wanted.tm_year < -1899 || time.tm_mday != wanted.tm_mday || time.tm_mon != wanted.tm_mon ||
      time.tm_hour != wanted.tm_hour || time.tm_min != wanted.tm_min || time.tm_sec != wanted.tm_sec) {
    throw Failure{fmt::format("strftime_now: '{}' is no date of the form YYYY-MM-DD", date)};
  }
  return time;
}

Value strftime_function(Runtime& runtime, const Value&, CallArguments& arguments) {
  constexpr size_t kFormatBytesMax = 1000, kResultBytesMax = 100'000;
  const auto bound = bind_arguments("strftime_now", arguments, {"format"}, 1);
  const std::string format(require_string(bound[0], "the format of strftime_now"));
  if (runtime.date.empty()) throw Failure{"strftime_now: the caller gave no date"};
  if (format.size() > kFormatBytesMax || format.find('\0') != std::string::npos) {
    throw Failure{fmt::format("strftime_now: the format is longer than {} bytes or has a NUL", kFormatBytesMax)};
  }
  if (format.empty()) return Value::string("");
  runtime.heap.spend_on_bytes(kResultBytesMax);
  const std::tm time = parse_date(runtime.date);
  std::string text(kResultBytesMax, '\0');
  // A leading blank tells an empty result from one that did not fit.
  const size_t size = std::strftime(text.data(), text.size(), (" " + format).c_str(), &time);
  if (size == 0) throw Failure{"strftime_now: the result is too long"};
  return runtime.heap.string(text.substr(1, size - 1));
}

constexpr MethodRow kGlobals[] = {
    {"range", range_function},           {"dict", dict_function},     {"namespace", namespace_function},
    {"cycler", cycler_function},         {"joiner", joiner_function}, {"raise_exception", raise_function},
    {"strftime_now", strftime_function}, {"lipsum", refuse_lipsum},
};

}  // namespace

Value find_global(Runtime& runtime, std::string_view name) {
  const FunctionObject::Function found = find_method_row(kGlobals, name);
  if (found == nullptr) return {};
  auto* function = runtime.heap.make<FunctionObject>();
  function->function = found;
  return Value::object(Kind::callable, function);
}

}  // namespace kedge::text::jinja
